"""Numbers and times as people read them. Absent values are an en dash, never a zero."""

from __future__ import annotations

import math
import re
import time

ABSENT = "–"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


def seconds(text: str) -> float:
    """Return the seconds of "500ms", "10s", "5m", "1h", "2d". Raises ValueError with the accepted forms."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no duration; write a number and ms, s, m, h or d, as 10m")
    return float(found[1]) * _SECONDS[found[2]]


def size(text: str) -> float:
    """Return the bytes of "2GB" (10^9), "500 MiB" (2^20) or a plain number. Raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no size; write a number and B, kB, MB, GB, MiB or GiB, as 2GB")
    power = " kmgt".index(found[2].lower() or " ")
    return float(float(found[1]) * (1024.0 if found[3] else 1000.0) ** power)


def number(value: float, unit: str) -> str:
    """Return a value with its unit: 12.3 %, 1.4 GB, 350 kB/s, 48.2 °C."""
    if math.isnan(value):
        return ABSENT
    if unit.startswith("bytes"):
        return scaled(value) + unit.removeprefix("bytes")
    short = {"percent": "%", "ratio": "", "celsius": "°C", "count": "", "1": ""}.get(unit, unit)
    digits = 0 if abs(value) >= 1000 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {short}".rstrip()


def scaled(value: float) -> str:
    """Return bytes in steps of a thousand: 999 B, 1.0 kB, 15 GB."""
    if math.isnan(value):
        return ABSENT
    for prefix in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 999.5 or prefix == "TB":
            break
        value /= 1000.0
    digits = 0 if prefix == "B" or abs(value) >= 99.5 else 1
    return f"{value:.{digits}f} {prefix}"


def span(seconds_: float) -> str:
    """Return a length of time by its two largest parts: 12 s, 3 min 5 s, 2 h 10 min, 4 d 3 h."""
    whole = max(0, round(seconds_))
    for unit, length, below, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            rest = whole % length // part
            return f"{whole // length} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"


def clock(time_us: int, *, date: bool = False) -> str:
    """Return local time to the millisecond."""
    form = "%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S"
    return f"{time.strftime(form, time.localtime(time_us / 1e6))}.{time_us // 1000 % 1000:03d}"


def printable(text: str) -> str:
    """Return `text` on one line, with what could move a terminal's cursor escaped: names come from outside."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def table(rows: list[list[str]]) -> str:
    """Return rows in aligned columns, the last one ragged."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
