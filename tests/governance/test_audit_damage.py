"""Damage to the audit table on the disk: any flipped bit, any cut, is found and named by its row."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.governance.audit import AuditRecord
from services.governance.store import Store

TEXTS = ("event_id", "actor", "type", "details")
COLUMNS = (*TEXTS, "number", "time_us", "previous_hash", "hash")


async def written_chain(folder: Path) -> Path:
    store = Store(folder / "governance.db", folder / "quarantine")
    records = [AuditRecord(f"a:{n}", 9 + n, "person:cli", "session.opened", f'{{"n":"{n}"}}') for n in range(5)]
    await store.append_audit(records)
    store.close()
    return folder / "governance.db"


def flip(path: Path, column: str, number: int, bit: int) -> None:
    """Flip one bit of one column of one row, as damage on the disk would."""
    with sqlite3.connect(path) as raw:
        old = raw.execute(f"SELECT {column} FROM audit WHERE number = ?", (number,)).fetchone()[0]  # noqa: S608
        if isinstance(old, int):
            raw.execute(f"UPDATE audit SET {column} = ? WHERE number = ?", (old ^ 1 << bit % 62, number))  # noqa: S608
            return
        damaged = bytearray(old.encode() if isinstance(old, str) else old)
        damaged[bit // 8 % len(damaged)] ^= 1 << bit % 8
        place = "CAST(? AS TEXT)" if column in TEXTS else "?"
        raw.execute(f"UPDATE audit SET {column} = {place} WHERE number = ?", (bytes(damaged), number))  # noqa: S608


@settings(max_examples=80, deadline=None)
@given(column=st.sampled_from(COLUMNS), number=st.integers(1, 5), bit=st.integers(0, 2**16))
async def test_any_flipped_bit_in_the_audit_table_is_found_and_named(column: str, number: int, bit: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = await written_chain(Path(name))
        try:
            flip(path, column, number, bit)
        except sqlite3.IntegrityError:
            return  # two rows cannot have one number or one id
        store = Store(path, Path(name) / "quarantine")
        verdict = await store.verify_audit()
        store.close()
        assert not verdict.intact
        assert verdict.broken_at == number
        assert verdict.reason


@pytest.mark.parametrize(
    ("damage", "broken_at"),
    [
        ("DELETE FROM audit WHERE number > 3", 4),
        ("DELETE FROM audit", 1),
        ("DELETE FROM audit_head", 1),
        ("UPDATE audit_head SET number = 4", 5),
    ],
)
async def test_cut_table_or_head_is_found(tmp_path: Path, damage: str, broken_at: int) -> None:
    path = await written_chain(tmp_path)
    with sqlite3.connect(path) as raw:
        raw.execute(damage)
    store = Store(path, tmp_path / "quarantine")
    assert (await store.verify_audit()).broken_at == broken_at
    store.close()
