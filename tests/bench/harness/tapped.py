"""A runtime, the running tap in front of it, and a bare relay beside it, measured round about."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
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
    """What a way adds to the direct one, ms."""

    p50: float
    p95: float


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


def client(kind: str, port: int, *arguments: float) -> list[str]:
    """The lines that tests.tap.stream_client prints."""
    command = [sys.executable, "-m", "tests.tap.stream_client", kind, str(port), *(f"{one:g}" for one in arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=300)
    return done.stdout.split("\n")[:-1]


def added(bench: Bench, kind: str, *arguments: float) -> dict[str, Added]:
    """{"tap", "relay"} → what it adds, medians of three alternations; the first ten of each are warming up."""

    def measure() -> dict[str, Added]:
        ways = ports_of(bench)
        seen: dict[str, list[Added]] = {"tap": [], "relay": [], "direct": []}
        for _ in range(1 if bench.quick else 3):
            for name, port in (("direct", ways.direct), ("tap", ways.tap), ("relay", ways.relay)):
                values = [float(line) for line in client(kind, port, *arguments)[10:]]
                seen[name].append(Added(percentile(values, 50), percentile(values, 95)))
        mid = {name: Added(*(median(column) for column in zip(*rounds, strict=True))) for name, rounds in seen.items()}
        bench.note(f"{kind}: direct p50 {mid['direct'].p50:.3f} ms, p95 {mid['direct'].p95:.3f} ms")
        direct = mid.pop("direct")
        return {name: Added(one.p50 - direct.p50, one.p95 - direct.p95) for name, one in mid.items()}

    return bench.once(f"tap-{kind}", measure)


class Streams(NamedTuple):
    """Many streams at once."""

    cpu_percent: float
    slower_percent: float
    identical: bool


def streams(bench: Bench, count: int, tokens: int, gap_ms: float) -> Streams:
    """The tap's CPU while `count` streams run through it, against the same streams without it."""

    def measure() -> Streams:
        ways = ports_of(bench)
        tap = psutil.Process(stack_of(bench).pid("tap"))
        direct = [line.split() for line in client("many", ways.direct, count, tokens, gap_ms)]
        before = tap.cpu_times()
        through = [line.split() for line in client("many", ways.tap, count, tokens, gap_ms)]
        after = tap.cpu_times()
        spent_s = after.user + after.system - before.user - before.system
        took_s = median(float(seconds) for seconds, _ in through)
        alone_s = median(float(seconds) for seconds, _ in direct)
        same = {digest for _, digest in direct} == {digest for _, digest in through}
        return Streams(100 * spent_s / took_s, 100 * (took_s / alone_s - 1), same)

    return bench.once("tap-streams", measure)
