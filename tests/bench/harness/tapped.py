"""A runtime, the running tap in front of it, and a bare relay beside it, measured round about."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import psutil

from bus.home import REPOSITORY
from tests.bench.harness.bench import Bench
from tests.bench.harness.live import stack_of
from tests.bench.harness.ranks import percentile
from tests.stack import Stack
from tests.tap.conftest import Runtime, set_value


class Ports(NamedTuple):
    """Three ways to the same runtime."""

    direct: int
    tap: int
    relay: int


class Added(NamedTuple):
    """What a way adds to the direct one: request by request, or token by token, ms."""

    p50: float
    p95: float
    a_token: float = math.nan
    """To the time of a whole stream, for each token after the first."""


@contextmanager
def _ports(stack: Stack) -> Iterator[Ports]:
    runtime = Runtime()
    relay = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.harness.bare_relay", str(runtime.port)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert relay.stdout is not None
    set_value(stack, "tap.routes", json.dumps({"": runtime.url}))
    try:
        yield Ports(runtime.port, stack.home.ports.tap, int(relay.stdout.readline()))
    finally:
        set_value(stack, "tap.routes", "")
        for process in (relay, runtime.process):
            process.kill()
            process.wait()


def ports_of(bench: Bench) -> Ports:
    """The three, for one figure."""
    stack = stack_of(bench)
    return bench.hold("tapped", lambda: _ports(stack))


def client(kind: str, *arguments: float) -> list[list[str]]:
    """The lines that tests.tap.stream_client prints, in words."""
    command = [sys.executable, "-m", "tests.tap.stream_client", kind, *(f"{one:g}" for one in arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=300)
    return [line.split() for line in done.stdout.splitlines()]


def added_first(bench: Bench, requests: int) -> dict[str, Added]:
    """{"tap", "relay"} → what it adds to a first token; the first ten requests are warming up."""

    def measure() -> dict[str, Added]:
        rows = [[float(word) for word in line] for line in client("first", requests, *ports_of(bench))[10:]]
        bench.note(f"first token: direct p50 {percentile([row[0] for row in rows], 50):.3f} ms")
        return _added(rows)

    return bench.once("tap-first", measure)


def added_delay(bench: Bench, tokens: int, gap_ms: float) -> dict[str, Added]:
    """{"tap", "relay"} → what it adds to each token of a stream, and to the stream."""

    def measure() -> dict[str, Added]:
        took, *rows = [[float(word) for word in line] for line in client("delay", tokens, gap_ms, *ports_of(bench))]
        bench.note(f"chunk: direct p50 {percentile([row[0] for row in rows], 50):.3f} ms")
        longer = {"tap": took[1] - took[0], "relay": took[2] - took[0]}
        return {way: one._replace(a_token=longer[way] / (tokens - 1)) for way, one in _added(rows[10:]).items()}

    return bench.once("tap-delay", measure)


def _added(rows: Sequence[Sequence[float]]) -> dict[str, Added]:
    """Of rows (direct, tap, relay)."""

    def of(way: int) -> Added:
        more = [row[way] - row[0] for row in rows]
        return Added(percentile(more, 50), percentile(more, 95))

    return {"tap": of(1), "relay": of(2)}


class Streams(NamedTuple):
    """Many streams at once through the tap."""

    cpu_percent: float
    identical: bool


def streams(bench: Bench, count: int, tokens: int, gap_ms: float) -> Streams:
    """The tap's CPU while `count` streams run through it, and whether their bytes are those of direct ones."""

    def measure() -> Streams:
        tap = psutil.Process(stack_of(bench).pid("tap"))
        before = tap.cpu_times()
        through = many(bench, "tap", count, tokens, gap_ms)
        after = tap.cpu_times()
        spent_s = after.user + after.system - before.user - before.system
        direct = many(bench, "direct", count, tokens, gap_ms)
        took_s = median(seconds for seconds, _ in through)
        return Streams(100 * spent_s / took_s, {said for _, said in direct} == {said for _, said in through})

    return bench.once("tap-streams", measure)


def slower_percent(bench: Bench, way: str, count: int, tokens: int, gap_ms: float) -> float:
    """By how much the slowest of many streams takes longer than the median of direct ones, in percent."""
    alone_s = median(seconds for seconds, _ in many(bench, "direct", count, tokens, gap_ms))
    slowest_s = max(seconds for seconds, _ in many(bench, way, count, tokens, gap_ms))
    return 100 * (slowest_s / alone_s - 1)


def many(bench: Bench, way: str, count: int, tokens: int, gap_ms: float) -> list[tuple[float, str]]:
    """(seconds, hash of the bytes) of each of many streams at once."""

    def measure() -> list[tuple[float, str]]:
        port = getattr(ports_of(bench), way)
        return [(float(seconds), said) for seconds, said in client("many", count, tokens, gap_ms, port)]

    return bench.once(f"tap-many-{way}", measure)
