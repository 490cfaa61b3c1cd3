"""The life cycle of a service, with real processes on a real bus."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from wfmonitor.v1.health_pb2 import Health, ServiceState

from bus import topics
from bus.crash import EXIT_FAILED, EXIT_REFUSED, read_crash
from bus.home import REPOSITORY, Config, Home
from bus.locks import holder
from bus.transport import Publisher
from tests.stack import Ear, free_port_base, wait_until


class Bench:
    """A home with a running forwarder, and small services on it."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.home.prepare()
        Config(port_base=free_port_base()).save(self.home.config_file)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.start("services.forwarder")
        self.ear = Ear(self.home, (topics.HEALTHS,))

    def start(self, module: str, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--home", str(self.home.root)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/proto", **environment},
            stderr=subprocess.PIPE,
        )
        self.processes.append(process)
        return process

    def healths(self) -> list[Health]:
        return [Health.FromString(payload) for topic, payload in self.ear.messages if topic == topics.health("small")]

    def wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        self.wait_for(lambda said: said.pid == process.pid and said.state == ServiceState.SERVICE_STATE_READY, "ready")

    def wait_for(self, wanted, what: str) -> None:  # type: ignore[no-untyped-def]
        self.ear.wait_for(lambda _: any(wanted(health) for health in self.healths()), 60.0, what)


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("h") / "home")
    yield made
    for process in made.processes:
        process.kill()
        process.wait()
    made.ear.close()


def test_it_says_ready_drains_on_sigterm_and_leaves_no_socket(bench: Bench) -> None:
    service = bench.start("tests.bus.small_service")
    bench.wait_ready(service)
    assert holder(bench.home.pid_file("small")) == service.pid
    service.terminate()
    assert service.wait(30) == 0, "one that has not drained after 2 s ends with another code"
    assert not bench.home.socket("small").exists()
    assert holder(bench.home.pid_file("small")) is None


def test_a_drain_that_hangs_is_cut_off(bench: Bench) -> None:
    service = bench.start("tests.bus.small_service", SMALL="hangs")
    bench.wait_ready(service)
    service.terminate()
    assert service.wait(30) == EXIT_FAILED
    assert service.stderr is not None
    assert "not drained in time" in service.stderr.read().decode()


def test_a_second_instance_is_refused_at_once_and_names_the_first(bench: Bench) -> None:
    first = bench.start("tests.bus.small_service")
    bench.wait_ready(first)
    second = bench.start("tests.bus.small_service")
    assert second.wait(30) == EXIT_REFUSED
    assert second.stderr is not None
    assert f"small is already running (pid {first.pid})" in second.stderr.read().decode()
    assert first.poll() is None


def test_a_failing_task_ends_the_service_and_keeps_the_reason(bench: Bench) -> None:
    service = bench.start("tests.bus.small_service", SMALL="fails")
    assert service.wait(30) == EXIT_FAILED
    assert read_crash(bench.home, "small", service.pid) == "RuntimeError: the disk has gone"


def test_sighup_reloads_and_the_service_lives_on(bench: Bench) -> None:
    service = bench.start("tests.bus.small_service")
    bench.wait_ready(service)
    service.send_signal(signal.SIGHUP)
    assert service.stderr is not None
    for line in service.stderr:
        if b"reloaded" in line:
            break
    assert service.poll() is None


def test_rubbish_on_the_bus_is_counted_and_logged_on_one_line(bench: Bench) -> None:
    service = bench.start("tests.bus.small_service")
    bench.wait_ready(service)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = Publisher(bench.home, context)
    # Sent until it arrives: a publisher that has just connected is not heard yet.
    deadline_s = time.monotonic() + 60.0
    while not any(health.counters["bus_rejected_total"] for health in bench.healths()):
        assert time.monotonic() < deadline_s
        publisher.send(topics.sample("system"), b"fail")
        with bench.ear.changed:
            bench.ear.changed.wait(0.2)
    publisher.close()
    context.term()
    service.terminate()
    service.wait(30)
    assert service.stderr is not None
    lines = [line for line in service.stderr.read().decode().splitlines() if "a message was rejected" in line]
    assert lines
    assert "rubbish\\nwith a second line" in lines[0]


def test_it_ends_when_its_home_is_open_to_others(bench: Bench) -> None:
    bench.home.run.chmod(0o755)
    service = bench.start("tests.bus.small_service")
    assert service.wait(30) == EXIT_REFUSED
    assert service.stderr is not None
    assert "chmod 700" in service.stderr.read().decode()


def test_what_is_heard_at_once_does_not_wait_for_the_rest(bench: Bench) -> None:
    process = bench.start("tests.bus.small_service", SMALL="looks rarely")
    bench.wait_ready(process)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = Publisher(bench.home, context)

    def told() -> bool:
        publisher.send(f"{topics.EVENTS}spike/", b"")
        publisher.send(f"{topics.TOKENS}m/", b"")
        return any(health.counters[topics.TOKENS] for health in bench.healths())

    try:
        wait_until(told, 30.0, "tokens in a heartbeat")
    finally:
        publisher.close()
        context.term()
    assert not any(health.counters[topics.EVENTS] for health in bench.healths())
