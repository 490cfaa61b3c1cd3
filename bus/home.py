"""Where everything lives: the home folder, its modes, its configuration and its block of ports."""

import os
import stat
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

DEFAULT_PORT_BASE = 9460
REPOSITORY = Path(__file__).resolve().parent.parent
_LONGEST_SOCKET_PATH = 103  # sun_path of macOS and the BSDs, less its ending zero; Linux has 107
_FOLDERS = ("data", "run", "keys", "log", "quarantine")


class HomeError(Exception):
    """The home cannot be used; the text says which part and what to do."""


class Ports(NamedTuple):
    """One block of loopback ports (DESIGN §6)."""

    page: int
    grpc: int
    bus_in: int
    bus_out: int
    tap: int

    @classmethod
    def from_base(cls, base: int) -> "Ports":
        return cls(base, base + 1, base + 2, base + 3, base + 4)


@dataclass(frozen=True)
class Config:
    """`<home>/wfmon.toml`. Everything else is a setting of governance and changes live."""

    port_base: int = DEFAULT_PORT_BASE
    bus: str = "tcp"  # or "ipc"

    @classmethod
    def load(cls, path: Path) -> "Config":
        """Reads the file, absent = defaults; raises HomeError that names the key at fault."""
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise HomeError(f"{path}: {error}. Mend the file, or remove it to start with the defaults.") from error
        known: dict[str, type] = {"port_base": int, "bus": str}
        for key, value in raw.items():
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known)}."
                raise HomeError(f"{path}: unknown key `{key}`; {hint}")
            if type(value) is not known[key]:
                raise HomeError(f"{path}: `{key}` must be {known[key].__name__}, not {value!r}")
        config = cls(**raw)
        if not 1024 <= config.port_base <= 65531:
            raise HomeError(f"{path}: `port_base` must be 1024 to 65531, not {config.port_base}")
        if config.bus not in ("tcp", "ipc"):
            raise HomeError(f'{path}: `bus` must be "tcp" or "ipc", not {config.bus!r}')
        return config

    def save(self, path: Path) -> None:
        text = f'port_base = {self.port_base}\nbus = "{self.bus}"\n'
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_private(path, text.encode())


def write_private(path: Path, content: bytes) -> None:
    """Writes a 0600 file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class Home:
    """The home folder; `prepare` makes it and refuses one that other users can enter."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        self.run = root / "run"
        self.keys = root / "keys"
        self.log = root / "log"
        self.quarantine = root / "quarantine"

    @classmethod
    def resolve(cls, argument: str | None = None) -> "Home":
        """`--home`, else `$WFMON_HOME`, else `.wfmon` in a clone, else the user's data folder."""
        if chosen := argument or os.environ.get("WFMON_HOME"):
            return cls(Path(chosen).expanduser().absolute())
        if (REPOSITORY / "supervisor.conf").is_file():
            return cls(REPOSITORY / ".wfmon")
        from platformdirs import user_data_path

        return cls(user_data_path("wirthforge-monitor"))

    def prepare(self) -> None:
        """Makes the folders, 0700; raises HomeError where the home is wider, foreign or not writable."""
        try:
            for folder in (self.root, *(self.root / name for name in _FOLDERS)):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._check(folder)
        except OSError as error:
            raise HomeError(
                f"{error.filename or self.root}: {error.strerror}. Choose a writable folder with --home DIR."
            ) from error
        longest = self.socket("aggregator")
        if len(os.fsencode(longest)) > _LONGEST_SOCKET_PATH:
            raise HomeError(f"{longest} is too long for a Unix socket. Choose a shorter folder with --home DIR.")
        if not os.access(self.data, os.W_OK):
            raise HomeError(f"{self.data} is not writable. Choose another folder with --home DIR.")

    @staticmethod
    def _check(folder: Path) -> None:
        status = folder.stat()
        if status.st_uid != os.geteuid():
            raise HomeError(
                f"{folder} belongs to user {status.st_uid}, not to you ({os.geteuid()}). Choose another --home."
            )
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077:
            raise HomeError(f"{folder} is open to other users (mode {mode:04o}). Close it: chmod 700 {folder}")

    @cached_property
    def config(self) -> Config:
        return Config.load(self.config_file)

    @property
    def config_file(self) -> Path:
        return self.root / "wfmon.toml"

    @property
    def ports(self) -> Ports:
        return Ports.from_base(self.config.port_base)

    @property
    def token_file(self) -> Path:
        """The API token for scripts (0600)."""
        return self.run / "token"

    def database(self, service: str) -> Path:
        return self.data / f"{service}.db"

    def socket(self, service: str) -> Path:
        """The service's gRPC socket."""
        return self.run / f"{service}.sock"

    def pid_file(self, service: str) -> Path:
        """Held locked while the service runs; its pid stands in it."""
        return self.run / f"{service}.pid"
