"""Models that answer, told on the bus as the tap tells it: its own bursts, of tokens that no model made.

`python -m tests.bench.harness.token_source HOME MODELS RATE` tells of so many models at so many tokens a second each,
one request a model, with an entropy for every token, until its standard input closes; then it ends the requests.
"""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq
from google.protobuf.message import Message
from wfmonitor.v1.request_pb2 import Phase

from bus.clock import monotonic_s, wall_us
from bus.home import REPOSITORY, Home
from bus.transport import Publisher
from services.tap.bursts import Bursts
from services.tap.entropy import Certainty
from services.tap.facts import Kind, TokenGroup

TOP_K = 20


@contextmanager
def telling(home: Home, models: int, rate_hz: float) -> Iterator[list[str]]:
    """Tokens on the bus of `home` until the block ends; yields the models' names."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.harness.token_source", str(home.root), str(models), str(rate_hz)],
        cwd=REPOSITORY, stdin=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield names(models)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(10)
        finally:
            process.kill()


def names(models: int) -> list[str]:
    """`bench-1`, `bench-2` …"""
    return [f"bench-{number + 1}" for number in range(models)]


def certainty_of(number: int) -> Certainty:
    """One that changes from token to token, as an answer's does."""
    share = 0.5 + 0.45 * math.sin(number / 7) * math.sin(number / 3)
    bits = (1 - share) * math.log2(TOP_K)
    return Certainty(bits=bits, low_bits=0.9 * bits, high_bits=1.1 * bits, certainty=share, mass=0.95)


async def tell(publisher: Publisher, models: int, rate_hz: float, over: asyncio.Event) -> None:
    """Each model's tokens on a grid of its own, so that they come spread and not all at once."""

    def publish(topic: str, message: Message) -> None:
        publisher.send(topic, message.SerializeToString())

    bursts = Bursts(publish)
    began_us = wall_us()
    requests = [(f"{name}-{began_us}", name) for name in names(models)]
    for request, name in requests:
        bursts.add(request, name, Phase.PHASE_SENT, [])
    bursts.flush()
    began_s, told = monotonic_s(), 0
    while not over.is_set():
        request, name = requests[told % models]
        now_s = monotonic_s()
        due_s = began_s + told / (models * rate_hz)
        if due_s > now_s:
            await asyncio.sleep(due_s - now_s)
        bursts.add(
            request,
            name,
            Phase.PHASE_FLOWING,
            [TokenGroup(monotonic_s(), 1, Kind.ANSWER, 0, certainty_of(told // models))],
        )
        told += 1
    for request, name in requests:
        bursts.add(request, name, Phase.PHASE_ENDED, [])
    bursts.flush()


async def main() -> None:
    """Publish until told to stop."""
    root, models, rate_hz = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher, over = Publisher(Home(root), context), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, over.set)
    await tell(publisher, models, rate_hz, over)
    publisher.close()
    context.term()


if __name__ == "__main__":
    asyncio.run(main())
