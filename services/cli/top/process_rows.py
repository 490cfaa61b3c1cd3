"""The process table of `wfmon top`: order and cells. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from wfmonitor.v1.process_pb2 import ProcessRow, ProcessTable

from services.cli.text import ABSENT, printable, scaled


class Order(NamedTuple):
    """A way to sort: its key on the keyboard, its name, and what it sorts by."""

    key: str
    name: str
    by: Callable[[ProcessRow], float]


ORDERS = (
    Order("c", "CPU", lambda row: row.cpu_percent),
    Order("m", "memory", lambda row: row.rss_bytes),
    Order("d", "disk", lambda row: _known(row.io_read_bytes_s) + _known(row.io_write_bytes_s)),
    Order("g", "GPU memory", lambda row: row.vram_bytes),
)
HEADS = ("PROCESS", "N", "CPU", "MEMORY", "READ/S", "WRITTEN/S", "GPU", "VRAM", "UNIT")


def cells(table: ProcessTable, order: Order) -> list[tuple[str, ...]]:
    """Return the rows as they are shown, the largest first; absent values last."""
    return [row_cells(row) for row in sorted(table.rows, key=lambda row: _known(order.by(row), -1.0), reverse=True)]


def row_cells(row: ProcessRow) -> tuple[str, ...]:
    """Return one row. Where names may not be shown a number stands for the name."""
    return (
        printable(row.name.strip()) if row.name.strip() else f"#{row.number}",
        str(row.count),
        _percent(row.cpu_percent),
        scaled(row.rss_bytes),
        scaled(row.io_read_bytes_s),
        scaled(row.io_write_bytes_s),
        _percent(row.gpu_util_percent),
        scaled(row.vram_bytes),
        printable(row.unit),
    )


def _percent(value: float) -> str:
    return ABSENT if math.isnan(value) else f"{value:.1f} %"


def _known(value: float, otherwise: float = 0.0) -> float:
    return otherwise if math.isnan(value) else value
