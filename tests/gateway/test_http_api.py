"""/api/v1, /metrics and the static page against the running stack."""

import asyncio
import json
import shutil
import signal
import subprocess
import time
from typing import Any

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from wfmonitor.v1.live_pb2 import LiveFrame

from tests.gateway.conftest import Page
from tests.gateway.test_ingest import SPEC_EVENT

WAIT_S = 30.0


async def points(page: Page, query: str) -> dict[str, Any]:
    """A range answer, once it has a point."""
    async with asyncio.timeout(WAIT_S):
        while True:
            answer = dict(await page.read(f"/api/v1/query_range?{query}"))
            if any(series["times_us"] for series in answer["series"]):
                return answer
            await asyncio.sleep(0.05)


async def test_a_page_comes_in_by_a_code_and_stays_in_over_a_restart(page: Page) -> None:
    code = (await page.post("/api/v1/code", {}))[1]["code"]
    bare = {"Origin": page.origin, "Content-Type": "application/json"}
    async with page.http.post(
        page.stack.url("/api/v1/session"), headers=bare, data=json.dumps({"code": code})
    ) as answer:
        assert answer.status == 200
        token = (await answer.json())["token"]
    session = {"Authorization": f"Bearer {token}", "Origin": page.origin}
    assert (await page.get("/api/v1/settings", **session))[0] == 200
    started_us = page.stack.healths("gateway")[-1].started_us
    page.stack.kill("gateway")
    await asyncio.to_thread(page.stack.wait_ready, "gateway", after_us=started_us + 1)
    assert (await page.get("/api/v1/settings", **session))[0] == 200
    assert (await page.get("/api/v1/settings"))[0] == 200


async def test_a_page_cannot_write_without_its_origin(page: Page) -> None:
    code = (await page.post("/api/v1/code", {}))[1]["code"]
    status, answer = await page.post("/api/v1/session", {"code": code}, Origin=page.origin)
    assert status == 200
    session = {"Authorization": f"Bearer {answer['token']}"}
    assert (await page.post("/api/v1/ticket", {}, **session))[0] == 403
    assert (await page.post("/api/v1/ticket", {}, **session, Origin=page.origin))[0] == 200


async def test_the_page_is_served_with_its_headers_and_known_copies_are_not_sent_again(page: Page) -> None:
    async with page.http.get(page.stack.url("/")) as answer:
        assert answer.status == 200
        policy = answer.headers["Content-Security-Policy"]
        tag = answer.headers["ETag"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert "Set-Cookie" not in answer.headers
    async with page.http.get(page.stack.url("/"), headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
        assert await answer.read() == b""


async def test_a_reload_reads_the_page_again_and_keeps_the_connections(page: Page) -> None:
    ws = await page.socket()
    page.stack.kill("gateway", signal.SIGHUP)
    assert (await page.get("/"))[0] == 200
    await ws.send_str('{"ping": 1}')
    async with asyncio.timeout(WAIT_S):
        while (await ws.receive()).type is not aiohttp.WSMsgType.TEXT:
            pass
    await ws.close()


async def test_every_address_answers_with_names_of_the_schema(page: Page) -> None:
    series = await page.read("/api/v1/series?class=system")
    assert {one["key"]["metric"] for one in series["series"]} >= {"system.cpu.percent", "system.mem.percent"}
    described = await page.read("/api/v1/describe?metric=system.cpu.percent")
    assert described["metrics"][0]["unit"] == "percent"
    health = await page.read("/api/v1/health")
    assert {one["service"] for one in health["services"]} >= {"collector", "aggregator", "gateway", "governance"}
    assert (await page.read("/api/v1/storage"))["tiers"][0]["name"] == "raw"
    assert "events" in await page.read("/api/v1/events")
    assert (await page.read("/api/v1/info?subject=model:none"))["info"] == []
    assert (await page.read("/api/v1/audit"))["rows"]
    assert (await page.read("/api/v1/audit/verify"))["intact"] is True
    recorded = await page.read("/api/v1/recorded")
    assert recorded["recording"] is True
    assert {one["name"] for one in recorded["classes"]} == {
        "machine", "processes", "models", "ux", "custom",
    }  # fmt: skip
    assert all(one["recording"] and one["switch"].startswith("privacy.record.") for one in recorded["classes"])
    besides = {one["name"]: one["recording"] for one in recorded["besides"]}
    assert besides == {"requests": True, "process_names": False, "client": False}
    now = await page.read("/api/v1/query_instant?metric=system.cpu.percent&stat=avg&window=1s")
    assert now["values"][0]["window"] == "1s"


async def test_a_range_can_be_asked_raw_and_in_steps(page: Page) -> None:
    raw = await points(page, "metric=system.cpu.percent&last_s=5")
    assert raw["tier"] == "raw"
    assert len(raw["series"]) == 1
    assert len(raw["series"][0]["times_us"]) == len(raw["series"][0]["values"])
    steps = await points(page, "metric=system.cpu.core_percent&label=core=0&stat=max&step_us=1000000&last_s=5")
    assert [one["key"]["labels"] for one in steps["series"]] == [[{"name": "core", "value": "0"}]]


async def test_backfill_is_one_frame_of_the_last_seconds(page: Page) -> None:
    status, body = await page.get("/api/v1/backfill?seconds=3")
    frame = LiveFrame.FromString(body)
    assert status == 200
    assert frame.key
    assert max(len(table.times_us) for table in frame.tables) > 10


@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        ("/api/v1/query_range", 400, "metric"),
        ("/api/v1/query_range?metric=system.cpu.percent&start_us=x", 400, "start_us"),
        ("/api/v1/query_range?metric=system.cpu.percent&stat=p95", 400, "step_us"),
        ("/api/v1/query_range?metric=system.cpu.percent&stop_us=1", 400, "stop_us"),
        ("/api/v1/query_range?metric=system.cpu.percent&label=core", 400, "label"),
        ("/api/v1/query_range?metric=system.cpu.percnt", 404, "system.cpu.percent"),
        ("/api/v1/query_instant?metric=system.cpu.percent&stat=mean&window=1s", 400, "mean"),
        ("/api/v1/backfill?seconds=301", 400, "seconds"),
        ("/api/v1/backfill?seconds=nan", 400, "seconds"),
        ("/api/v1/nothing", 404, "/api/v1/nothing"),
        ("/ws", 403, "Origin"),
    ],
)
async def test_a_wrong_question_says_what_is_wrong(page: Page, path: str, status: int, named: str) -> None:
    got, body = await page.get(path)
    error = json.loads(body)["error"]
    assert (got, set(error)) == (status, {"what", "why", "mend"})
    assert named in " ".join(error.values())


async def test_the_event_of_the_specification_comes_back_out(page: Page) -> None:
    assert (await page.post("/api/v1/ingest", {**SPEC_EVENT, "source": "model:old"})) == (200, {"accepted": 1})
    now = {**SPEC_EVENT, "ts": int(time.time() * 1000), "source": "model:new:8b"}
    assert (await page.post("/api/v1/ingest", [now, {**now, "ts": now["ts"] + 1}]))[0] == 200
    answer = await points(page, "metric=model.vram_bytes&source=model:new:8b&last_s=10")
    assert answer["series"][0]["values"][0] == 5221 * 1048576
    status, wrong = await page.post("/api/v1/ingest", {**now, "fields": {"tps": "fast"}})
    assert (status, wrong["error"]["what"]) == (400, "fields.tps")
    late = {**now, "ts": now["ts"] - 11_000}
    assert (await page.post("/api/v1/ingest", late))[0] == 409


async def test_ingest_can_be_switched_off(page: Page) -> None:
    status, answer = await page.post("/api/v1/settings", {"key": "gateway.ingest.enabled", "value": False})
    assert status == 200
    assert answer["result"]["applied"] is True
    assert (await page.post("/api/v1/ingest", SPEC_EVENT))[0] == 403
    status, _ = await page.post("/api/v1/settings/undo", {"change_id": answer["change"]["id"]})
    assert status == 200
    async with asyncio.timeout(WAIT_S):
        # Nothing but the answer itself tells when the gateway has obeyed.
        while (await page.post("/api/v1/ingest", {**SPEC_EVENT, "source": "model:again"}))[0] == 403:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_more_pages_than_the_setting_says_are_refused_with_the_reason(page: Page) -> None:
    assert (await page.post("/api/v1/settings", {"key": "gateway.clients.max", "value": 1}))[0] == 200
    first = await page.socket()
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await page.socket()
    assert caught.value.status == 503
    await first.close()
    assert (await page.post("/api/v1/settings", {"key": "gateway.clients.max", "value": 32}))[0] == 200


async def test_an_unknown_setting_is_refused_by_name(page: Page) -> None:
    status, answer = await page.post("/api/v1/settings", {"key": "gateway.client.max", "value": 1})
    assert status in (400, 404)
    assert "gateway.clients.max" in " ".join(answer["error"].values())
    assert (await page.post("/api/v1/settings", {"key": "gateway.clients.max", "value": 0}))[0] == 400
    assert (await page.post("/api/v1/settings", {"key": "gateway.clients.max"}))[0] == 400


def promtool(text: str) -> str:
    """What `promtool check metrics` holds against the text; nothing where it is not installed."""
    if not shutil.which("promtool"):
        return ""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


async def test_metrics_are_what_prometheus_reads(page: Page) -> None:
    await points(page, "metric=monitor.ws_clients&last_s=10")
    modern = (await page.get("/metrics", Accept="application/openmetrics-text"))[1].decode()
    names = {family.name for family in text_string_to_metric_families(modern)}
    assert "wfmonitor_system_cpu_utilization_ratio" in names
    older = (await page.get("/metrics"))[1].decode()
    assert await asyncio.to_thread(promtool, older) == ""


async def test_a_body_that_never_ends_is_given_up(page: Page) -> None:
    big = b'{"x":"' + b"y" * (1 << 20) + b'"}'
    async with page.http.post(page.stack.url("/api/v1/ingest"), headers=page.headers, data=big) as answer:
        assert answer.status == 413


async def test_energy_and_clients_are_answered_and_what_is_not_set_is_null(page: Page) -> None:
    energy = await page.read("/api/v1/energy?days=2")
    assert energy["tariff_per_kwh"] is None
    assert all(share["money"] is None for share in energy["shares"])
    assert (await page.get("/api/v1/energy?days=0"))[0] == 400
    clients = await page.read("/api/v1/clients")
    assert (clients["clients"], clients["recorded"]) == ([], False)
    terms = (await page.read("/api/v1/requests"))["terms"]
    assert {terms[name] for name in ("target_ttft_ms", "target_tpot_ms", "tariff_per_kwh")} == {None}
