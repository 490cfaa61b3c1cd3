"""p95 of each 10 s over an hour of one 10 Hz series, through the gRPC door, against VictoriaMetrics over HTTP.

Both hold the same hour: ours as the aggregator's own chunks, made by its store and merged by its keeper; the peer by
its import. The answers are checked before any time is taken. Each round asks both sides often and takes the median.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import grpc
import numpy as np
from wfmonitor.v1.metrics_service_pb2 import QueryRangeRequest, Selector
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub
from wfmonitor.v1.sample_pb2 import Label, RateGroup

from bus.home import Home
from bus.series import Series
from services.aggregator.batch import Floats, TableKey, Times
from services.aggregator.keeper import Keeper
from services.aggregator.store import RowBlock, Store
from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Reference, Unmeasurable
from tests.bench.peers.victoria import NAME, Victoria, victoria
from tests.stack import Stack

METRIC = "system.cpu.core_percent"
HOUR_S, STEP_S, RATE_HZ = 3600, 10, 10
_CORES = 16
_FLUSH_ROWS = 100  # a commit each ten seconds
_QUERIES = 20


class Hour(NamedTuple):
    """An hour that ended at `end_s`; `values` has a row a core."""

    end_s: int
    times_us: Times
    values: Floats


def hour() -> Hour:
    """Percents that wander, told to a hundredth, on a grid that ends some minutes ago on a whole step."""
    end_s = (int(time.time()) - 600) // STEP_S * STEP_S
    rows = HOUR_S * RATE_HZ
    # Row times are whole ms: the peer keeps no more.
    times_us = (end_s - HOUR_S) * 1_000_000 + np.arange(1, rows + 1) * (1_000_000 // RATE_HZ)
    steps = np.random.default_rng(1).normal(0, 2, (_CORES, rows))
    return Hour(end_s, times_us, np.round(50 + 50 * np.tanh(np.cumsum(steps, axis=1) / 200), 2))


async def _keep(home: Home, data: Hour) -> None:
    store = Store(home.database("aggregator"), quarantine=home.quarantine)
    series = tuple(Series(METRIC, "system", (("core", str(core)),)) for core in range(_CORES))
    key = TableKey("collector", "system", RateGroup.RATE_GROUP_RESOURCE)
    for a in range(0, len(data.times_us), _FLUSH_ROWS):
        times = data.times_us[a : a + _FLUSH_ROWS]
        block = RowBlock(key, RATE_HZ, series, times, times - data.times_us[0], data.values[:, a : a + _FLUSH_ROWS])
        await store.write([block], {})
    keeper = Keeper(store)
    while await keeper.step():
        pass
    store.close()


class _Ours(NamedTuple):
    ask: MetricsServiceStub
    metadata: tuple[tuple[str, str], ...]
    data: Hour

    def p95(self) -> list[tuple[int, float]]:
        request = QueryRangeRequest(
            selector=Selector(metric=METRIC, source="system", labels=[Label(name="core", value="3")]),
            stat="p95",
            start_us=(self.data.end_s - HOUR_S) * 1_000_000,
            end_us=self.data.end_s * 1_000_000,
            step_us=STEP_S * 1_000_000,
        )
        answers = list(self.ask.QueryRange(request, metadata=self.metadata))
        return [
            (time_us // 1_000_000, value)
            for answer in answers
            for series in answer.series
            for time_us, value in zip(series.times_us, series.values, strict=True)
        ]


@contextmanager
def _ours(bench: Bench) -> Iterator[_Ours]:
    home, data = Home(bench.scratch / "hour"), bench.hold("data", _held_hour)
    home.prepare()
    asyncio.run(_keep(home, data))
    stack = Stack(home.root)
    try:
        stack.start()
        with grpc.insecure_channel(f"127.0.0.1:{stack.home.ports.grpc}") as channel:
            yield _Ours(MetricsServiceStub(channel), (("authorization", f"Bearer {stack.token()}"),), data)
    finally:
        stack.stop()
        stack.remove()


@contextmanager
def _held_hour() -> Iterator[Hour]:
    yield hour()


@contextmanager
def _theirs(bench: Bench) -> Iterator[Victoria]:
    data = bench.hold("data", _held_hour)
    with victoria(bench.scratch) as peer:
        peer.take("core3", (data.times_us // 1000).tolist(), data.values[3].tolist())
        yield peer


def _ask_theirs(peer: Victoria, data: Hour) -> list[tuple[int, float]]:
    return peer.p95("core3", data.end_s - HOUR_S + STEP_S, data.end_s, STEP_S)


def ours(bench: Bench) -> float:
    asked = bench.hold("ours", lambda: _ours(bench))
    answer = asked.p95()
    oracle = np.sort(asked.data.values[3].reshape(-1, STEP_S * RATE_HZ), axis=1)[:, 94]  # 95th of 100, nearest rank
    if len(answer) != HOUR_S // STEP_S or not np.allclose([value for _, value in answer], oracle):
        raise RuntimeError(f"the answer is wrong: {len(answer)} steps, first {answer[:2]}")
    return _median_ms(asked.p95)


def theirs(bench: Bench) -> float:
    peer, data = bench.hold("theirs", lambda: _theirs(bench)), bench.hold("data", _held_hour)
    if len(_ask_theirs(peer, data)) != HOUR_S // STEP_S:
        raise Unmeasurable("answers another number of steps")
    return _median_ms(lambda: _ask_theirs(peer, data))


def _median_ms(ask: Callable[[], object]) -> float:
    taken_ms = []
    for _ in range(_QUERIES):
        began_s = time.perf_counter()
        ask()
        taken_ms.append(1000.0 * (time.perf_counter() - began_s))
    return median(taken_ms)


FIGURE = Figure(
    "range_query",
    "range query: 1 h of 10 Hz, p95 per 10 s",
    "ms",
    ours,
    references=(Reference(NAME, theirs, "peer"),),
)
