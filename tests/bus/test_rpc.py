"""gRPC between our own services."""

import socket
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from bus.home import Home
from bus.rpc import new_server, open_channel

SLACK = Path("/proc/self/timerslack_ns")


def slack_ns() -> int:
    """How late the timers of this thread may be."""
    return int(SLACK.read_text())


@pytest.mark.skipif(not SLACK.exists(), reason="the kernel does not tell how late timers may be")
async def test_only_threads_of_grpc_may_be_late_and_not_the_loop_that_starts_them(tmp_path: Path) -> None:
    usual = slack_ns()
    server = new_server()
    channel = open_channel(Home(tmp_path), "governance")
    assert slack_ns() == usual
    await channel.close()
    await server.stop(None)


async def test_a_service_that_is_slow_to_greet_is_waited_for_and_not_called_absent(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(home.socket("tap")))
        busy.listen()  # the kernel takes the connection; nobody reads it yet
        async with open_channel(home, "tap") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as late:
                await HealthStub(channel).Check(HealthCheckRequest(), timeout=1.0)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_service_that_is_not_there_is_said_to_be_absent_at_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    async with open_channel(home, "tap") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as absent:
            await HealthStub(channel).Check(HealthCheckRequest(), timeout=20.0)
    assert absent.value.code() is grpc.StatusCode.UNAVAILABLE
