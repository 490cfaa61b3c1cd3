"""Pressure stall information: how much of the time work waited for CPU, memory or disk (CONTRACTS §1)."""

from __future__ import annotations

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.sampler import NAN, Absent, Machine

# Kernel file, part of the metric's name, lines wanted. "full" of the CPU says nothing for a whole machine.
_FILES = (("cpu", "cpu", ("some",)), ("memory", "mem", ("some", "full")), ("io", "io", ("some", "full")))


def parse_pressure(data: bytes, line: str) -> float:
    """`avg10` of a line "some" or "full", in percent; NaN where the line is not there."""
    start = data.find(b"%s avg10=" % line.encode())
    if start < 0:
        return NAN
    start += len(line) + 7
    return float(data[start : data.index(b" ", start)])


class Pressure:
    """psi.cpu/mem/io.some_avg10 and psi.mem/io.full_avg10, as the kernel averages them over 10 s."""

    name = "psi"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        self._files: list[tuple[PinnedFile, tuple[str, ...]]] = []
        columns: list[Series] = []
        for file, part, lines in _FILES:
            try:
                pinned = PinnedFile(machine.proc / "pressure" / file)
                pinned.read()  # with psi=0 the file opens and cannot be read
            except OSError:
                continue
            self._files.append((pinned, lines))
            columns += [Series(f"system.psi.{part}.{line}_avg10", "system") for line in lines]
        self._columns = tuple(columns)
        if not columns:
            raise Absent("the kernel keeps no pressure figures", "Boot Linux 4.20 or later with psi=1")

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        values = []
        for file, lines in self._files:
            data = file.read()
            values += [parse_pressure(data, line) for line in lines]
        return values
