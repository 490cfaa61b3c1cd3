"""What the rings hold of power and use, second by second. Reads, and keeps no samples of its own."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from bus.series import Series
from services.aggregator.batch import Floats, TableKey
from services.aggregator.joules.account import Second
from services.aggregator.joules.integral import SECOND_US, Integral
from services.aggregator.joules.split import Use
from services.aggregator.rings import Rings
from services.aggregator.table import RingTable
from services.aggregator.windows import stale_after_us

GPU_POWER, PACKAGE_POWER = "gpu.power_w", "system.power_w"
# A driver tells of processes once a second, of the second before; one that is late counts for so long.
_LATE_US = 2 * SECOND_US
_QUIET_CPU_PERCENT = 5.0


class Readings:
    """`take` what is new, then ask `second` for seconds that all producers have passed."""

    def __init__(self, rings: Rings, from_us: int) -> None:
        self._rings = rings
        self._from_us = from_us
        self._integrals: dict[str, Integral] = {}
        self._read: dict[tuple[TableKey, str], int] = {}

    @property
    def powered(self) -> bool:
        """Whether any power is measured; until then nothing here costs anything."""
        return bool(self._rings.tables_with(GPU_POWER)) or any(True for _ in self._powers())

    def take(self) -> None:
        """Integrate the samples that came since the last call; those before `from_us` were somebody else's."""
        for device, table, column in self._powers():
            key = (table.key, device)
            read = self._read.get(key, table.first)
            # A table that was silent for long is dropped, and counts from 0 when it comes back.
            a, b = table.positions(read if read <= table.appended else table.first)
            self._read[key] = table.appended
            integral = self._integrals.setdefault(device, Integral())
            bridge_us = stale_after_us(table.rate_hz)
            for time_us, watts in zip(table.boot_us[a:b].tolist(), table.values[column, a:b].tolist(), strict=True):
                if time_us >= self._from_us:
                    integral.add(time_us, watts, bridge_us)

    def second(self, number: int) -> Second:
        """Return what was told of a second, once."""
        pieces = {device: integral.close(number) for device, integral in self._integrals.items()}
        pieces = {device: piece for device, piece in pieces.items() if piece.covered_s > 0}
        gpus = [device for device in pieces if device.startswith("gpu:")]
        busy = {gpu: self._busy(gpu, number) for gpu in gpus}
        models = self._by_model("model.gpu_util_percent", number)
        processes = self._row_sum("process.gpu_util_percent", number)
        at_work = [gpu for gpu in gpus if busy[gpu] is not False]
        uses = {gpu: Use(models, processes, busy=busy[gpu], alone=len(at_work) < 2) for gpu in gpus}
        uses |= self._each(busy, number)
        cpu = next((value for _, value in self._values("system.cpu.percent", number)), math.nan)
        quiet = {device: busy[device] is False if device in busy else cpu < _QUIET_CPU_PERCENT for device in pieces}
        shares = self._by_model("model.gpu_share_ratio", number)
        return Second(number, pieces, uses, quiet, frozenset(model for model, share in shares.items() if share == 0))

    def _each(self, busy: Mapping[str, bool | None], number: int) -> dict[str, Use]:
        """Who used each of several GPUs, where the driver tells it of each by itself."""
        told = {series.source: value for series, value in self._values("gpu.process_util_percent", number)}
        models: dict[str, dict[str, float]] = {gpu: {} for gpu in told}
        for series, value in self._values("model.gpu_each_util_percent", number):
            device = dict(series.labels).get("device", "")
            if device in models:
                models[device].setdefault(series.source.removeprefix("model:"), value)
        return {gpu: Use(models[gpu], told[gpu], busy=busy[gpu]) for gpu in told.keys() & busy.keys()}

    def _powers(self) -> Iterator[tuple[str, RingTable, int]]:
        """(device, table, column) of each whole GPU and each package, one producer each: the one heard of first."""
        seen: set[str] = set()
        for metric in (GPU_POWER, PACKAGE_POWER):
            for table in self._rings.tables_with(metric):
                for series, column in table.series.items():
                    device = _device(series)
                    if series.metric == metric and device and device not in seen:
                        seen.add(device)
                        yield device, table, column

    def _busy(self, gpu: str, number: int) -> bool | None:
        found = [value for series, value in self._values("gpu.util_percent", number, np.max) if series.source == gpu]
        return found[0] > 0 if found else None

    def _by_model(self, metric: str, number: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for series, value in self._values(metric, number):
            found.setdefault(series.source.removeprefix("model:"), value)
        return found

    def _row_sum(self, metric: str, number: int) -> float:
        """Sum over the series of the one row nearest to a second: who has left a list of the busiest is in none."""
        start_us, end_us = number * SECOND_US, (number + 1) * SECOND_US
        found = []
        for table in self._rings.tables_with(metric):
            a, b = table.positions(table.first)
            at = a + int(np.searchsorted(table.boot_us[a:b], start_us))
            if at == b or table.boot_us[at] >= end_us + _LATE_US:
                continue
            columns = [column for series, column in table.series.items() if series.metric == metric]
            row = table.values[columns, at]
            found += row[~np.isnan(row)].tolist()
        return sum(found) if found else math.nan

    def _values(
        self, metric: str, number: int, over: Callable[[Floats], Any] = np.mean
    ) -> Iterator[tuple[Series, float]]:
        """(series, its value in a second): the mean (or `over`) of the second's own samples, else the nearest."""
        start_us, end_us = number * SECOND_US, (number + 1) * SECOND_US
        for table in self._rings.tables_with(metric):
            a, b = table.positions(table.first)
            times = table.boot_us[a:b]
            first, last = np.searchsorted(times, (start_us - _LATE_US, end_us + _LATE_US)).tolist()
            for series, column in table.series.items():
                if series.metric != metric:
                    continue
                values = table.values[column, a + first : a + last]
                there = ~np.isnan(values)
                if not there.any():
                    continue
                at, values = times[first:last][there], values[there]
                inside = (at >= start_us) & (at < end_us)
                if inside.any():
                    yield series, float(over(values[inside]))
                else:
                    # What comes after tells of the time before it: that first.
                    later = np.flatnonzero(at >= end_us)
                    yield series, float(values[later[0]] if later.size else values[-1])


def _device(series: Series) -> str:
    """The device a power series is of: "gpu:0", "package-0"; "" for totals, slices and domains inside others."""
    if series.metric == GPU_POWER:
        name = series.source.removeprefix("gpu:")
        return series.source if name.isdigit() else ""
    domain = dict(series.labels).get("type", "")
    return domain if domain.startswith("package") and "/" not in domain else ""
