"""The mapped ring file: what is in it after any history of appends, reopenings and damage."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.journal.ring_file import RingFile, Row

CAPACITY = 2048


def test_rows_come_back_after_reopening(tmp_path: Path) -> None:
    ring = RingFile(tmp_path / "r", CAPACITY)
    ring.append(5, 1, "1/sample/system/", b"one")
    ring.append(5, 2, "1/sample/gpu:0/", b"")
    ring.close()
    again = RingFile(tmp_path / "r", CAPACITY)
    assert again.rows() == [Row(5, 1, "1/sample/system/", b"one"), Row(5, 2, "1/sample/gpu:0/", b"")]
    assert again.heads == {5: 2}
    assert again.rows(5, 1) == [Row(5, 2, "1/sample/gpu:0/", b"")]


def test_a_row_larger_than_half_the_ring_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        RingFile(tmp_path / "r", CAPACITY).append(1, 1, "t/", b"x" * CAPACITY)


def test_a_file_of_another_size_starts_empty(tmp_path: Path) -> None:
    RingFile(tmp_path / "r", CAPACITY).append(1, 1, "t/", b"x")
    assert RingFile(tmp_path / "r", CAPACITY * 2).rows() == []


@settings(max_examples=150, deadline=None)
@given(
    payloads=st.lists(st.integers(0, CAPACITY // 2 - 60), max_size=60),
    reopen_every=st.integers(1, 20),
)
def test_the_ring_always_holds_the_newest_rows_in_order(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[int], reopen_every: int
) -> None:
    path = tmp_path_factory.mktemp("ring") / "r"
    ring = RingFile(path, CAPACITY)
    written: list[Row] = []
    for seq, size in enumerate(payloads, start=1):
        row = Row(1 + seq // 10, seq, "1/sample/system/", bytes([seq % 251]) * size)
        ring.append(*row)
        written.append(row)
        if seq % reopen_every == 0:
            ring.close()
            ring = RingFile(path, CAPACITY)
        held = ring.rows()
        assert held == written[len(written) - len(held) :]
        assert held[-1] == row
        # It gives up no more than it must: what is held and one largest row fill the ring.
        if len(held) < len(written):
            assert sum(len(r.payload) + 50 for r in held) + 2 * (CAPACITY // 2 + 50) >= CAPACITY
        newest = {r.epoch: r.seq for r in held}
        assert ring.heads.items() >= {max(newest): newest[max(newest)]}.items()


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 4096 + CAPACITY - 1), flip=st.integers(1, 255))
def test_a_damaged_byte_never_yields_a_wrong_row(tmp_path_factory: pytest.TempPathFactory, at: int, flip: int) -> None:
    path = tmp_path_factory.mktemp("ring") / "r"
    ring = RingFile(path, CAPACITY)
    written = []
    for seq in range(1, 40):
        row = Row(1, seq, "1/sample/system/", bytes([seq]) * 30)
        ring.append(*row)
        written.append(row)
    ring.close()
    raw = bytearray(path.read_bytes())
    raw[at] ^= flip
    path.write_bytes(raw)
    again = RingFile(path, CAPACITY)
    assert set(again.rows()) <= set(written)
    again.append(2, 1, "t/", b"still works")
    assert again.rows()[-1] == Row(2, 1, "t/", b"still works")


_WRITER = """
import sys
from pathlib import Path
from bus.journal.ring_file import RingFile
ring = RingFile(Path(sys.argv[1]), 65536)
seq = max(ring.heads.values(), default=0)
while True:
    seq += 1
    ring.append(1, seq, "1/sample/system/", seq.to_bytes(8, "little") * (1 + seq % 90))
    if seq % 50 == 0:
        print(seq, flush=True)
"""


def test_kill_9_in_the_middle_of_writing_loses_nothing_that_was_appended(tmp_path: Path) -> None:
    path = tmp_path / "r"
    for _ in range(10):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, env=environment)
        assert writer.stdout is not None
        said = 0
        for _ in range(20):
            said = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        rest = writer.stdout.read().split()
        said = int(rest[-1]) if rest else said
        rows = RingFile(path, 65536).rows()
        seqs = [row.seq for row in rows]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert seqs[-1] >= said
        assert all(row.payload[:8] == row.seq.to_bytes(8, "little") for row in rows)
