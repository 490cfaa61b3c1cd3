"""Glances writing a CSV file each second: the way it keeps what it measures without a database of another."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.harness.program import find, running, wait_until_there

NAME = "Glances (CSV)"

# Ours reads none of these; processes stay on, as in ours.
_OFF = "alert,amps,cloud,connections,containers,docker,folders,ip,irq,now,ports,raid,smart,uptime,wifi"


@dataclass(frozen=True)
class Glances:
    pid: int
    table: Path

    def stored(self) -> int:
        """Numbers in the file; its first column is the time, and names of devices are no samples."""
        with self.table.open(newline="") as file:
            rows = csv.reader(file)
            next(rows, None)
            return sum(_is_number(cell) for row in rows for cell in row[1:])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


@contextmanager
def glances(scratch: Path) -> Iterator[Glances]:
    """A running one. Raises Unmeasurable where it is not installed."""
    program = find("glances")
    folder = scratch / "glances"
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "kept.csv"
    command = [program, "--quiet", "--disable-check-update", "--time", "1", "--disable-plugin", _OFF]
    with running([*command, "--export", "csv", "--export-csv-file", table], folder) as process:
        wait_until_there(table, process, folder)
        yield Glances(process.pid, table)
