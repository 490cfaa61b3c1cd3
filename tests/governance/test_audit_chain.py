"""The audit chain as a property: whatever is altered, moved or cut, the walk names the first broken row."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.governance.audit import (
    GENESIS,
    AuditRecord,
    ChainedRow,
    Head,
    Walk,
    details_text,
    extend,
    row_hash,
)

texts = st.text(max_size=20)
records = st.builds(
    AuditRecord,
    id=texts,
    time_us=st.integers(0, 2**62),
    actor=texts,
    type=texts,
    details=st.dictionaries(texts, texts, max_size=3).map(details_text),
)


def chain_of(written: list[AuditRecord]) -> tuple[list[ChainedRow], Head]:
    head, rows = Head(0, GENESIS), []
    for record in written:
        row = extend(head, record)
        rows.append(row)
        head = Head(row.number, row.hash)
    return rows, head


def altered(record: AuditRecord, field: str, value: object) -> AuditRecord:
    changes: dict[str, Any] = {field: value}
    return record._replace(**changes)


def verdict(rows: list[ChainedRow], head: Head) -> tuple[bool, int]:
    walk = Walk()
    walk.check(rows)
    found = walk.finish(head)
    return found.intact, found.broken_at


chains = st.lists(records, min_size=1, max_size=6).map(chain_of)


@given(st.lists(records, max_size=6).map(chain_of))
def test_untouched_chain_is_intact(chain: tuple[list[ChainedRow], Head]) -> None:
    assert verdict(*chain) == (True, 0)


@given(chains, st.data())
def test_any_altered_field_breaks_the_chain_at_its_row(
    chain: tuple[list[ChainedRow], Head], data: st.DataObject
) -> None:
    rows, head = chain
    at = data.draw(st.integers(0, len(rows) - 1))
    field = data.draw(st.sampled_from(["id", "actor", "type", "details", "time_us"]))
    old = getattr(rows[at].record, field)
    new = data.draw(st.integers(0, 2**62) if field == "time_us" else texts)
    assume(new != old)
    rows[at] = rows[at]._replace(record=altered(rows[at].record, field, new))
    assert verdict(rows, head) == (False, at + 1)


@given(chains, st.data())
def test_any_flipped_bit_of_a_hash_breaks_the_chain(chain: tuple[list[ChainedRow], Head], data: st.DataObject) -> None:
    rows, head = chain
    at = data.draw(st.integers(0, len(rows) - 1))
    field = data.draw(st.sampled_from(["hash", "previous_hash"]))
    bit = data.draw(st.integers(0, 255))
    broken = bytearray(getattr(rows[at], field))
    broken[bit // 8] ^= 1 << bit % 8
    swapped: dict[str, Any] = {field: bytes(broken)}
    rows[at] = rows[at]._replace(**swapped)
    assert verdict(rows, head) == (False, at + 1)


@given(chains, st.data())
def test_a_left_out_row_is_named(chain: tuple[list[ChainedRow], Head], data: st.DataObject) -> None:
    rows, head = chain
    at = data.draw(st.integers(0, len(rows) - 1))
    del rows[at]
    assert verdict(rows, head) == (False, at + 1)


@given(st.lists(records, min_size=2, max_size=6).map(chain_of), st.data())
def test_moved_rows_are_named(chain: tuple[list[ChainedRow], Head], data: st.DataObject) -> None:
    rows, head = chain
    at = data.draw(st.integers(0, len(rows) - 2))
    rows[at], rows[at + 1] = rows[at + 1], rows[at]
    assert verdict(rows, head) == (False, at + 1)


@given(chains)
def test_rewritten_end_is_caught_by_the_head(chain: tuple[list[ChainedRow], Head]) -> None:
    rows, head = chain
    forged = extend(
        Head(rows[-1].number - 1, rows[-1].previous_hash),
        rows[-1].record._replace(actor="nobody at all, ever"),
    )
    assert verdict([*rows[:-1], forged], head) == (False, rows[-1].number)


def test_a_neighbour_can_recompute_the_hash_with_json_and_sha256() -> None:
    details = details_text({"key": "recording.enabled", "an": "Ärger"})
    record = AuditRecord("7", 1724049600123000, "person:page", "setting.changed", details)
    row = json.dumps([1, "7", 1724049600123000, "person:page", "setting.changed", details], separators=(",", ":"))
    assert row_hash(GENESIS, 1, record) == hashlib.sha256(bytes(32) + row.encode()).digest()


def test_walk_goes_on_in_parts() -> None:
    rows, head = chain_of([AuditRecord(str(n), n, "person:cli", "t", "{}") for n in range(10)])
    walk = Walk()
    assert walk.check(rows[:4])
    assert walk.check(rows[4:])
    assert walk.finish(head).rows == 10


@pytest.mark.parametrize("cut", [1, 3])
def test_cut_end_says_how_many_rows_are_missing(cut: int) -> None:
    rows, head = chain_of([AuditRecord(str(n), n, "person:cli", "t", "{}") for n in range(5)])
    walk = Walk()
    walk.check(rows[:-cut])
    found = walk.finish(head)
    assert found.broken_at == 6 - cut
    assert found.reason.startswith(f"{cut} rows are missing")
