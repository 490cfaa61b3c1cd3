"""Models compared through the running tap; plans, prompts and sums."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import grpc
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from wfmonitor.v1 import compare_service_pb2 as pb
from wfmonitor.v1.compare_service_pb2_grpc import CompareServiceStub
from wfmonitor.v1.request_pb2 import RequestRecord
from wfmonitor.v1.requests_service_pb2 import ListRequestsRequest

from services.cli.commands import compare as cli
from services.tap.compare import Comparing, NotNow
from services.tap.compare_client import CompareClient
from services.tap.compare_loaded import is_loaded
from services.tap.compare_plan import MOST_REQUESTS, PlanError, filled, prompt, requests_of, words_for
from services.tap.compare_sources import Sources
from services.tap.compare_store import is_of
from services.tap.compare_sums import Sent, put_joules, put_vram, spread, sum_up, throughput_tps
from services.tap.routes import Found, RouteTable, Upstream
from tests.tap.conftest import Tapped, set_value
from tests.tap.runtime_shapes import MODEL
from tests.waiting import until

SMALL = {"prompt_tokens": [16, 32], "output_tokens": 4, "concurrency": [1, 2], "rounds": 2}


def record(**fields: Any) -> RequestRecord:
    usual = {"status": 200, "ttft_ms": 10.0, "tpot_ms": 2.0, "e2e_ms": 100.0, "output_tokens": 10}
    return RequestRecord(**(usual | fields))


def test_a_plan_has_its_defaults_and_bounds() -> None:
    plan = filled(pb.ComparePlan(models=["a", "a", "b"]))
    assert (list(plan.models), list(plan.prompt_tokens), list(plan.concurrency)) == (["a", "b"], [128, 1024], [1, 4])
    assert (plan.output_tokens, plan.rounds) == (64, 5)
    assert requests_of(plan) == 2 * 2 * (1 + 5 * 5)
    for wrong in (
        {"models": []},
        {"models": [""]},
        {"models": [str(number) for number in range(9)]},
        {"models": ["a"], "prompt_tokens": [7]},
        {"models": ["a"], "concurrency": [17]},
        {"models": ["a"], "rounds": 21},
        {"models": ["a"], "output_tokens": 1},
        {"models": ["a"], "concurrency": [1, 2, 3, 4, 5]},
    ):
        with pytest.raises(PlanError):
            filled(pb.ComparePlan(**wrong))  # type: ignore[arg-type]
    most = {"prompt_tokens": [8, 9, 10, 11], "concurrency": [13, 14, 15, 16], "rounds": 20}
    with pytest.raises(PlanError, match=str(MOST_REQUESTS)):
        filled(pb.ComparePlan(models=["a"], **most))  # type: ignore[arg-type]


def test_prompts_are_alike_for_one_seed_and_share_no_beginning_with_another() -> None:
    assert prompt(50, "a") == prompt(50, "a")
    assert len(prompt(50, "a").split()) == 50
    beginnings = {" ".join(prompt(50, str(seed)).split()[:4]) for seed in range(200)}
    assert len(beginnings) == 200


def test_words_follow_what_the_runtime_counts() -> None:
    assert words_for(128, 0, None) == 128
    assert words_for(128, 100, 200) == 64
    assert words_for(128, 100, 1) == 256


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_a_spread_is_of_values_that_were_measured(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    assert {found.median, found.p25, found.p75} <= set(values)
    assert found.p25 <= found.median <= found.p75
    assert found.n == len(values)
    assert sum(value <= found.median for value in values) * 2 >= len(values)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 10), st.floats(1, 5000), st.integers(1, 500)), min_size=1, max_size=8))
def test_throughput_is_tokens_over_the_whole_round(streams: list[tuple[float, float, int]]) -> None:
    sent = [Sent(begin_s, record(e2e_ms=e2e_ms, output_tokens=tokens)) for begin_s, e2e_ms, tokens in streams]
    begin_s = min(begin_s for begin_s, _, _ in streams)
    end_s = max(begin_s + e2e_ms / 1e3 for begin_s, e2e_ms, _ in streams)
    expected = sum(tokens for _, _, tokens in streams) / (end_s - begin_s)
    assert throughput_tps(sent) == pytest.approx(expected)
    assert throughput_tps([*sent, Sent(0.0, record(status=503))]) is None


def test_what_failed_is_counted_and_never_averaged() -> None:
    cell = pb.CompareCell()
    sum_up(cell, [[Sent(0.0, record()), Sent(0.0, record(status=500, error="server_error", ttft_ms=1e9))]])
    assert (cell.failed, cell.error, cell.ttft_ms.median, cell.ttft_ms.n) == (1, "server_error", 10.0, 1)
    assert not cell.HasField("throughput_tps")
    nothing = pb.CompareCell()
    sum_up(nothing, [[Sent(0.0, RequestRecord(status=0, error="no_answer"))]])
    assert not any(nothing.HasField(name) for name in ("ttft_ms", "tpot_ms", "throughput_tps", "joules_per_token"))  # type: ignore[arg-type]


def test_joules_a_token_need_every_request_measured() -> None:
    cell = pb.CompareCell()
    put_joules(cell, [record(joules=20.0, joules_attribution="measured"), record()])
    assert not cell.HasField("joules_per_token")
    put_joules(
        cell, [record(joules=20.0, joules_attribution="measured"), record(joules=10.0, joules_attribution="shared")]
    )
    assert (cell.joules_per_token, cell.joules_attribution) == (1.5, "shared")
    each = cell.joules_per_token_spread
    assert (each.p25, each.median, each.p75, each.n) == (1.0, 1.0, 2.0, 2)


def test_video_memory_is_the_newest_with_the_spread_over_rounds() -> None:
    cell = pb.CompareCell()
    put_vram(cell, [])
    assert not cell.HasField("vram_bytes")
    put_vram(cell, [8, 16, 12])
    each = cell.vram_bytes_spread
    assert (cell.vram_bytes, each.p25, each.median, each.p75, each.n) == (12, 8.0, 12.0, 16.0, 3)


@pytest.mark.parametrize("asked", ["llama3", "llama3:latest", "qwen3"])
def test_a_run_is_found_by_what_was_asked_and_by_what_its_runtime_calls_it(asked: str) -> None:
    cells = [pb.CompareCell(model="llama3:latest", asked="llama3"), pb.CompareCell(model="qwen3:8b", asked="qwen3")]
    run = pb.CompareRun(plan=pb.ComparePlan(models=["llama3", "qwen3"]), cells=cells)
    assert is_of(run, asked)
    assert not is_of(run, "mistral")
    [shown] = [cell.model for cell in cells if cli.is_of(run, cell, [asked])]
    assert shown.startswith(asked)


def test_cells_of_earlier_versions_are_found_by_the_one_model_of_their_plan() -> None:
    cell = pb.CompareCell(model="tiny.gguf")
    assert cli.is_of(pb.CompareRun(plan=pb.ComparePlan(models=["fast"])), cell, ["fast"])
    assert not cli.is_of(pb.CompareRun(plan=pb.ComparePlan(models=["fast", "other"])), cell, ["fast"])


@pytest.fixture
async def compare(tapped: Tapped) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(f"unix:{tapped.stack.home.socket('tap')}") as channel:
        stub = CompareServiceStub(channel)

        async def known() -> bool:
            async with tapped.http.get(f"{tapped.url}/v1/models") as answer:
                return answer.status == 200

        await until(known)
        yield stub
        for run in (await stub.ListCompares(pb.ListComparesRequest(), timeout=30)).runs:
            await stub.CancelCompare(pb.CancelCompareRequest(id=run.id), timeout=30)


async def last_of(stub: Any, id_: str) -> pb.CompareRun:
    last = pb.CompareRun()
    async with asyncio.timeout(100):
        async for run in stub.WatchCompare(pb.WatchCompareRequest(id=id_)):
            last = run
    return last


async def test_a_comparison_measures_is_kept_and_its_requests_are_in_the_log(tapped: Tapped, compare: Any) -> None:
    begun = await compare.StartCompare(pb.ComparePlan(models=[MODEL], load=True, **SMALL), timeout=30)
    run = await last_of(compare, begun.id)
    assert run.state == "done", run
    assert run.requests_done == run.requests == 2 * (1 + 2 * 3)
    assert [(cell.prompt_tokens, cell.concurrency) for cell in run.cells] == [(16, 1), (16, 2), (32, 1), (32, 2)]
    for cell in run.cells:
        assert cell.asked == MODEL
        assert cell.failed == 0
        assert cell.ttft_ms.n == cell.tpot_ms.n == 2 * cell.concurrency
        assert 0 < cell.ttft_ms.p25 <= cell.ttft_ms.median <= cell.ttft_ms.p75
        assert cell.throughput_tps.n == 2
        assert cell.counted_prompt_tokens.median == 12
        # Nothing measures power or video memory here.
        assert not cell.HasField("joules_per_token")
        assert not cell.HasField("vram_bytes")
    listed = (await compare.ListCompares(pb.ListComparesRequest(model=MODEL), timeout=30)).runs
    assert listed[0] == run

    async def logged() -> bool:
        asked = ListRequestsRequest(after_us=tapped.since_us, limit=1000)
        return len((await tapped.requests().ListRequests(asked, timeout=30)).requests) == run.requests

    await until(logged)


async def test_a_comparison_is_shown_and_not_kept_where_requests_are_not_recorded(tapped: Tapped, compare: Any) -> None:
    set_value(tapped.stack, "privacy.record.requests", False)
    try:
        begun = await compare.StartCompare(pb.ComparePlan(models=[MODEL], load=True, **SMALL), timeout=30)
        run = await last_of(compare, begun.id)
        assert run.state == "done"
        assert "privacy.record.requests" in run.reason
        assert (await compare.ListCompares(pb.ListComparesRequest(model=MODEL), timeout=30)).runs[0] == run
    finally:
        set_value(tapped.stack, "privacy.record.requests", True)
    after = await compare.StartCompare(pb.ComparePlan(models=[MODEL], load=True, **SMALL), timeout=30)
    assert not (await last_of(compare, after.id)).reason
    kept = (await compare.ListCompares(pb.ListComparesRequest(), timeout=30)).runs
    assert begun.id not in [one.id for one in kept]
    assert kept[0].id == after.id


async def test_it_waits_for_no_person_and_begins_only_anyway(tapped: Tapped, compare: Any) -> None:
    plan = pb.ComparePlan(models=[MODEL], load=True, **SMALL)
    async with tapped.ask("/v1/chat/completions", forever=True, gap_ms=5) as answer:
        await answer.content.readany()
        with pytest.raises(grpc.aio.AioRpcError, match="--anyway") as refused:
            await compare.StartCompare(plan, timeout=30)
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        plan.anyway = True
        begun = await compare.StartCompare(plan, timeout=30)
        run = await last_of(compare, begun.id)
        assert run.state == "done"
        assert sum(cell.disturbed for cell in run.cells) > 0
        answer.close()


async def test_a_cancel_ends_the_request_that_is_being_answered(tapped: Tapped, compare: Any) -> None:
    # The runtime's script comes by header, so the wait is in the number of rounds.
    plan = pb.ComparePlan(models=[MODEL], load=True, prompt_tokens=[1000], concurrency=[16], rounds=20)
    begun = await compare.StartCompare(plan, timeout=30)
    ended = await compare.CancelCompare(pb.CancelCompareRequest(id=begun.id), timeout=30)
    assert ended.state == "cancelled"
    assert ended.end_us
    assert (await last_of(compare, begun.id)).state == "cancelled"

    async def idle() -> bool:
        return (await tapped.seen())["streaming"] == 0

    await until(idle)
    again = await compare.CancelCompare(pb.CancelCompareRequest(id=begun.id), timeout=30)
    assert again.id == begun.id


async def test_what_cannot_be_compared_is_refused_by_name(compare: Any) -> None:
    for wrong, code, why in (
        (pb.ComparePlan(models=[MODEL], rounds=99), grpc.StatusCode.INVALID_ARGUMENT, "rounds"),
        (pb.ComparePlan(), grpc.StatusCode.INVALID_ARGUMENT, "models"),
    ):
        with pytest.raises(grpc.aio.AioRpcError, match=why) as refused:
            await compare.StartCompare(wrong, timeout=30)
        assert refused.value.code() is code
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await compare.CancelCompare(pb.CancelCompareRequest(id="nobody's"), timeout=30)
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


LISTS = {
    "ollama": ("/api/ps", {"models": [{"name": "here:latest", "size_vram": 1}]}),
    "lm-studio": (
        "/api/v0/models",
        {"data": [{"id": "here", "state": "loaded"}, {"id": "away", "state": "not-loaded"}]},
    ),
    "llama.cpp": (
        "/v1/models",
        {"data": [{"id": "here", "status": {"value": "loaded"}}, {"id": "away", "status": {"value": "unloaded"}}]},
    ),
}


@pytest.mark.parametrize("runtime_name", sorted(LISTS))
async def test_what_is_in_memory_is_asked_without_loading_anything(runtime_name: str) -> None:
    path, listed = LISTS[runtime_name]
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(f"{request.method} {request.path}")
        return web.json_response(listed)

    server = RawTestServer(answer)
    await server.start_server()
    async with server, aiohttp.ClientSession() as http:
        assert server.port is not None
        upstream = Upstream("127.0.0.1", server.port, runtime_name)
        assert await is_loaded(http, upstream, "here") is True
        assert await is_loaded(http, upstream, "away") is False
        assert set(asked) == {f"GET {path}"}
        assert await is_loaded(http, upstream._replace(runtime="vllm"), "any") is True
        assert await is_loaded(http, upstream._replace(runtime="llama-cpp-python"), "any") is None


@pytest.mark.parametrize(
    ("props", "loaded"), [({"is_sleeping": True}, False), ({"is_sleeping": False}, True), ({}, True), (None, None)]
)
async def test_a_llama_server_that_sleeps_has_nothing_in_memory(
    props: dict[str, bool] | None, loaded: bool | None
) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/v1/models":
            return web.json_response({"data": [{"id": "its one"}]})
        assert (request.method, request.path_qs) == ("GET", "/props")
        return web.Response(status=401) if props is None else web.json_response(props)

    server = RawTestServer(answer)
    await server.start_server()
    async with server, aiohttp.ClientSession() as http:
        assert server.port is not None
        assert await is_loaded(http, Upstream("127.0.0.1", server.port, "llama.cpp"), "its one") is loaded


async def test_a_llama_server_with_an_api_key_is_asked_with_it_or_refused_by_name() -> None:
    """As llama-server has it: its list is open, `/props` and every request for tokens are not."""
    asked: list[tuple[str, str]] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        asked.append((request.path, given))
        if request.path == "/v1/models":
            return web.json_response({"data": [{"id": "its one"}]})
        if given != "Bearer secret":
            return web.json_response({"error": {"message": "Invalid API Key", "code": 401}}, status=401)
        return web.json_response({"is_sleeping": False}, status=200 if request.path == "/props" else 500)

    server = RawTestServer(answer)
    await server.start_server()
    async with server, aiohttp.ClientSession() as http:
        assert server.port is not None
        upstream = Upstream("127.0.0.1", server.port, "llama.cpp")
        table = RouteTable(found={1: Found(upstream, frozenset({"its one"}))})
        sources = Sources(cast(Any, None), cast(Any, grpc.aio.insecure_channel("unix:/nobody")), http)
        client = CompareClient(http, server.port, lambda: 0)
        comparing = Comparing(client, table, cast(Any, None), sources, lambda: False)
        for load in (True, False):  # nothing would be loaded: it refuses before that
            with pytest.raises(NotNow, match=r"its one wants an API key.*--key-env NAME"):
                await comparing.start(pb.ComparePlan(models=["its one"], load=load))
        with pytest.raises(NotNow, match="its one wants another API key"):
            await comparing.start(pb.ComparePlan(models=["its one"], api_key="guessed"))
        with pytest.raises(PlanError, match="api_key"):
            await comparing.start(pb.ComparePlan(models=["its one"], api_key="a\nb"))
        assert {path for path, _ in asked} == {"/props"}
        run = await comparing.start(pb.ComparePlan(models=["its one"], api_key="secret"))
        await until(lambda: not comparing.running)
        assert asked[-1] == ("/v1/chat/completions", "Bearer secret")
        assert client.key == ""
        assert run.plan.api_key == ""
        assert b"secret" not in run.SerializeToString()


async def test_a_model_that_is_not_in_memory_is_not_loaded_unasked() -> None:
    class Away(Sources):
        async def refuses(self, upstream: Upstream, key: str) -> bool:
            return False

        async def loaded(self, upstream: Upstream, model: str, key: str) -> bool | None:
            return False if model == "away" else None

    table = RouteTable(found={1: Found(Upstream("127.0.0.1", 1, "ollama"), frozenset({"away", "unsure"}))})
    comparing = Comparing(
        CompareClient(cast(Any, None), 1, lambda: 0), table, cast(Any, None), Away.__new__(Away), lambda: True
    )
    with pytest.raises(NotNow, match=r"not in memory: away, unsure \(its runtime does not tell\).*--load"):
        await comparing.start(pb.ComparePlan(models=["away", "unsure"]))
    with pytest.raises(NotNow, match="no runtime says that it has 'other'; there are: away, unsure"):
        await comparing.start(pb.ComparePlan(models=["other"]))
    assert not comparing.running
