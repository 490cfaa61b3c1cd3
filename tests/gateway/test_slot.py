"""What a client gets when it keeps up, lags, stalls, and comes back; against an oracle that keeps every row."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wfmonitor.v1.live_pb2 import LiveFrame
from wfmonitor.v1.sample_pb2 import RateGroup, SeriesKey

from services.gateway.live_wire import head
from services.gateway.slot import MAX_UNACKNOWLEDGED, MAX_WAITING_FRAMES, Slot


def frame(seq: int, *, key: bool = False, epoch: int = 7, rows: int = 1, columns: int = 2, schema: int = 5) -> bytes:
    """A frame of one table whose row times are seq·100 + row, and whose values say (time, column)."""
    made = LiveFrame(epoch=epoch, seq=seq, key=key, time_us=seq * 1000)
    times = [seq * 100 + row for row in range(rows)]
    table = made.tables.add(id=1, schema=schema, rate_hz=60, times_us=times)
    table.values.extend(time + column / 10 for column in range(columns) for time in times)
    if key:
        table.source, table.group = "system", RateGroup.RATE_GROUP_RESOURCE
        table.series.extend(SeriesKey(metric=f"system.x{column}") for column in range(columns))
    return made.SerializeToString()


def offer(slot: Slot, *frames: bytes) -> None:
    for one in frames:
        slot.offer(head(one), one)


def taken(slot: Slot) -> LiveFrame:
    content = slot.take()
    assert content is not None
    return LiveFrame.FromString(content)


def test_a_client_that_keeps_up_gets_every_frame_as_it_came() -> None:
    slot = Slot()
    for seq in range(1, 200):
        raw = frame(seq, key=seq % 60 == 1)
        offer(slot, raw)
        assert slot.take() is raw
    assert slot.conflated_total == 0


def test_the_first_frame_is_a_key_frame() -> None:
    slot = Slot()
    offer(slot, frame(1), frame(2))
    assert slot.take() is None
    assert slot.needs_key
    offer(slot, frame(3, key=True), frame(4))
    got = taken(slot)
    assert got.key
    assert (got.seq, got.conflated) == (4, 1)
    assert list(got.tables[0].times_us) == [300, 400]


def test_frames_that_wait_are_merged_column_by_column() -> None:
    slot = Slot()
    offer(slot, frame(1, key=True))
    slot.take()
    offer(slot, frame(2, rows=2), frame(3, rows=3), frame(4))
    got = taken(slot)
    assert not got.key
    assert got.conflated == 2
    table = got.tables[0]
    assert list(table.times_us) == [200, 201, 300, 301, 302, 400]
    assert list(table.values) == [*table.times_us, *(time + 0.1 for time in table.times_us)]


def test_a_short_burst_leaves_frame_by_frame_and_a_longer_one_merged() -> None:
    slot = Slot()
    burst = [frame(1, key=True), frame(2), frame(3), frame(4)]
    offer(slot, *burst)
    assert [slot.take(few=4) for _ in range(5)] == [*burst, None]
    offer(slot, *(frame(seq) for seq in range(5, 10)))
    content = slot.take(few=4)
    assert content is not None
    assert LiveFrame.FromString(content).conflated == 4


def test_a_row_that_a_key_frame_repeats_stands_once() -> None:
    slot = Slot()
    offer(slot, frame(1, key=True))
    slot.take()
    repeated = LiveFrame.FromString(frame(2, key=True))
    repeated.seq = 3
    offer(slot, frame(2), repeated.SerializeToString(), frame(4))
    got = taken(slot)
    assert list(got.tables[0].times_us) == [200, 400]
    assert [key.metric for key in got.tables[0].series] == ["system.x0", "system.x1"]


def test_other_columns_stand_beside_in_order() -> None:
    slot = Slot()
    offer(slot, frame(1, key=True))
    slot.take()
    offer(slot, frame(2), frame(3, key=True, columns=3, schema=6), frame(4, columns=3, schema=6))
    got = taken(slot)
    assert [(table.schema, list(table.times_us)) for table in got.tables] == [(5, [200]), (6, [300, 400])]


def test_a_stalled_client_costs_a_bounded_number_of_frames_and_comes_back_with_a_key_frame() -> None:
    slot = Slot()
    offer(slot, frame(1, key=True))
    slot.take()
    for seq in range(2, 3602):  # a minute
        offer(slot, frame(seq, key=seq % 60 == 0))
        assert len(slot._waiting) <= MAX_WAITING_FRAMES
    got = taken(slot)
    assert got.key
    assert got.seq == 3601
    rows = len(got.tables[0].times_us)
    assert 60 <= rows <= MAX_WAITING_FRAMES
    # Every frame is either in it or counted.
    assert got.conflated == 3600 - 1
    assert slot.conflated_total == 3600 - 1


def test_huge_frames_are_bounded_by_their_bytes() -> None:
    slot = Slot()
    offer(slot, frame(1, key=True))
    slot.take()
    for seq in range(2, 100):
        offer(slot, frame(seq, key=True, rows=1000, columns=20))
    assert slot._bytes <= 1 << 20


def test_a_client_that_stops_acknowledging_waits_and_goes_on() -> None:
    slot = Slot()
    for seq in range(1, MAX_UNACKNOWLEDGED + 1):
        offer(slot, frame(seq, key=seq == 1))
        slot.acknowledge(0)
        assert not slot.waits_for_acknowledgement
        slot.take()
    assert slot.waits_for_acknowledgement
    slot.acknowledge(MAX_UNACKNOWLEDGED - 3)
    assert not slot.waits_for_acknowledgement


def test_one_that_never_acknowledges_is_bounded_by_its_socket_alone() -> None:
    slot = Slot()
    for seq in range(1, 500):
        offer(slot, frame(seq, key=seq == 1))
        slot.take()
    assert not slot.waits_for_acknowledgement


def test_after_the_aggregator_began_anew_only_a_key_frame_helps() -> None:
    slot = Slot()
    offer(slot, frame(1, key=True))
    slot.take()
    offer(slot, frame(2))
    slot.hole()
    offer(slot, frame(1, epoch=8))
    assert slot.take() is None
    offer(slot, frame(2, epoch=8, key=True))
    got = taken(slot)
    assert (got.epoch, got.seq, got.conflated) == (8, 2, 2)


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_no_row_comes_twice_and_none_out_of_order(steps: list[tuple[int, bool, bool]]) -> None:
    """Oracle: all rows offered since the first key frame, in order, where nothing was dropped."""
    slot = Slot()
    offered: list[int] = []
    seen: list[int] = []
    for seq, (rows, key, take) in enumerate(steps, start=1):
        raw = frame(seq, key=key, rows=rows)
        offer(slot, raw)
        if offered or key:
            offered += [seq * 100 + row for row in range(rows)]
        content = slot.take() if take else None
        if content is not None:
            got = LiveFrame.FromString(content)
            for table in got.tables:
                count = len(table.times_us)
                assert all(math.floor(value) == time for value, time in zip(table.values, table.times_us, strict=False))
                assert len(table.values) == 2 * count
                seen += table.times_us
    assert seen == offered[: len(seen)]


def test_heads_are_read_and_rubbish_is_refused() -> None:
    raw = frame(300, key=True, epoch=1_795_502_386_866_652)
    assert head(raw) == (1_795_502_386_866_652, 300, True)
    assert head(b"") == (0, 0, False)
    for rubbish in (b"\x0a\x01x", b"\x08", b"\x08" + b"\xff" * 11, b"\x10\xff"):
        with pytest.raises(ValueError, match="not a LiveFrame"):
            head(rubbish)
