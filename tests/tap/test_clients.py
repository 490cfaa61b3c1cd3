"""Who asked: nothing of it without consent, a keyed hash with it, names and totals."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import grpc
import pytest
from wfmonitor.v1 import requests_service_pb2 as pb
from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord
from wfmonitor.v1.settings_service_pb2 import SetConsentRequest
from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

from bus import settings_catalogue
from services.cli.commands.request_clients import as_object, line
from services.tap.clients import Clients
from services.tap.store import Store
from tests.stack import Stack
from tests.tap.conftest import Tapped
from tests.waiting import until

KEY = b"0123456789abcdef"
SECRET = "sk-canary-3c81"
HEADERS = [(b"User-Agent", b"aider/1.0"), (b"Authorization", SECRET.encode())]


def test_without_consent_no_header_is_read_and_no_key_is_made() -> None:
    asked: list[int] = []

    def key() -> bytes:
        asked.append(1)
        return KEY

    class Untouchable(list[tuple[bytes, bytes]]):
        def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
            raise AssertionError("the headers were read")

    clients = Clients(lambda: False, key)
    clients.follow()
    assert clients.of(Untouchable(HEADERS)) == ""
    assert not asked


def test_a_hash_is_the_clients_own_and_tells_nothing_without_the_key() -> None:
    clients, others = Clients(lambda: True, lambda: KEY), Clients(lambda: True, lambda: KEY[::-1])
    clients.follow()
    others.follow()
    one = clients.of(HEADERS)
    assert len(one) == 16
    assert one == clients.of([(b"authorization", SECRET.encode()), (b"X-Other", b"1"), (b"user-agent", b"aider/1.0")])
    assert one != others.of(HEADERS)
    assert len({one, clients.of(HEADERS[:1]), clients.of(HEADERS[1:]), clients.of([(b"x-api-key", b"aider/1.0")])}) == 4
    assert clients.of([(b"Accept", b"*/*")]) == ""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "tap.db", tmp_path / "quarantine")) as opened:
        yield opened


async def test_totals_are_of_what_was_measured_and_go_with_the_records(store: Store) -> None:
    def record(number: int, client: str, **fields: float) -> RequestRecord:
        made = RequestRecord(id=f"r{number}", model="m", start_us=number, client=client, e2e_ms=100.0)
        for name, value in fields.items():
            setattr(made, name, value)
        return made

    await store.keep(
        [record(1, "aa", output_tokens=5), record(2, "aa", output_tokens=7), record(3, "bb"), record(4, "")]
    )
    await store.add_costs([RequestCost(id="r2", joules=9.0, joules_attribution="shared")])
    assert await store.name_client("aa", "my editor")
    assert not await store.name_client("zz", "nobody")
    editor, other = await store.clients(0)
    assert (editor.client, editor.name, editor.requests, editor.output_tokens) == ("aa", "my editor", 2, 12)
    assert (editor.prompt_tokens, editor.e2e_ms, editor.joules, editor.with_joules) == (None, 200.0, 9.0, 1)
    assert (other.client, other.name, other.output_tokens, other.joules) == ("bb", "", None, None)
    assert [total.client for total in await store.clients(3)] == ["bb"]
    assert await store.name_client("aa", "")
    assert await store.client_names() == {}
    await store.trim(1.0)
    assert await store.clients(0) == []


def test_a_total_is_shown_with_dashes_where_nothing_was_measured() -> None:
    total = pb.ClientTotal(client="aa", requests=2, e2e_ms=61_000.0, newest_us=1, joules=3.6e6)
    terms = pb.Terms(tariff_per_kwh=0.5, currency="EUR")
    assert line(total, terms)[:7] == ["(no name)", "2", "–", "–", "1 min 1 s", "3600000", "0.5000 EUR"]
    assert as_object(total, pb.Terms())["money"] is None
    assert as_object(total, terms)["prompt_tokens"] is None


@contextmanager
def consent(stack: Stack) -> Iterator[None]:
    spec = settings_catalogue.find("privacy.record.client")

    def give(given: bool) -> None:
        with grpc.insecure_channel(f"unix:{stack.home.socket('governance')}") as channel:
            request = SetConsentRequest(target=spec.consent, given=given, wording=spec.wording, actor="person:test")
            SettingsServiceStub(channel).SetConsent(request, timeout=30)

    give(True)
    try:
        yield
    finally:
        give(False)


def rows(stack: Stack) -> dict[str, int]:
    with closing(sqlite3.connect(stack.home.database("tap"))) as database:
        tables = ("client_request", "client_name", "client_key")
        return {table: database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608


async def ask_as(tapped: Tapped, agent: str) -> RequestRecord:
    headers = {"User-Agent": agent, "Authorization": f"Bearer {SECRET}", "X-Script": '{"tokens": 3}'}
    body = {"model": "m", "stream": True}
    async with tapped.http.post(f"{tapped.url}/v1/chat/completions", json=body, headers=headers) as answer:
        await answer.read()
    return await tapped.record()


async def test_by_consent_and_only_then_a_record_says_who_asked(tapped: Tapped) -> None:
    before = rows(tapped.stack)
    assert (await ask_as(tapped, "editor/1")).client == ""
    assert rows(tapped.stack) == before
    with consent(tapped.stack):

        async def named() -> str:
            return (await ask_as(tapped, "editor/1")).client

        client = await until(named)
        assert (await ask_as(tapped, "other/1")).client not in ("", client)
        await tapped.requests().NameClient(pb.NameClientRequest(client=client, name="my editor"), timeout=30)
        record = await ask_as(tapped, "editor/1")
        assert record.client == "my editor"
        answer = await tapped.requests().ListClients(pb.ListClientsRequest(), timeout=30)
        assert answer.recorded
        mine = next(total for total in answer.clients if total.client == client)
        assert mine.name == "my editor"
        assert mine.requests >= 2
        assert mine.output_tokens == 3 * mine.requests
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await tapped.requests().NameClient(pb.NameClientRequest(client="ffff", name="x"), timeout=30)
        assert refusal.value.code() is grpc.StatusCode.NOT_FOUND

    async def unnamed() -> bool:
        return (await ask_as(tapped, "editor/1")).client == ""

    await until(unnamed)
    kept = rows(tapped.stack)
    assert (await ask_as(tapped, "editor/1")).client == ""
    assert rows(tapped.stack) == kept
    assert not (await tapped.requests().ListClients(pb.ListClientsRequest(), timeout=30)).recorded
    for path in tapped.stack.home.data.glob("tap.db*"):
        assert SECRET.encode() not in path.read_bytes()
