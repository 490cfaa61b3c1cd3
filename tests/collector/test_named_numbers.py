"""Numbers by the names before them, against a plain look-up by lines."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from services.collector.named_numbers import NamedNumbers
from tests.collector.recorded import FIXTURES

_NAMES = [b"pgfault", b"pswpin", b"Active(anon):", b"softirq", b"oom_kill", b"nowhere"]
_texts = st.lists(
    st.tuples(st.sampled_from(_NAMES[:-1]), st.lists(st.integers(0, 2**53), min_size=1, max_size=3), st.booleans()),
    max_size=5,
    unique_by=lambda line: line[0],
)


def plainly(data: bytes, counts: dict[bytes, int]) -> list[float]:
    """Each line looked up by its first word."""
    lines = {line.split()[0]: line.split()[1:] for line in data.splitlines()}
    return [float(number) for name, count in counts.items() for number in lines.get(name, [b"nan"] * count)[:count]]


def same(ours: list[float], theirs: list[float]) -> bool:
    return len(ours) == len(theirs) and all(
        a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(ours, theirs, strict=True)
    )


@given(texts=st.lists(_texts, min_size=1, max_size=6))
def test_numbers_are_those_of_their_lines_however_lines_come_go_and_move(
    texts: list[list[tuple[bytes, list[int], bool]]],
) -> None:
    counts = dict.fromkeys(_NAMES, 1)
    numbers = NamedNumbers(counts)
    for lines in texts:
        data = b"".join(
            name + b" " + b" ".join(b"%d" % value for value in values) + (b" kB\n" if unit else b"\n")
            for name, values, unit in lines
        )
        assert same(numbers.read(data), plainly(data, counts))


def test_recorded_text_of_a_kernel() -> None:
    data = (FIXTURES / "laptop/proc/vmstat").read_bytes()
    counts = {line.split()[0]: 1 for line in data.splitlines()}
    numbers = NamedNumbers(counts)
    assert numbers.read(data) == numbers.read(data) == plainly(data, counts)


def test_several_numbers_after_a_name_and_one_name_alone() -> None:
    data = b"ctxt 7\nsoftirq 60 10 20 30\n"
    assert NamedNumbers({b"softirq": 4, b"ctxt": 1}).read(data) == [60.0, 10.0, 20.0, 30.0, 7.0]
    assert NamedNumbers({b"ctxt": 1}).read(data) == [7.0]


def test_name_without_its_number_is_absent() -> None:
    assert math.isnan(NamedNumbers({b"ctxt": 1}).read(b"btime 1\nctxt")[0])
