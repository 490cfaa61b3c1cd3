"""What `wfmon doctor` looks at: one function a check, all of them in `CHECKS`.

A check returns findings: ok, warn or fail, what was seen, and the mend where there is something to mend.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bus.home import Home, HomeError
from services.cli.errors import CliError
from services.cli.supervisor import Supervisor
from services.cli.text import printable, scaled

Level = Literal["ok", "warn", "fail"]
_ROOM_WANTED = 4e9  # twice the default storage.budget_bytes
_ROOM_NEEDED = 100e6
# Libraries before these lose pages of a WAL database that two connections write; we have one connection a file.
_SQLITE_WANTED = (3, 44, 6)
_ZMQ_WANTED = (4, 3, 5)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's."""

    level: Level
    subject: str
    seen: str
    mend: str = ""


Check = Callable[[Home], Iterator[Finding]]


def home_folder(home: Home) -> Iterator[Finding]:
    """Ours, 0700, and every file in it 0600 (SECURITY: other users of the machine)."""
    if not home.root.exists():
        yield Finding("warn", "home", f"{home.root} does not exist yet", "wfmon up makes it")
        return
    wide = list(_too_open(home.root))
    for path, mode in wide[:5]:
        yield Finding("fail", "home", f"{path} is open to other users (mode {mode:04o})", f"chmod go-rwx '{path}'")
    if len(wide) > 5:
        yield Finding("fail", "home", f"and {len(wide) - 5} more", f"chmod -R go-rwx '{home.root}'")
    if not os.access(home.root, os.W_OK):
        yield Finding("fail", "home", f"{home.root} is not writable", "choose another with --home DIR")
    elif not wide:
        yield Finding("ok", "home", f"{home.root} is yours alone")


def _too_open(root: Path) -> Iterator[tuple[Path, int]]:
    for path in (root, *root.rglob("*")):
        try:
            status = path.lstat()
        except OSError:
            continue  # gone meanwhile
        if not stat.S_ISLNK(status.st_mode) and status.st_mode & 0o077:
            yield path, stat.S_IMODE(status.st_mode)


def configuration(home: Home) -> Iterator[Finding]:
    """`<home>/wfmon.toml` reads."""
    try:
        config = home.config
    except HomeError as error:
        yield Finding("fail", "configuration", str(error))
        return
    yield Finding("ok", "configuration", f"ports from {config.port_base} on, bus over {config.bus}")


def keys_and_token(home: Home) -> Iterator[Finding]:
    """The bus's key pairs and the API token are there and whole."""
    for path, length in ((home.keys / "forwarder.key", 2), (home.keys / "service.key", 2), (home.token_file, 1)):
        try:
            words = path.read_text(encoding="ascii").split()
        except FileNotFoundError:
            if home.root.exists():
                yield Finding("warn", "keys", f"{path} does not exist yet", "wfmon up makes it")
            continue
        except (OSError, UnicodeDecodeError) as error:
            yield Finding("fail", "keys", f"{path} cannot be read: {error}", f"wfmon down; rm '{path}'; wfmon up")
            continue
        if len(words) != length or any(len(word) < 32 for word in words):
            yield Finding("fail", "keys", f"{path} is damaged", f"wfmon down; rm '{path}'; wfmon up")
        else:
            yield Finding("ok", "keys", f"{path.name} is whole")


def disk(home: Home) -> Iterator[Finding]:
    """There is room for what is to be kept."""
    place = next(folder for folder in (home.root, *home.root.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    mend = "free some, or lower storage.budget_bytes: wfmon settings set storage.budget_bytes 500MB"
    level: Level = "ok" if free > _ROOM_WANTED else "warn" if free > _ROOM_NEEDED else "fail"
    yield Finding(level, "disk", f"{scaled(free)} free at {place}", "" if level == "ok" else mend)


def clock(home: Home) -> Iterator[Finding]:
    """The wall clock is plausible: not before the newest thing we wrote."""
    newest = max((path.stat().st_mtime for path in home.data.glob("*.db*")), default=0.0)
    ahead_s = newest - time.time()
    if ahead_s > 60:
        yield Finding(
            "fail", "clock", f"the newest data is {ahead_s:.0f} s in the future: the clock was set back",
            "set the clock: timedatectl set-ntp true",
        )  # fmt: skip
    else:
        yield Finding("ok", "clock", time.strftime("%Y-%m-%d %H:%M:%S %Z"))


def versions(home: Home) -> Iterator[Finding]:
    """The libraries underneath are those we know to work."""
    import zmq

    yield Finding("ok", "python", sys.version.split()[0])
    old = sqlite3.sqlite_version_info < _SQLITE_WANTED
    why = " (its known WAL fault needs two connections to a file; each of ours has one)" if old else ""
    yield Finding("ok", "sqlite", sqlite3.sqlite_version + why)
    old = zmq.zmq_version_info() < _ZMQ_WANTED
    mend = "pip install --upgrade --only-binary :all: pyzmq"
    yield Finding("fail" if old else "ok", "libzmq", zmq.zmq_version(), mend if old else "")
    if not zmq.has("curve"):
        yield Finding("fail", "libzmq", "it was built without CURVE, so the bus cannot be encrypted", mend)


def ports(home: Home) -> Iterator[Finding]:
    """The block of ports is free, or ours."""
    from services.cli.ports import check_free

    if Supervisor(home).pid() is not None:
        return  # ours then; whether the doors answer is the services' check
    try:
        check_free(home)
    except CliError as error:
        yield Finding("fail", "ports", str(error))
    except HomeError:
        return  # said under configuration
    else:
        yield Finding("ok", "ports", f"{home.ports.page} to {home.ports.tap} are free")


def services(home: Home) -> Iterator[Finding]:
    """What runs, is ready."""
    from services.cli.commands.status import hear_all, standing

    supervisor = Supervisor(home)
    if supervisor.pid() is None:
        yield Finding("warn", "services", "the monitor is not running", "wfmon up")
        return
    programs = supervisor.programs()
    healths, trouble = hear_all(home, programs)
    if trouble:
        yield Finding("fail", "services", trouble)
    for program in programs:
        state = standing(program, healths, time.time())
        said = f"{state.name} is {state.health or state.process}" + (f": {state.reason}" if state.reason else "")
        level: Level = "ok" if state.well else "warn" if state.health in ("starting", "degraded") else "fail"
        yield Finding(level, "services", said, "" if level == "ok" else f"see {home.log / state.name}.log")


def audit_chain(home: Home) -> Iterator[Finding]:
    """The record of changes is whole."""
    if Supervisor(home).pid() is None:
        return
    from wfmonitor.v1.settings_service_pb2 import VerifyAuditRequest
    from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

    from services.cli.connection import door

    try:
        with door(home) as channel:
            verdict = SettingsServiceStub(channel).VerifyAudit(VerifyAuditRequest(), timeout=10)
    except CliError as error:
        yield Finding("fail", "audit", str(error))
        return
    if verdict.intact:
        yield Finding("ok", "audit", f"the chain of {verdict.rows} rows is whole")
    else:
        mend = "rows before it can be trusted; keep a copy of governance.db and ask who wrote to it"
        yield Finding("fail", "audit", f"broken at row {verdict.broken_at}: {verdict.reason}", mend)


def quarantine(home: Home) -> Iterator[Finding]:
    """No broken database was put away unseen."""
    kept = sorted(home.quarantine.glob("*")) if home.quarantine.exists() else []
    if kept:
        names = ", ".join(printable(path.name) for path in kept[:3])
        mend = f"they are kept for you to look at; remove them when done: rm -r '{home.quarantine}'/*"
        yield Finding("warn", "quarantine", f"{len(kept)} broken files were put away: {names}", mend)
    else:
        yield Finding("ok", "quarantine", "no database was ever found broken")


def gpu(home: Home) -> Iterator[Finding]:
    """The NVIDIA driver answers, where there is one."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        present = Path("/proc/driver/nvidia").exists()
        mend = "reload the driver, or restart the machine after an upgrade of it: nvidia-smi" if present else ""
        yield Finding("warn" if present else "ok", "gpu", f"no NVIDIA GPU to read ({error})", mend)
        return
    try:
        count, driver = pynvml.nvmlDeviceGetCount(), pynvml.nvmlSystemGetDriverVersion()
        yield Finding("ok", "gpu", f"{count} NVIDIA GPUs, driver {driver}")
    finally:
        pynvml.nvmlShutdown()


CHECKS: tuple[Check, ...] = (
    versions,
    home_folder,
    configuration,
    keys_and_token,
    disk,
    clock,
    ports,
    services,
    audit_chain,
    quarantine,
    gpu,
)
