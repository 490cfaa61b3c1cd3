"""Servers of the demonstration: which port, start, wait until it answers, stop."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.runtime import Runtime

# The ports of runtimes where the tap looks by itself, less those it takes for another make.
USUAL_PORTS = (8000, 9931, 8080, 3000)
_READY_WITHIN_S = 60.0
_STOP_WITHIN_S = 5.0
_KINDER = 10
"""Niceness of the models: a demonstration stays out of the way."""
_HERE = Path(__file__).resolve().parent
_MODELS, _SERVED = _HERE / "build_model.py", _HERE / "served.py"


class CannotServe(Exception):
    """A model cannot be served; the text says why and the mend."""


def model_file(runtime: Runtime, name: str) -> Path:
    """Return the file of a model, made where it is not there yet or its maker has changed. Raises CannotServe."""
    path = runtime.root / "models" / f"{name}.gguf"
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.stat().st_mtime < _MODELS.stat().st_mtime:
        made = subprocess.run(
            [str(runtime.python), "-P", str(_MODELS), name, str(path)],
            capture_output=True,
            text=True,
            env=runtime.environment,
            check=False,
        )
        if made.returncode:
            raise CannotServe(
                f"the model {name} could not be made: {made.stderr.strip()[-300:]}; remove {runtime.root} to begin anew"
            )
    return path


def free_ports(count: int, usual: Iterable[int] = USUAL_PORTS) -> list[int]:
    """Return so many ports of those where runtimes are looked for that nobody holds. Raises CannotServe."""
    found = [port for port in usual if _is_free(port)][:count]
    if len(found) < count:
        raise CannotServe(
            f"the demo needs {count} of the ports {', '.join(map(str, usual))}, where the tap looks for runtimes, "
            f"and {len(found)} are free; stop what listens there: ss -ltnp"
        )
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Server:
    """One llama-cpp-python server with one model, on a loopback port."""

    def __init__(self, runtime: Runtime, model: str, port: int, log: Path, context: int = 2048) -> None:
        self.model = model
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        settings = {
            "model": model_file(runtime, model),
            "model_alias": model,
            "host": "127.0.0.1",
            "port": port,
            "n_ctx": context,
            "n_threads": 1,
            "n_threads_batch": 1,
            # Memory that cannot be paged out is not a demonstration's to take.
            "use_mlock": "false",
            # As a model runtime queues: otherwise a second request would cut the first one off.
            "interrupt_requests": "false",
            "verbose": "false",
        }
        command = ["nice", "-n", str(_KINDER), str(runtime.python), "-P", str(_SERVED)]
        command += [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=runtime.environment,
                start_new_session=True,  # Ctrl-C is for the demo, which stops its servers in order
            )

    def wait_ready(self) -> None:
        """Return once it lists its model. Raises CannotServe with its last words."""
        until_s = time.monotonic() + _READY_WITHIN_S
        while not self._answers():
            if self.process.poll() is not None:
                raise CannotServe(f"the server of {self.model} ended: {self._last_words()}. Its log: {self._log}")
            if time.monotonic() > until_s:
                raise CannotServe(f"{self.url} did not answer within {_READY_WITHIN_S:.0f} s; its log: {self._log}")
            time.sleep(0.05)  # nothing tells when a foreign server listens

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError, ValueError),
            urllib.request.urlopen(  # noqa: S310 - our own address
                f"{self.url}/v1/models", timeout=2.0
            ) as answer,
        ):
            return any(one["id"] == self.model for one in json.load(answer)["data"])
        return False

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    def stop(self) -> None:
        """End it, and wait for that."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()


@contextmanager
def serving(runtime: Runtime, models: Iterable[str], ports: Iterable[int], logs: Path) -> Iterator[list[Server]]:
    """Have the models served while inside."""
    servers: list[Server] = []
    try:
        for model, port in zip(models, ports, strict=True):
            servers.append(Server(runtime, model, port, logs / f"{model}.log"))
        for server in servers:
            server.wait_ready()
        yield servers
    finally:
        for server in servers:
            server.stop()
