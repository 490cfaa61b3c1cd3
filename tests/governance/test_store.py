"""governance.db: a change is one transaction, its undo gives back what was, and damage is named by its row."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from wfmonitor.v1.control_pb2 import ControlChange

from bus.database import DatabaseReplaced
from bus.settings_catalogue import SettingError, consent_specs, defaults, to_json
from services.governance.audit import AuditRecord, details_text
from services.governance.ledger import UnknownChange
from services.governance.plan import Refused
from services.governance.store import Store

RATE = "collector.rate.resource_hz"
NAMES = "privacy.record.process_names"
CONSENT = "record.process_names"
WORDING = consent_specs()[CONSENT].wording


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "governance.db", tmp_path / "quarantine")
    yield opened
    opened.close()


async def value(store: Store, key: str) -> str:
    return (await store.settings()).values[key]


async def kinds(store: Store) -> list[str]:
    return [row.record.type for row in await store.audit(0, 100)]


async def test_change_leaves_value_undo_audit_row_and_journal_row_together(store: Store) -> None:
    [made] = await store.change(RATE, "20", "person:cli")
    assert (made.change.key, made.change.value, made.change.undo) == (RATE, "20.0", "10.0")
    assert made.target == "collector"
    assert await value(store, RATE) == "20.0"
    assert await store.changes(RATE, 10) == [made.change]
    [row] = await store.audit(0, 10)
    assert (row.record.type, row.record.actor) == ("setting.changed", "person:cli")
    [journalled] = store.held(0, 0).rows
    assert journalled.topic == "1/control/collector/"
    assert ControlChange.FromString(journalled.payload) == made.change
    assert store.head == (journalled.epoch, journalled.seq)


async def test_refused_change_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(SettingError):
        await store.change(RATE, "1e9", "person:cli")
    with pytest.raises(Refused):
        await store.change(NAMES, "true", "person:cli")
    assert await store.audit(0, 10) == []
    assert store.held(0, 0).rows == []
    assert store.head[1] == 0


async def test_failure_in_the_middle_of_a_change_rolls_all_of_it_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError("no room for the audit row")

    monkeypatch.setattr("services.governance.chain.append", no_room)
    with pytest.raises(OSError, match="no room"):
        await store.change(RATE, "20", "person:cli")
    monkeypatch.undo()
    assert await value(store, RATE) == "10.0"
    assert await store.changes("", 10) == []
    assert store.held(0, 0).rows == []


async def test_undo_gives_back_what_was_and_is_itself_undone(store: Store) -> None:
    [made] = await store.change(RATE, "20", "person:cli")
    [undone] = await store.undo(made.change.id, "person:page")
    assert await value(store, RATE) == "10.0"
    with pytest.raises(Refused, match="taken back already"):
        await store.undo(made.change.id, "person:page")
    await store.undo(undone.change.id, "person:page")
    assert await value(store, RATE) == "20.0"
    assert await kinds(store) == ["setting.changed"] * 3


async def test_undo_of_an_unknown_change_says_where_they_are_listed(store: Store) -> None:
    with pytest.raises(UnknownChange, match="wfmon settings changes"):
        await store.undo("nonsense", "person:cli")


async def test_undo_of_the_strict_profile_restores_every_recording_switch(store: Store) -> None:
    await store.change("privacy.record.ui", "false", "person:cli")
    before = (await store.settings()).values
    made = await store.change("privacy.profile", '"strict"', "person:page")
    assert await value(store, "privacy.record.machine") == "false"
    await store.undo(made[-1].change.id, "person:page")
    assert (await store.settings()).values == before


async def test_consent_turns_names_on_and_its_withdrawal_off(store: Store) -> None:
    await store.set_consent(CONSENT, True, WORDING, "person:page")
    assert await value(store, NAMES) == "true"
    await store.set_consent(CONSENT, False, "", "person:page")
    assert await value(store, NAMES) == "false"
    [state] = await store.consents()
    assert (state.given, state.wording) == (False, WORDING)
    assert await kinds(store) == ["consent.given", "setting.changed", "consent.withdrawn", "setting.changed"]


async def test_switching_names_off_withdraws_the_consent(store: Store) -> None:
    await store.set_consent(CONSENT, True, WORDING, "person:page")
    await store.change(NAMES, "false", "person:cli")
    [state] = await store.consents()
    assert not state.given


async def test_target_that_refuses_gets_the_old_value_back(store: Store) -> None:
    [made] = await store.change(RATE, "20", "person:cli")
    taken_back = await store.settle(made.change.id, "collector", False, "the sensor is read at 10 Hz at most")
    assert taken_back is not None
    assert [(one.change.value, one.change.actor) for one in taken_back] == [("10.0", "service:governance")]
    assert await value(store, RATE) == "10.0"
    assert await kinds(store) == ["setting.changed", "setting.refused", "setting.changed"]


async def test_refusal_of_the_taking_back_ends_there(store: Store) -> None:
    [made] = await store.change(RATE, "20", "person:cli")
    [back] = await store.settle(made.change.id, "collector", False, "no") or []
    assert await store.settle(back.change.id, "collector", False, "no again") == []
    assert await value(store, RATE) == "10.0"


async def test_late_refusal_leaves_a_newer_change_alone(store: Store) -> None:
    [first] = await store.change(RATE, "20", "person:cli")
    await store.change(RATE, "30", "person:cli")
    assert await store.settle(first.change.id, "collector", False, "too late") == []
    assert await value(store, RATE) == "30.0"


async def test_one_refusing_target_takes_the_whole_profile_back(store: Store) -> None:
    before = (await store.settings()).values
    made = await store.change("privacy.profile", '"strict"', "person:page")
    recording = next(one for one in made if one.target == "aggregator")
    await store.settle(recording.change.id, "aggregator", False, "no")
    assert (await store.settings()).values == before


@pytest.mark.parametrize("target", ["gateway", ""])
async def test_answer_of_another_service_counts_for_nothing(store: Store, target: str) -> None:
    [made] = await store.change(RATE, "20", "person:cli")
    assert await store.settle(made.change.id, target, False, "I refuse for you") is None
    assert await value(store, RATE) == "20.0"


async def test_answer_counts_once(store: Store) -> None:
    [made] = await store.change(RATE, "20", "person:cli")
    assert await store.settle(made.change.id, "collector", True, "") == []
    assert await store.settle(made.change.id, "collector", False, "after all no") is None
    assert await value(store, RATE) == "20.0"


async def test_audit_events_are_appended_once_by_id(store: Store) -> None:
    record = AuditRecord("gateway:1", 1, "person:page", "session.opened", details_text({"from": "127.0.0.1"}))
    assert await store.append_audit([record, record]) == 1
    assert await store.append_audit([record]) == 0
    assert (await store.verify_audit()).rows == 1


async def test_all_is_still_there_after_opening_again(tmp_path: Path) -> None:
    first = Store(tmp_path / "governance.db", tmp_path / "quarantine")
    [made] = await first.change(RATE, "20", "person:cli")
    head = first.head
    first.close()
    second = Store(tmp_path / "governance.db", tmp_path / "quarantine")
    assert await value(second, RATE) == "20.0"
    assert second.head == head
    assert [one.change for one in await second.unannounced()] == [made.change]
    assert (await second.verify_audit()).intact
    second.close()


async def test_setting_of_an_older_version_is_ignored_and_said(tmp_path: Path) -> None:
    first = Store(tmp_path / "governance.db", tmp_path / "quarantine")
    await first.change(RATE, "20", "person:cli")
    first.close()
    with sqlite3.connect(tmp_path / "governance.db") as raw:
        raw.execute("UPDATE setting SET key = 'collector.rate.gone_hz'")
        raw.execute("UPDATE change SET key = 'collector.rate.gone_hz'")
    second = Store(tmp_path / "governance.db", tmp_path / "quarantine")
    assert await value(second, RATE) == "10.0"
    assert "collector.rate.gone_hz" in second.complaints[0]
    assert [change.key for change in await second.changes("", 10)] == ["collector.rate.gone_hz"]
    second.close()


async def test_chosen_settings_come_back_into_a_database_that_began_anew_but_no_consent(tmp_path: Path) -> None:
    path = tmp_path / "governance.db"
    with closing(Store(path, tmp_path / "quarantine")) as store:
        await store.change("recording.enabled", "false", "person:page")
        await store.set_consent(CONSENT, True, WORDING, "person:page")
        assert stat.S_IMODE((tmp_path / "governance.settings.json").stat().st_mode) == 0o600
    path.write_bytes(b"rubbish" * 1000)
    with closing(Store(path, tmp_path / "quarantine")) as fresh:
        assert await value(fresh, "recording.enabled") == "false"
        assert await value(fresh, NAMES) == "false"
        assert await fresh.consents() == []
        assert await kinds(fresh) == ["setting.changed", "settings.restored"]
        [restored] = await fresh.unannounced()
        assert restored.change.key == "recording.enabled"


@pytest.mark.parametrize(
    "kept", ["", "[]", "{", '{"recording.enabled": 7, "gone": "1", "collector.rate.trend_hz": "x"}']
)
async def test_copy_of_the_settings_that_makes_no_sense_changes_nothing(tmp_path: Path, kept: str) -> None:
    (tmp_path / "governance.settings.json").write_text(kept)
    with closing(Store(tmp_path / "governance.db", tmp_path / "quarantine")) as store:
        assert (await store.settings()).values == {key: to_json(default) for key, default in defaults().items()}
        assert await kinds(store) == []


async def test_file_broken_while_in_use_is_told_and_the_caller_may_try_again(tmp_path: Path) -> None:
    path = tmp_path / "governance.db"
    with closing(Store(path, tmp_path / "quarantine")) as store:
        told: list[str] = []
        store.on_replaced = lambda replaced: told.append(str(replaced))
        await store.change("recording.enabled", "false", "person:page")
        await store.database.read(lambda database: database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)"))
        await store.database.read(lambda database: database.close())
        path.write_bytes(b"rubbish" * 1000)
        for _ in range(3):
            with contextlib.suppress(DatabaseReplaced):
                await store.change(RATE, "20", "person:cli")
        assert await value(store, RATE) == "20.0"
        assert await value(store, "recording.enabled") == "false"
        assert (await store.verify_audit()).intact
