"""A wrong configuration, a taken port, a home that cannot be: one clear error that names the thing and the mend."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.clock import wall_us
from bus.crash import EXIT_REFUSED, read_crash
from bus.home import REPOSITORY, Config, Home
from bus.rings import ring_folder
from bus.supervision import SERVICES
from tests.faults.house import House
from tests.stack import free_port_base


@pytest.fixture
def home() -> Iterator[Home]:
    os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix="wf-", dir="/tmp") as folder:
        made = Home(Path(folder) / "home")
        made.prepare()
        Config(port_base=free_port_base()).save(made.config_file)
        yield made


def start(service: str, home: Path) -> tuple[int, str]:
    """Starts a service by hand; its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}", "--home", str(home)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/proto"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stderr


CONFIGURATIONS = [
    ("port_bas = 9000", ["port_bas", "did you mean `port_base`?"]),
    ("colour = 1", ["colour", "known keys: port_base, bus"]),
    ('port_base = "9000"', ["port_base", "must be int"]),
    ("port_base = 80", ["port_base", "1024 to 65531"]),
    ('bus = "udp"', ["bus", '"tcp" or "ipc"']),
    ("port_base = [", ["Mend the file, or remove it"]),
    ("\xff\xfe", ["Mend the file, or remove it"]),
]


@pytest.mark.parametrize(("text", "told"), CONFIGURATIONS)
def test_a_wrong_configuration_is_refused_by_its_key(home: Home, text: str, told: list[str]) -> None:
    home.config_file.write_bytes(text.encode("latin-1"))
    # Two life cycles read it: the lean one of the forwarder, and the one that all others share.
    for service in ("forwarder", "collector"):
        code, said = start(service, home.root)
        assert code == EXIT_REFUSED, (service, said)
        assert str(home.config_file) in said
        assert all(part in said for part in told), said
        assert len(said.strip().splitlines()) == 1, said


def test_a_taken_port_of_the_bus_is_refused_with_the_mend(home: Home) -> None:
    for port in (home.ports.bus_in, home.ports.bus_out):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", port))
            other.listen()
            code, said = start("forwarder", home.root)
        assert code == EXIT_REFUSED, said
        assert str(port) in said
        assert "--port-base" in said


@pytest.mark.parametrize("root", ["/proc/wf", "/dev/null/wf"])
def test_a_home_that_cannot_be_made_is_refused_with_the_mend(root: str) -> None:
    for service in SERVICES:
        code, said = start(service, Path(root))
        assert code == EXIT_REFUSED, (service, said)
        assert "--home DIR" in said


def test_a_damaged_key_is_refused_with_the_mend_and_kept_as_the_reason(home: Home) -> None:
    (home.keys / "service.key").write_bytes(b"rubbish")
    for service in SERVICES:
        code, said = start(service, home.root)
        assert code == EXIT_REFUSED, (service, said)
        assert "remove the file and start again" in said
    assert "service.key" in (home.log / "collector.crash.json").read_text()
    assert read_crash(home, "collector", 1) == ""


@pytest.mark.timeout(180)
def test_a_port_taken_by_a_stranger_is_said_and_waited_for() -> None:
    """The doors' ports, as supervisord meets them: the rest runs, and the door opens when the port is free."""
    house = House()
    house.prepare()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", house.home.ports.page))
        other.listen()
        try:
            house.start(wait=False)
            house.wait_ready(*(service for service in SERVICES if service != "gateway"))
            house.ear.wait_for(
                lambda messages: any(b"gateway keeps ending" in payload for _, payload in messages),
                60,
                "the event that asks for a person",
            )
            said = house.log_tail("gateway")
            assert str(house.home.ports.page) in said
            assert f"pid {os.getpid()}" in said or "--port-base" in said
            other.close()
            house.wait_ready("gateway", timeout_s=60)
        finally:
            house.stop()
            house.remove()


@pytest.mark.timeout(120)
def test_damaged_ring_files_start_empty_and_nothing_ends(house: House) -> None:
    rpc = house.supervisor.supervisor
    for service in ("collector", "aggregator", "governance", "gateway"):
        rpc.stopProcess(service)
    for ring in ring_folder(house.home).glob("*.ring"):
        ring.write_bytes(os.urandom(ring.stat().st_size))
    began_us = wall_us()
    for service in ("collector", "aggregator", "governance", "gateway"):
        rpc.startProcess(service, False)
    house.wait_ready("collector", "aggregator", "governance", "gateway", after_us=began_us)
