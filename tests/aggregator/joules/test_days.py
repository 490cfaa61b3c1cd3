"""Energy by day: kept across restarts, added up once, forgotten where it may not be kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.database import Database
from bus.tariff import Tariff
from services.aggregator.joules.account import Account
from services.aggregator.joules.activity import Activity
from services.aggregator.joules.api import shares_of
from services.aggregator.joules.days import IDLE, MODEL, OTHER, DayBook, DayRow
from services.aggregator.joules.hearing import kinds_kept
from services.aggregator.recording import Recording
from services.cli.commands.energy import as_object, line

ALL = (MODEL, OTHER, IDLE)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "a.db", quarantine=tmp_path / "q") as opened:
        yield opened


async def test_what_the_account_grew_by_is_added_to_the_day_in_which_it_grew(database: Database) -> None:
    account = Account(Activity())
    book = DayBook(database, account)
    account.models["a", "gpu", "measured"] += 10.0
    account.tokens["a", "gpu", "measured"] += 4.0
    account.split["gpu:0", "models"] += 10.0
    account.split["gpu:0", "idle"] += 3.0
    await book.write("2026-01-01", allowed=ALL)
    account.models["a", "gpu", "measured"] += 5.0
    assert book.day_ended("2026-01-02")
    await book.write("2026-01-02", allowed=ALL)
    account.models["a", "gpu", "measured"] += 2.0
    await book.write("2026-01-02", allowed=ALL)
    await book.write("2026-01-02", allowed=ALL)
    assert await DayBook(database, Account(Activity())).read("2026-01-01") == [
        DayRow("2026-01-02", "model", "a", "gpu", "measured", 2.0, 0),
        DayRow("2026-01-01", "model", "a", "gpu", "measured", 15.0, 4),
        DayRow("2026-01-01", "idle", "gpu:0", "gpu", "", 3.0, 0),
    ]
    assert [row.day for row in await book.read("2026-01-02")] == ["2026-01-02"]


async def test_with_recording_off_nothing_is_kept_then_or_later(database: Database) -> None:
    account = Account(Activity())
    book = DayBook(database, account)
    account.models["a", "gpu", "shared"] += 10.0
    await book.write("2026-01-01", allowed=())
    account.models["a", "gpu", "shared"] += 1.0
    await book.write("2026-01-01", allowed=ALL)
    assert [row.joules for row in await book.read("")] == [1.0]


@pytest.mark.parametrize(
    ("off", "kept"),
    [
        ("", {"model", "other", "idle"}),
        ("privacy.record.models", {"other", "idle"}),
        ("privacy.record.machine", {"model"}),
        ("recording.enabled", set()),
    ],
)
async def test_models_and_the_machine_are_kept_each_by_its_own_switch(
    database: Database, off: str, kept: set[str]
) -> None:
    account = Account(Activity())
    book = DayBook(database, account)
    account.models["a", "gpu", "shared"] += 10.0
    account.split["gpu:0", "other"] += 2.0
    account.split["package-0", "idle"] += 3.0
    await book.write("2026-01-01", allowed=kinds_kept(Recording(lambda key: key != off)))
    assert {row.kind for row in await book.read("")} == kept


def test_money_is_kilowatt_hours_times_the_tariff_and_absent_without_one() -> None:
    rows = [
        DayRow("2026-01-01", "model", "a", "gpu", "measured", 3.5e6, 700),
        DayRow("2026-01-01", "model", "a", "gpu", "shared", 0.1e6, 20),
        DayRow("2026-01-02", "idle", "gpu:0", "gpu", "", 1.0, 0),
    ]
    newest, oldest = shares_of(rows, Tariff(0.30, "EUR"))
    assert (newest.day, oldest.joules, oldest.tokens, oldest.attribution) == ("2026-01-02", 3.6e6, 720, "measured")
    assert oldest.money == pytest.approx(0.30)
    assert not newest.HasField("tokens")
    assert line(oldest) == ["2026-01-01", "a", "gpu", "1.0000", "3600000", "5000.00", "0.3000", "measured"]
    without = shares_of(rows, None)
    assert not any(share.HasField("money") for share in without)
    assert as_object(without[0], "")["money"] is None
    assert line(without[0]) == ["2026-01-02", "(idle)", "gpu:0", "0.0000", "1", "–", "–", "–"]
