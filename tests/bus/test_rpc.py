"""gRPC between our own services."""

from pathlib import Path

import pytest

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
