"""A window over one ring: which samples, and when the answer is absent (CONTRACTS §6 "Windows")."""

from math import nan

import numpy as np
from numpy.typing import NDArray

from services.aggregator.clock_line import STEP_US
from services.aggregator.statistics import Floats, Statistic, Times
from services.aggregator.table import RING_S, RingTable

STALE_PERIODS = 3
STALE_US = 1_000_000
# What happened last stands for now as long as the rings reach back; a reading is expected again within a period.
EVENT_STANDS_US = RING_S * 1_000_000


def stale_after_us(rate_hz: float) -> int:
    """Age at which the newest sample of a series no longer stands for now: max(3 periods, 1 s)."""
    return max(round(STALE_PERIODS * 1e6 / rate_hz), STALE_US)


def table_stale_after_us(table: RingTable, length_us: int) -> int:
    """The same for a window over a table; an event has no period, and counts wherever it lies in the window."""
    return event_stale_after_us(length_us) if table.of_events else stale_after_us(table.rate_hz)


def event_stale_after_us(length_us: int) -> int:
    """Age at which an event is out of a window; length 0: at which the newest stands for now no longer."""
    return length_us or EVENT_STANDS_US


def evaluate(values: Floats, times_us: Times, end_us: int, stat: Statistic, *, stale_us: int | None = None) -> Floats:
    """The statistic of each series over samples that already lie in the window.

    `values` has shape (series, samples), NaN absent. A series whose newest sample is older than
    `stale_us` before `end_us` gives NaN; None: samples are never too old (a step of a range query).
    """
    if not values.shape[1]:
        return np.full(len(values), nan)
    result = stat(values, times_us)
    if stale_us is not None and end_us - times_us[-1] > stale_us:
        result[:] = nan
    elif stale_us is not None and np.isnan(values[:, -1]).any():
        there = ~np.isnan(values)
        result[end_us - times_us[_newest(there)] > stale_us] = nan
    return result


def _newest(there: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Position of the newest sample of each series; 0 where it has none."""
    return np.where(there.any(axis=1), there.shape[1] - 1 - np.argmax(there[:, ::-1], axis=1), 0)


def over_table(
    table: RingTable, columns: Times, end_us: int, length_us: int, stat: Statistic, *, offset_us: int | None = None
) -> Floats:
    """The statistic over (end − length, end] of some columns of a ring; length 0: the newest sample up to `end`.

    `offset_us` is wall minus boot clock of now. A table that has had no row since the wall clock was
    set still tells its rows in the old time, and is asked for the same moment in that.
    """
    if offset_us is not None and table.rows and abs(offset_us - table.offset_us) > STEP_US:
        end_us += table.offset_us - offset_us
    stale_us = table_stale_after_us(table, length_us)
    rows = table.window(columns, end_us - (length_us or stale_us + 1), end_us)
    values = rows.values
    if not length_us and values.shape[1]:
        # `instant`: of each series its newest sample alone.
        older = np.arange(values.shape[1]) != _newest(~np.isnan(values))[:, None]
        values = np.where(older, nan, values)
    return evaluate(values, rows.line_us, end_us, stat, stale_us=stale_us)
