"""Pressure stall information: how much of the time work waited for CPU, memory or disk (CONTRACTS §1)."""

from __future__ import annotations

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.rates import Rates
from services.collector.sampler import NAN, Absent, Machine

# Kernel file, part of the metric's name, lines wanted. "full" of the CPU says nothing for a whole machine.
_FILES = (("cpu", "cpu", ("some",)), ("memory", "mem", ("some", "full")), ("io", "io", ("some", "full")))
_SPANS = ("avg10", "avg60")


def parse_pressure(data: bytes, line: bytes, field: bytes) -> float:
    """One field (avg10 in percent, total in µs …) of a line "some" or "full"; NaN where it is not there."""
    start = data.find(line + b" ")
    start = data.find(field + b"=", start) if start >= 0 else -1
    if start < 0:
        return NAN
    start += len(field) + 1
    return float(data[start : start + 24].split(None, 1)[0])


def _open(machine: Machine) -> list[tuple[PinnedFile, str, tuple[str, ...]]]:
    """The files there are, with part and lines; raises Absent where there is none."""
    files: list[tuple[PinnedFile, str, tuple[str, ...]]] = []
    for file, part, lines in _FILES:
        try:
            pinned = PinnedFile(machine.proc / "pressure" / file)
            pinned.read()  # with psi=0 the file opens and cannot be read
        except OSError:
            continue
        files.append((pinned, part, lines))
    if not files:
        raise Absent("the kernel keeps no pressure figures", "Boot Linux 4.20 or later with psi=1")
    return files


class Stall:
    """psi.cpu/mem/io.some_percent and psi.mem/io.full_percent: the share of the last span that work waited.

    From the µs the kernel has counted, so that a stall is seen at once and not after its averages have risen.
    """

    name = "psi"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        files = _open(machine)
        self._files = [(file, [line.encode() for line in lines]) for file, _, lines in files]
        self._columns = tuple(
            Series(f"system.psi.{part}.{line}_percent", "system") for _, part, lines in files for line in lines
        )
        self._rates = Rates()
        self._before: list[bytes] = []

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        texts = [file.read() for file, _ in self._files]
        if texts == self._before:  # where nothing waits, the texts stay as they are
            return self._rates.stand_still(now_s)
        self._before = texts
        stalled_us = [
            parse_pressure(data, line, b"total")
            for data, (_, lines) in zip(texts, self._files, strict=True)
            for line in lines
        ]
        # The kernel brings its sums up to date at its own moments: a span may hold a little of the one before.
        return [min(rate / 1e4, 100.0) if rate == rate else rate for rate in self._rates.update(now_s, stalled_us)]


class Pressure:
    """psi.*.some_avg10, full_avg10, some_avg60 and full_avg60, as the kernel averages them over 10 s and a minute."""

    name = "psi"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        files = _open(machine)
        wanted = [(file, part, line, span) for file, part, lines in files for line in lines for span in _SPANS]
        self._files = [
            (file, [(line.encode(), span.encode()) for line in lines for span in _SPANS]) for file, _, lines in files
        ]
        self._columns = tuple(Series(f"system.psi.{part}.{line}_{span}", "system") for _, part, line, span in wanted)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        values: list[float] = []
        for file, fields in self._files:
            data = file.read()
            values += [parse_pressure(data, line, span) for line, span in fields]
        return values
