"""Requests in any order, page by page: against sorting all of them, while others come, and of a file from before."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from wfmonitor.v1 import requests_service_pb2 as pb
from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord

from services.tap.order import COLUMNS, FIGURES, Order
from services.tap.store import Store
from tests.tap.conftest import Tapped, set_value
from tests.waiting import until

MODELS = ("llama", "qwen", "phi")
ENDS = ("stop", "length", "abort", "")


def records(count: int, seed: int) -> list[RequestRecord]:
    """Requests of which a part has measured nothing of a kind, and whose figures often equal one another's."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        one = RequestRecord(id=f"{seed}-{number}", model=chance.choice(MODELS), start_us=chance.randrange(1, 50))
        one.finish_reason = chance.choice(ENDS)
        if chance.random() < 0.1:
            one.error = "http_500"
        for name in ("e2e_ms", "ttft_ms", "tpot_ms", "joules"):
            if chance.random() < 0.7:
                setattr(one, name, chance.choice([0.1, 2.5, 30.75, chance.random()]))
        for name in ("prompt_tokens", "output_tokens"):
            if chance.random() < 0.7:
                setattr(one, name, chance.randrange(5))
        made.append(one)
    return made


def in_order(all_: list[RequestRecord], order: Order) -> list[str]:
    """The slow obvious way. Those kept last stand first among equals."""

    def value(one: RequestRecord) -> Any:
        if order.name == "outcome":
            return one.error or one.finish_reason or None
        name = COLUMNS[order.name]
        return getattr(one, name) if name not in (*FIGURES, "e2e_ms") or one.HasField(name) else None

    newest = all_[::-1]
    measured = [one for one in newest if value(one) is not None]
    measured.sort(key=value, reverse=not order.ascending)  # stable, either way
    return [one.id for one in measured + [one for one in newest if value(one) is None]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "tap.db", tmp_path / "quarantine", lambda: 100)
    yield opened
    opened.close()


async def paged(store: Store, order: Order, limit: int, *, meanwhile: list[RequestRecord] | None = None) -> list[str]:
    """All ids, a page after another; `meanwhile` is kept between the first two."""
    found: list[str] = []
    while True:
        page = await store.list(limit, order=order, after_id=found[-1] if found else "")
        assert len(page.records) <= limit
        found += [one.id for one in page.records]
        if not page.more:
            return found
        await store.keep(meanwhile or [])
        meanwhile = None


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("name", COLUMNS)
async def test_pages_of_any_order_are_what_sorting_all_gives(store: Store, name: str, ascending: bool) -> None:
    kept = records(60, 1)
    await store.keep(kept)
    order = Order(name, ascending)
    for limit in (7, 20, 60, 100):
        assert await paged(store, order, limit) == in_order(kept, order)


async def test_what_comes_between_two_pages_moves_none(store: Store) -> None:
    kept = records(40, 2)
    await store.keep(kept)
    for number, name in enumerate(COLUMNS):
        before = {one.id for one in (await store.list(1000)).records}
        found = await paged(store, Order(name), 10, meanwhile=records(10, 3 + number))
        assert len(set(found)) == len(found), "a request stands on two pages"
        assert before <= set(found), "a request stands on none"


async def test_a_page_after_nobody_is_refused(store: Store) -> None:
    with pytest.raises(LookupError):
        await store.list(10, after_id="nobody")


async def test_a_cost_that_comes_later_takes_its_place(store: Store) -> None:
    await store.keep([RequestRecord(id=id_, model="m", start_us=1) for id_ in ("a", "b", "c")])
    await store.add_costs([RequestCost(id="a", joules=2.0), RequestCost(id="b", joules=3.0)])
    assert await paged(store, Order("joules"), 10) == ["b", "a", "c"]


async def test_a_file_of_an_earlier_version_gets_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "tap.db"
    kept = records(30, 4)
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "CREATE TABLE request (number INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL, start_us INTEGER NOT NULL, "
            "model TEXT NOT NULL, e2e_ms REAL, record BLOB NOT NULL)"
        )
        for one in kept:
            e2e_ms = one.e2e_ms if one.HasField("e2e_ms") else None
            row = (one.id, one.start_us, one.model, e2e_ms, one.SerializeToString())
            database.execute("INSERT INTO request (id, start_us, model, e2e_ms, record) VALUES (?, ?, ?, ?, ?)", row)
        database.commit()
    for _ in range(2):
        opened = Store(path, tmp_path / "quarantine", lambda: 100)
        assert opened.database.quarantined is None
        for name in COLUMNS:
            assert await paged(opened, Order(name), 7) == in_order(kept, Order(name))
        opened.close()


async def test_those_under_way_are_paged_as_well_and_then_come_those_that_ended(tapped: Tapped) -> None:
    await tapped.read("/v1/chat/completions", tokens=1)
    ended = (await tapped.record()).id
    ask = tapped.requests().ListRequests

    async def all_running() -> bool:
        answer = await ask(pb.ListRequestsRequest(limit=1000), timeout=30)
        return sum(not one.HasField("e2e_ms") for one in answer.requests) == 3

    async with contextlib.AsyncExitStack() as open_:
        for _ in range(3):
            await open_.enter_async_context(tapped.ask("/v1/chat/completions", forever=True, gap_ms=20))
        await until(all_running)
        whole = [one.id for one in (await ask(pb.ListRequestsRequest(limit=1000), timeout=30)).requests]
        for limit in (1, 2, 3):
            found: list[str] = []
            page = pb.ListRequestsResponse()
            while ended not in found:
                after = found[-1] if found and limit == 2 else page.next if found else ""  # an id alone does as well
                page = await ask(pb.ListRequestsRequest(limit=limit, after_id=after), timeout=30)
                assert len(page.requests) <= limit
                assert page.more or page.requests[-1].id == whole[-1]
                found += [one.id for one in page.requests]
            assert found == whole[: len(found)]


@pytest.mark.parametrize("recorded", [True, False])
async def test_one_that_ends_between_two_pages_hides_none_of_those_behind_it(tapped: Tapped, recorded: bool) -> None:
    await asyncio.to_thread(set_value, tapped.stack, "privacy.record.requests", recorded)
    ask = tapped.requests().ListRequests

    async def running() -> list[str]:
        answer = await ask(pb.ListRequestsRequest(limit=1000), timeout=30)
        return [one.id for one in answer.requests if not one.HasField("e2e_ms")]

    try:
        async with contextlib.AsyncExitStack() as open_:
            answers = []
            for count in range(1, 4):
                answers.append(
                    await open_.enter_async_context(tapped.ask("/v1/chat/completions", forever=True, gap_ms=20))
                )

                async def begun(count: int = count) -> bool:
                    return len(await running()) == count

                await until(begun)
            first = await ask(pb.ListRequestsRequest(limit=2), timeout=30)
            newest, middle, oldest = await running()
            assert [one.id for one in first.requests] == [newest, middle]
            answers[1].close()

            async def ended() -> bool:
                return middle not in await running()

            await until(ended)
            second = await ask(pb.ListRequestsRequest(limit=1, after_id=first.next), timeout=30)
            assert [one.id for one in second.requests] == [oldest]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(pb.ListRequestsRequest(after_id="running:nobody"), timeout=30)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    finally:
        await asyncio.to_thread(set_value, tapped.stack, "privacy.record.requests", True)


async def test_the_service_pages_and_says_what_it_does_not_know(tapped: Tapped) -> None:
    for tokens in (3, 1, 2):
        await tapped.read("/v1/chat/completions", tokens=tokens)
        await tapped.record()  # it is kept
    ask = tapped.requests().ListRequests

    async def page(**asked: Any) -> pb.ListRequestsResponse:
        answer: pb.ListRequestsResponse = await ask(
            pb.ListRequestsRequest(order="e2e", ascending=True, **asked), timeout=30
        )
        return answer

    whole = [one.id for one in (await page(limit=1000)).requests]
    first = await page(limit=1)
    assert [one.id for one in first.requests] == whole[:1]
    assert first.more
    second = await page(limit=1000, after_id=whole[0])
    assert [one.id for one in second.requests][: len(whole) - 1] == whole[1:]
    assert not second.more
    for wrong, code in (
        (pb.ListRequestsRequest(order="ttf"), "INVALID_ARGUMENT"),
        (pb.ListRequestsRequest(after_id="x"), "NOT_FOUND"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(wrong, timeout=30)
        assert refused.value.code().name == code
