"""The real stack for tests: supervisord and all services on a home and a port block of their own."""

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from xmlrpc.client import ServerProxy

import psutil
import zmq
from google.protobuf.message import DecodeError
from supervisor.xmlrpc import SupervisorTransport
from wfmonitor.v1.health_pb2 import Health, ServiceState

from bus import topics
from bus.home import Config, Home
from bus.keys import load_or_make
from bus.supervision import LISTENER, SERVICES, render_supervisor_conf
from bus.transport import endpoints

START_S = 60.0


def _die_with_parent() -> None:
    """A test that is killed takes its stack along."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def free_port_base() -> int:
    """The first of five loopback ports that nobody holds now."""
    for _ in range(200):
        # Below 32768: above it the kernel takes ports for connections, also between our look and our use.
        base = 20000 + secrets.randbelow(2500) * 5
        try:
            for port in range(base, base + 5):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise RuntimeError("no five free ports in a row found")


def free_port() -> int:
    """A loopback port that nobody holds now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Ear:
    """Hears the bus in a thread of its own, with the services' key."""

    def __init__(self, home: Home, prefixes: tuple[str, ...]) -> None:
        self._home = home
        self._prefixes = prefixes
        self.changed = threading.Condition()
        self.messages: list[tuple[str, bytes]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        keys = load_or_make(self._home.keys)
        ear = context.socket(zmq.SUB)
        ear.curve_publickey, ear.curve_secretkey = keys.service
        ear.curve_serverkey = keys.forwarder.public
        ear.setsockopt(zmq.RECONNECT_IVL, 20)
        ear.setsockopt(zmq.RCVTIMEO, 100)
        ear.setsockopt(zmq.RCVHWM, 100_000)
        for prefix in self._prefixes:
            ear.subscribe(prefix.encode())
        ear.connect(endpoints(self._home)[1])
        while not self._stop.is_set():
            try:
                topic, payload = ear.recv_multipart()
            except zmq.Again:
                continue
            with self.changed:
                self.messages.append((topic.decode("ascii", "backslashreplace"), payload))
                self.changed.notify_all()
        ear.close(linger=0)
        context.term()

    def wait_for(self, seen: Callable[[list[tuple[str, bytes]]], bool], timeout_s: float, what: str) -> None:
        """Waits until `seen(messages)`; raises TimeoutError that says what was waited for."""
        with self.changed:
            if not self.changed.wait_for(lambda: seen(self.messages), timeout_s):
                heard = sorted({topic for topic, _ in self.messages})
                raise TimeoutError(f"waited {timeout_s} s for {what}; heard {heard}")

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


class Stack:
    """`with Stack() as stack:` starts everything and waits until it is ready; leaving stops and removes it."""

    def __init__(
        self, root: Path | None = None, services: tuple[str, ...] = SERVICES, supervisord: str = "bus.supervisord"
    ) -> None:
        # Short: the path of a Unix socket may have 107 bytes.
        self._temporary = root is None
        self.home = Home(root or Path(tempfile.mkdtemp(prefix="wf-", dir="/tmp")) / "home")
        self.services = services
        self._program = supervisord
        self._supervisord: subprocess.Popen[bytes] | None = None
        self.ear: Ear

    def prepare(self) -> None:
        os.umask(0o077)
        self.home.prepare()
        if not self.home.config_file.exists():
            Config(port_base=free_port_base()).save(self.home.config_file)
        conf = self.home.root / "supervisor.conf"
        conf.write_text(render_supervisor_conf(self.home, sys.executable))

    def start(self, wait: bool = True) -> None:
        """Starts supervisord; with `wait`, returns when every service says that it is ready."""
        self.prepare()
        self.ear = Ear(self.home, (topics.HEALTHS, topics.EVENTS))
        self.launch()
        if wait:
            self.wait_ready(*self.services, LISTENER)

    def launch(self) -> None:
        """Starts supervisord on a prepared home; the ear of an earlier start goes on hearing."""
        self._supervisord = subprocess.Popen(
            [sys.executable, "-m", self._program, "-n", "-c", str(self.home.root / "supervisor.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )

    @property
    def supervisor_pid(self) -> int:
        assert self._supervisord is not None
        return self._supervisord.pid

    @property
    def supervisor(self) -> ServerProxy:
        """supervisord's own interface, as supervisorctl speaks it."""
        url = f"unix://{self.home.run}/supervisor.sock"
        return ServerProxy("http://127.0.0.1", transport=SupervisorTransport(None, None, serverurl=url))

    def healths(self, service: str) -> list[Health]:
        with self.ear.changed:
            said = [payload for topic, payload in self.ear.messages if topic == topics.health(service)]
        found = []
        for payload in said:
            with contextlib.suppress(DecodeError):  # an attack may speak on this topic too
                found.append(Health.FromString(payload))
        return found

    def wait_ready(self, *services: str, after_us: int = 0, timeout_s: float = START_S) -> None:
        """Waits until each service has said READY in a life that began after `after_us`."""
        for service in services:

            def ready(_: object, service: str = service) -> bool:
                return any(
                    health.state == ServiceState.SERVICE_STATE_READY and health.started_us >= after_us
                    for health in self.healths(service)[-3:]
                )

            self.ear.wait_for(ready, timeout_s, f"{service} to be ready; its log: {self.log_tail(service)}")

    def log_tail(self, service: str) -> str:
        path = self.home.log / f"{service}.log"
        return path.read_text(errors="replace")[-1500:] if path.exists() else "(none)"

    def pid(self, service: str) -> int:
        return int(self.home.pid_file(service).read_text())

    def kill(self, service: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Sends a signal to a service; returns the pid it had."""
        pid = self.pid(service)
        os.kill(pid, number)
        return pid

    def token(self) -> str:
        return self.home.token_file.read_text().strip()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.home.ports.page}{path}"

    def stop(self) -> None:
        """kill -9 of all: what a test leaves is thrown away, and supervisord takes up to 6 s to see seven drain."""
        if self._supervisord is not None:
            kill_family(self._supervisord.pid)
            self._supervisord.wait()
            self._supervisord = None
        self.ear.close()

    def remove(self) -> None:
        rings = self.home.run / "rings"
        if rings.is_symlink():
            shutil.rmtree(rings.readlink(), ignore_errors=True)
        shutil.rmtree(self.home.root.parent if self._temporary else self.home.root, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.remove()


def kill_family(pid: int) -> None:
    """kill -9 of a process and all its descendants; returns when none runs any more."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:  # the parent first: it starts no other
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_until(lambda: not any(runs(process.pid) for process in family), 15, f"{family} to end")


def runs(pid: int) -> bool:
    """Whether a process lives. A zombie does not, and holds no lock: an orphan may wait long until init reaps it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Polls where nothing can tell of the event (a process, a file); raises TimeoutError."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {timeout_s} s for {what}")
        time.sleep(0.02)
