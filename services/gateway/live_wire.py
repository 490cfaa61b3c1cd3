"""LiveFrames as bytes: what the gateway must know of a frame without decoding it, and the merge of several.

A frame that nobody lags behind is forwarded as it came; decoding 60 frames a second would cost more
than everything else the gateway does.
"""

from collections.abc import Sequence
from typing import NamedTuple

from wfmonitor.v1.live_pb2 import LiveFrame, LiveTable

_EPOCH, _SEQ, _KEY = 1, 2, 3


class Head(NamedTuple):
    """Which frame it is. `key`: it names all tables and can be drawn without an earlier one."""

    epoch: int
    seq: int
    key: bool


def head(frame: bytes) -> Head:
    """Reads fields 1 to 3, which stand first; raises ValueError where the bytes are no LiveFrame."""
    numbers = {_EPOCH: 0, _SEQ: 0, _KEY: 0}
    at = 0
    while at < len(frame):
        tag = frame[at]
        field = tag >> 3
        if field > _KEY or tag & 0x80:
            break
        if tag & 7 or field == 0:
            raise ValueError(f"not a LiveFrame: tag {tag:#x} at byte {at}")
        numbers[field], at = _varint(frame, at + 1)
    return Head(numbers[_EPOCH], numbers[_SEQ], bool(numbers[_KEY]))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        if at >= len(data):
            raise ValueError("not a LiveFrame: it ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("not a LiveFrame: a number of more than ten bytes")


def merge(frames: Sequence[bytes]) -> LiveFrame:
    """One frame that says what all say, in order: rows joined a table, events in a row, newest processes and health.

    `key` when the first is a key frame; `conflated` counts the frames that vanished into it.
    A row that a later key frame repeats stands once.
    """
    merged = LiveFrame()
    tables: dict[int, LiveTable] = {}
    health: dict[str, object] = {}
    for number, raw in enumerate(frames):
        frame = LiveFrame.FromString(raw)
        if number == 0:
            merged.key = frame.key
        merged.epoch, merged.seq, merged.time_us = frame.epoch, frame.seq, frame.time_us
        merged.conflated += frame.conflated
        merged.events.extend(frame.events)
        merged.tokens.extend(frame.tokens)
        merged.tokens_left_out += frame.tokens_left_out
        merged.requests.extend(frame.requests)
        if frame.HasField("processes"):
            merged.processes.CopyFrom(frame.processes)
        for one in frame.health:
            health[one.service] = one
        for table in frame.tables:
            before = tables.get(table.id)
            if before is None:
                tables[table.id] = table
            elif before.schema == table.schema:
                _append(before, table)
            else:
                # Other columns: both stand in the frame, in order, since a reader takes tables one by one.
                merged.tables.append(before)
                tables[table.id] = table
    merged.tables.extend(tables.values())
    merged.health.extend(health.values())  # type: ignore[arg-type]
    merged.conflated += max(0, len(frames) - 1)
    return merged


def _append(table: LiveTable, later: LiveTable) -> None:
    """Adds the rows of `later` that are newer than the last of `table`; both column-major, same columns."""
    rows, more = len(table.times_us), len(later.times_us)
    newest = table.times_us[-1] if rows else -(2**63)
    skip = 0
    while skip < more and later.times_us[skip] <= newest:
        skip += 1
    if later.series and not table.series:
        table.series.extend(later.series)
        table.source, table.group = later.source, later.group
    if skip == more:
        return
    columns = len(later.values) // more
    old, new = list(table.values), list(later.values)
    joined: list[float] = []
    for column in range(columns):
        joined += old[column * rows : (column + 1) * rows]
        joined += new[column * more + skip : (column + 1) * more]
    table.values[:] = joined
    table.times_us.extend(later.times_us[skip:])
    table.rate_hz = later.rate_hz
