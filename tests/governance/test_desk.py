"""The desk: commit, publish, wait for the target; a refusal takes everything back before the caller is told."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wfmonitor.v1.control_pb2 import AuditEvent, ControlChange, ControlResult

from bus.database import DiskFull
from bus.settings_catalogue import consent_specs, defaults, settings_catalogue, to_json
from services.governance.desk import Desk
from services.governance.intake import AuditIntake, BadAuditEvent, to_record
from services.governance.ledger import Committed
from services.governance.patience import patiently
from services.governance.store import Store

RATE = "collector.rate.resource_hz"
Target = Callable[[Committed], ControlResult | None]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "governance.db", tmp_path / "quarantine")) as opened:
        yield opened


class Town:
    """A desk with targets that answer as `target` says, from the loop, as the bus would bring it."""

    def __init__(self, store: Store, target: Target) -> None:
        self.published: list[Committed] = []
        self.target = target
        self.desk = Desk(store, self._publish)

    def _publish(self, committed: Committed) -> None:
        self.published.append(committed)
        answer = self.target(committed)
        if answer is not None and committed.target != "governance":
            answer.id, answer.target = committed.change.id, committed.target
            self.desk.put(answer)

    async def __aenter__(self) -> Desk:
        self._hearing = asyncio.create_task(self.desk.run(lambda _: None))
        return self.desk

    async def __aexit__(self, *_: object) -> None:
        self._hearing.cancel()


def obey(_: Committed) -> ControlResult:
    return ControlResult(applied=True)


def stay_silent(_: Committed) -> None:
    return None


async def test_caller_gets_the_answer_of_the_target(store: Store) -> None:
    async with Town(store, obey) as desk:
        answer = await desk.change(RATE, "20", "person:cli", 5)
    assert answer.result is not None
    assert answer.result.applied
    assert answer.change.undo == "10.0"


async def test_refusal_is_told_after_the_old_value_is_back(store: Store) -> None:
    def refuse_20(committed: Committed) -> ControlResult:
        if committed.change.value == "20.0":
            return ControlResult(applied=False, reason="only 10 Hz here")
        return ControlResult(applied=True)

    town = Town(store, refuse_20)
    async with town as desk:
        answer = await desk.change(RATE, "20", "person:cli", 5)
        assert answer.result is not None
        assert (answer.result.applied, answer.result.reason) == (False, "only 10 Hz here")
        assert (await store.settings()).values[RATE] == "10.0"
    assert [one.change.value for one in town.published] == ["20.0", "10.0"]


async def test_silent_target_leaves_the_answer_open_and_the_change_made(store: Store) -> None:
    async with Town(store, stay_silent) as desk:
        answer = await desk.change(RATE, "20", "person:cli", 0.01)
    assert answer.result is None
    assert (await store.settings()).values[RATE] == "20.0"


async def test_change_to_what_is_so_already_publishes_nothing(store: Store) -> None:
    town = Town(store, obey)
    async with town as desk:
        answer = await desk.change(RATE, "10", "person:cli", 5)
    assert answer.result is not None
    assert answer.result.reason == "already so"
    assert town.published == []
    assert await store.audit(0, 10) == []


async def test_profile_waits_for_all_it_takes_along(store: Store) -> None:
    town = Town(store, obey)
    async with town as desk:
        answer = await desk.change("privacy.profile", '"strict"', "person:page", 5)
    assert answer.result is not None
    assert answer.change.key == "privacy.profile"
    taken_along = {spec.target for spec in settings_catalogue().values() if spec.strict not in (None, spec.default)}
    assert {one.target for one in town.published} == {"governance", *taken_along}


async def test_kill_between_commit_and_publish_is_made_good_at_the_next_start(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def die(_: Committed) -> None:
        raise Killed

    with closing(Store(tmp_path / "governance.db", tmp_path / "quarantine")) as store, pytest.raises(Killed):
        await Desk(store, die).change(RATE, "20", "person:cli", 0)
    with closing(Store(tmp_path / "governance.db", tmp_path / "quarantine")) as store:
        town = Town(store, obey)
        async with town as desk:
            assert await desk.resume() == 1
            assert await desk.resume() == 0
        assert [one.change.value for one in town.published] == ["20.0"]
        assert len(store.held(0, 0).rows) == 1


moves = st.lists(st.sampled_from(["change", "undo", "consent", "profile", "restart"]), min_size=1, max_size=12)


@settings(max_examples=30, deadline=None)
@given(moves=moves, seed=st.integers(0, 2**32))
async def test_whatever_is_done_the_journal_tells_the_settings_and_undo_leads_back(moves: list[str], seed: int) -> None:
    """A target that only ever read the journal ends up with the settings in force; undone backwards, all is
    as at first.
    """
    chance = random.Random(seed)
    consent, spec = next(iter(consent_specs().items()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "governance.db", folder / "quarantine")
        done: list[str] = []
        for move in moves:
            desk = Desk(store, lambda _: None)
            if move == "change":
                value = to_json(chance.choice([5, 10, 20]))
                done.append((await desk.change(RATE, value, "person:cli", 0)).change.id)
            elif move == "profile":
                value = to_json(chance.choice(["strict", "standard"]))
                given_now = {state.target: state.given for state in await store.consents()}
                if not given_now.get(consent):  # a withdrawn consent does not come back by undo
                    done.append((await desk.change("privacy.profile", value, "person:cli", 0)).change.id)
            elif move == "consent":
                await desk.set_consent(consent, True, spec.wording, "person:page")
                await desk.set_consent(consent, False, "", "person:page")
            elif move == "undo" and (ids := [one for one in done if one]):
                await desk.undo(ids[-1], "person:cli", 0)
                done.remove(ids[-1])
            elif move == "restart":
                store.close()
                store = Store(folder / "governance.db", folder / "quarantine")
        seen = {key: to_json(value) for key, value in defaults().items()}
        for row in store.held(0, 0).rows:
            change = ControlChange.FromString(row.payload)
            assert seen[change.key] == change.undo
            seen[change.key] = change.value
        assert seen == (await store.settings()).values
        for change_id in reversed([one for one in done if one]):
            await store.undo(change_id, "person:cli")
        assert (await store.settings()).values == {key: to_json(value) for key, value in defaults().items()}
        assert (await store.verify_audit()).intact
        store.close()


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (AuditEvent(id="", time_us=1, actor="person:page", type="a.b"), "id"),
        (AuditEvent(id="1", time_us=0, actor="person:page", type="a.b"), "time_us"),
        (AuditEvent(id="1", time_us=1, actor="somebody", type="a.b"), "actor"),
        (AuditEvent(id="1", time_us=1, actor="person:page", type="Something happened"), "type"),
        (AuditEvent(id="1", time_us=1, actor="person:page", type="a.b", details={"a": "x" * 5000}), "details"),
    ],
)
def test_bad_audit_event_is_refused_by_its_field(event: AuditEvent, field: str) -> None:
    with pytest.raises(BadAuditEvent, match=f"^{field}:"):
        to_record("1/audit/gateway/", event.SerializeToString())


def test_audit_event_may_not_come_under_a_name_of_our_own() -> None:
    event = AuditEvent(id="1", time_us=1, actor="person:page", type="setting.changed")
    with pytest.raises(BadAuditEvent, match="none of our services"):
        to_record("1/audit/change/", event.SerializeToString())


async def test_audit_events_come_into_the_chain_once_and_in_order(store: Store) -> None:
    intake = AuditIntake(store.append_audit)
    running = asyncio.create_task(intake.run())
    for number in [*range(50), *range(50)]:
        event = AuditEvent(id=str(number), time_us=1, actor="person:page", type="session.opened")
        intake.put(to_record("1/audit/gateway/", event.SerializeToString()))
    await intake.drain()
    running.cancel()
    assert [row.record.id for row in await store.audit(0, 100)] == [f"gateway:{number}" for number in range(50)]
    assert (intake.appended, intake.repeated) == (50, 50)


async def test_full_disk_is_waited_out_and_said() -> None:
    said: list[str | None] = []
    outcomes: list[BaseException | None] = [DiskFull("no room"), DiskFull("no room"), None]

    async def write() -> str:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return "written"

    assert await patiently(write, said.append, retry_s=0) == "written"
    assert said == ["no room", "no room", None]
