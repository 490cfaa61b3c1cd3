"""Rows for the store's tests, and a store in a folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from wfmonitor.v1.metrics_service_pb2 import Selector
from wfmonitor.v1.sample_pb2 import Label

from bus.series import Series
from services.aggregator.batch import TableKey
from services.aggregator.inbox import Position
from services.aggregator.store import RowBlock, Store

HOUR_US = 3_600_000_000
T0 = 500_000 * HOUR_US  # on a full hour
SYSTEM = TableKey("collector", "system", 2)
CPU = Series("system.cpu.percent", "system")
CORES = [Series("system.cpu.core_percent", "system", (("core", str(n)),)) for n in range(3)]


def block(
    start_us: int,
    rows: int,
    *,
    series: Sequence[Series] = (CPU, *CORES),
    period_us: int = 100_000,
    key: TableKey = SYSTEM,
    first: float = 0.0,
) -> RowBlock:
    """Rows on a grid from `start_us`; series k's value in row r is first + r + k / 10."""
    times = start_us + period_us * np.arange(rows, dtype=np.int64)
    values = first + np.arange(rows)[None, :] + np.arange(len(series))[:, None] / 10
    return RowBlock(key, 1e6 / period_us, tuple(series), times, times - T0 + 5_000_000, values)


def open_store(folder: Path, **options: object) -> Store:
    return Store(folder / "aggregator.db", quarantine=folder / "quarantine", **options)  # type: ignore[arg-type]


def at(seq: int, epoch: int = 1) -> dict[str, Position]:
    return {"collector": Position(epoch, seq)}


def named(metric: str = CPU.metric, source: str = "", **labels: str) -> Selector:
    return Selector(metric=metric, source=source, labels=[Label(name=n, value=v) for n, v in labels.items()])


def samples(blocks: Sequence[RowBlock]) -> int:
    return sum(int(np.count_nonzero(~np.isnan(b.values))) for b in blocks)
