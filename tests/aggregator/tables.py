"""Batches and rings for the tests, as a producer would send them."""

from collections.abc import Sequence

import numpy as np

from bus.series import Series, schema_hash
from services.aggregator.batch import Batch, TableKey

CPU = Series("system.cpu.percent", "system")
MEMORY = Series("system.mem.percent", "system")
TICKS = Series("monitor.missed_ticks_total", "monitor:collector")
START_US = 1_800_000_000_000_000
BOOT_OFFSET_US = 1_799_999_000_000_000


def process(number: int, field: str = "cpu_percent") -> Series:
    return Series(f"process.{field}", f"process:#{number}")


def batch(
    times_us: Sequence[int],
    columns: dict[Series, Sequence[float]],
    *,
    boot_us: Sequence[int] | None = None,
    rate_hz: float = 10.0,
    source: str = "system",
    group: int = 2,
    producer: str = "collector",
    epoch: int = 1,
    seq: int = 1,
    named: bool = True,
    shown_only: bool = False,
) -> Batch:
    series = tuple(columns)
    return Batch(
        TableKey(producer, source, group),
        epoch,
        seq,
        rate_hz,
        schema_hash(series),
        series if named else None,
        np.array(times_us, np.int64),
        np.array(boot_us if boot_us is not None else [t - BOOT_OFFSET_US for t in times_us], np.int64),
        np.array([list(values) for values in columns.values()], np.float64).reshape(len(series), len(times_us)),
        shown_only,
    )
