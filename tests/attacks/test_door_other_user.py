"""Another user of the machine hears no data at the TCP doors (SECURITY S7)."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bus.home import REPOSITORY
from tests.stack import Stack, free_port, wait_until
from tests.tap.conftest import set_value


@pytest.fixture
def otlp(stack: Stack) -> Iterator[int]:
    """The port of the OTLP door, opened; and no runtime behind the tap, which would answer for itself."""
    port = free_port()

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    set_value(stack, "tap.find", False)
    set_value(stack, "otlp.port", port)
    set_value(stack, "otlp.enabled", True)
    wait_until(listens, 30, "the OTLP port to open")
    yield port
    set_value(stack, "otlp.enabled", False)
    set_value(stack, "tap.find", True)


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_s7_another_user_hears_nothing_at_the_doors(stack: Stack, otlp: int) -> None:
    ports = stack.home.ports
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks.door_stranger", *map(str, (ports.page, ports.grpc, ports.tap, otlp))],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/proto"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    tried = answer["tried"]
    print(f"S7: requests and calls by another user: {tried}, {len(answer['heard'])} with data")
    assert tried.keys() == {"page", "grpc", "tap", "otlp"}
    assert sum(tried.values()) > 200
    assert answer["heard"] == []
