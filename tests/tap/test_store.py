"""Records are kept once, found again, journalled in the same transaction, and removed when they are old."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from wfmonitor.v1.compare_service_pb2 import CompareCell, CompareRun
from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord

from bus import topics
from services.tap.compare_store import CompareStore
from services.tap.order import Order
from services.tap.store import Store

DAY_US = 86_400_000_000
NOW_US = 100 * DAY_US


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "tap.db", tmp_path / "quarantine", lambda: NOW_US)
    yield opened
    opened.close()


def record(number: int, **fields: float | str) -> RequestRecord:
    made = RequestRecord(id=f"r{number}", model="org/model:1", start_us=NOW_US - number * DAY_US, e2e_ms=number)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


async def test_a_record_is_kept_once_and_journalled_with_it(store: Store) -> None:
    rows = await store.keep([record(1), record(2), record(1)])
    assert [row.seq for row in rows] == [1, 2]
    assert rows[0].topic == topics.request("org/model:1")
    assert await store.keep([record(2)]) == []
    assert store.head == (rows[0].epoch, 2)
    held = store.held(rows[0].epoch, 1)
    assert [RequestRecord.FromString(row.payload).id for row in held.rows] == ["r2"]


async def test_records_are_listed_newest_or_slowest_by_model_and_time(store: Store) -> None:
    await store.keep([record(1), record(3), record(2), record(4, model="other")])

    async def ids(*args: int | str, **kwargs: int | Order) -> list[str]:
        return [one.id for one in (await store.list(*args, **kwargs)).records]  # type: ignore[arg-type]

    assert await ids(10) == ["r1", "r2", "r3", "r4"]
    assert await ids(2, order=Order("e2e")) == ["r4", "r3"]
    assert await ids(10, "org/model:1", after_us=NOW_US - 3 * DAY_US, before_us=NOW_US - DAY_US) == ["r2", "r3"]
    assert (await store.list(1)).total == 4
    found = await store.get("r3")
    assert found is not None
    assert found.e2e_ms == 3
    assert await store.get("nobody") is None


async def test_a_runtime_that_was_kept_under_an_earlier_name_is_read_under_its_present_one(store: Store) -> None:
    await store.keep([record(1, runtime="lmstudio"), record(2, runtime="ollama")])
    assert [one.runtime for one in (await store.list(10)).records] == ["lm-studio", "ollama"]
    one = await store.get("r1")
    assert one is not None
    assert one.runtime == "lm-studio"
    runs = CompareStore(store.database)
    await runs.keep(CompareRun(id="c", cells=[CompareCell(model="m", runtime="lmstudio")]))
    assert [cell.runtime for run in await runs.list(10) for cell in run.cells] == ["lm-studio"]


async def test_what_is_too_old_goes_and_the_journal_stays(store: Store) -> None:
    await store.keep([record(1), record(29), record(31)])
    assert await store.trim(30.0) == 1
    assert [one.id for one in (await store.list(10)).records] == ["r1", "r29"]
    assert len(store.held(0, 0).rows) == 3


async def test_records_survive_a_restart_and_a_new_one_goes_on_counting(tmp_path: Path) -> None:
    for number in (1, 2):
        opened = Store(tmp_path / "tap.db", tmp_path / "quarantine", lambda: NOW_US)
        (row,) = await opened.keep([record(number)])
        assert row.seq == number
        opened.close()


async def test_a_cost_is_written_into_its_record_and_what_is_absent_stays_so(store: Store) -> None:
    await store.keep([record(1), record(2)])
    costs = [
        RequestCost(id="r1", joules=12.5, joules_attribution="shared"),
        RequestCost(id="r2", energy_mean=0.4),
        RequestCost(id="nobody", joules=1.0),
    ]
    assert await store.add_costs(costs) == {"r1", "r2"}
    first, second = await store.get("r1"), await store.get("r2")
    assert first is not None
    assert second is not None
    assert (first.joules, first.joules_attribution, first.e2e_ms) == (12.5, "shared", 1)
    assert not first.HasField("energy_mean")
    assert second.energy_mean == 0.4
    assert not second.HasField("joules")
    assert len(store.held(0, 0).rows) == 2, "a cost is no record of its own"
