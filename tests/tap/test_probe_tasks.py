"""Probe tasks: their answers and rules, what is due when, and through a running tap: scored, marked, giving way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from wfmonitor.v1 import requests_service_pb2 as pb

from bus import topics
from services.tap.probe_tasks import LONGEST_ANSWER, Task, is_right, tasks
from services.tap.probe_tasks_plan import REST_S, ROUND, Plan
from tests.stack import Ear
from tests.tap.conftest import Tapped, set_value, trend_of
from tests.waiting import until


def answer_of(task: Task) -> str:
    """The known answer, as a model would write it."""
    if task.number is not None:
        return f"{task.number:g}."
    if task.lines is not None:
        return "\n".join(task.lines) + "\n"
    if task.equals is not None or task.exactly is not None:
        return f' "{task.equals or task.exactly}". '
    return json.dumps(task.json)


def test_there_are_some_dozens_each_with_one_rule_and_a_name_of_its_own() -> None:
    assert 30 <= len(tasks()) <= 50
    assert len({task.id for task in tasks()}) == len({task.prompt for task in tasks()}) == len(tasks())
    for task in tasks():
        rules = [rule for rule in (task.number, task.equals, task.exactly, task.lines, task.json) if rule is not None]
        assert len(rules) == 1, task.id
        assert len(task.prompt) < 250


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task.id)
def test_the_known_answer_is_right_and_others_are_not(task: Task) -> None:
    assert is_right(task, answer_of(task))
    for wrong in ("", "I cannot say.", "0 1 2", "{}", answer_of(task) + "x" * LONGEST_ANSWER):
        assert not is_right(task, wrong)
    others = [other for other in tasks() if answer_of(other) != answer_of(task)]
    assert sum(is_right(task, answer_of(other)) for other in others) <= 1  # 0.25 and ¼ may be told in two ways


@pytest.mark.parametrize(
    ("answer", "right"),
    [("43", True), ("The answer is 43.", True), ("17 + 26 = 43", False), ("43 or 44", False), ("-43", False),
     ("43.0", True), ("4 3", False)],
)  # fmt: skip
def test_a_number_is_the_one_number_of_the_answer(answer: str, right: bool) -> None:
    assert is_right(tasks()[0], answer) is right


@pytest.mark.parametrize("minus", ["-", "\u2212", "\u2013", "\ufe63", "\uff0d"])
def test_a_minus_may_be_set_in_type(minus: str) -> None:
    task = next(task for task in tasks() if task.number == -18)
    assert is_right(task, f"{minus}18")
    assert not is_right(task, "18")
    assert not is_right(task, f"12 {minus} 30 = {minus}18")


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=8, unique=True), st.integers(1, 60), st.integers(1, 300))
def test_a_day_has_a_bound_and_rounds_have_rests(loaded: list[str], a_day: int, looks: int) -> None:
    plan, ran = Plan(), []
    for now in range(looks):
        if (due := plan.due(loaded, float(now), 1, a_day)) is not None:
            assert due[0] in loaded
            plan.began(due[0], float(now))
            ran.append(due)
        plan = (
            Plan.from_state(json.loads(json.dumps(plan.state()))) if now % 7 == 0 and not plan._rests_until_s else plan
        )
    assert len(ran) <= a_day
    assert len(ran) == len(set(ran))
    if loaded and looks < REST_S:
        assert len(ran) <= len(loaded) * ROUND
    assert plan.due(loaded, 0.0, 1, a_day) is None or plan.ran < a_day


def test_what_was_kept_badly_is_a_fresh_plan() -> None:
    for state in (None, [], {}, {"day": "x", "ran": 1, "turns": {}}, {"day": 1, "ran": 1, "turns": 5}):
        assert Plan.from_state(state) == Plan()


class Model:
    """A runtime with one model, that says it is vLLM: right in every other task, and slow where it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[str] = []
        self.aborted = 0
        self.slow = asyncio.Event()
        self.padded = False

    async def models(self, _request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": self.name, "owned_by": "vllm"}]})

    async def chat(self, request: web.Request) -> web.Response:
        prompt = (await request.json())["messages"][0]["content"]
        self.asked.append(prompt)
        known = {task.prompt: task for task in tasks()}
        if prompt in known and self.slow.is_set():
            try:
                await asyncio.sleep(120)
            except asyncio.CancelledError:
                self.aborted += 1
                raise
        text = answer_of(known[prompt]) if prompt in known and len(self.asked) % 2 else "no idea"
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        if text == "no idea" or not self.padded:
            return web.json_response({"model": self.name, "choices": [choice]})
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        for piece in ('{"pad": "', *["x" * 20_000] * 5, f'", "choices": [{json.dumps(choice)}]}}'):
            await answer.write(piece.encode())
            await asyncio.sleep(0.02)  # it comes in pieces, as from a runtime that computes
        return answer


@pytest.fixture
async def model(tapped: Tapped, request: pytest.FixtureRequest) -> AsyncIterator[Model]:
    # After a round a model rests, and the tap is the same for all tests: each has a model of its own.
    made, app = Model(request.node.name), web.Application()
    app.add_routes([web.get("/v1/models", made.models), web.post("/v1/chat/completions", made.chat)])
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    await asyncio.to_thread(set_value, tapped.stack, "tap.routes", json.dumps({"": f"http://127.0.0.1:{port}"}))
    await asyncio.to_thread(set_value, tapped.stack, "accuracy.probe.idle_s", 1.0)
    yield made
    await asyncio.to_thread(set_value, tapped.stack, "accuracy.probe.enabled", False)
    await runner.cleanup()


def scores(ear: Ear, model: Model) -> list[float]:
    return [value for batch in trend_of(ear, model.name) for value in batch.values if not math.isnan(value)]


async def test_an_idle_model_is_asked_scored_and_marked_and_gives_way_to_a_person(tapped: Tapped, model: Model) -> None:
    ear = Ear(tapped.stack.home, (topics.SAMPLES, topics.health("tap")))
    try:
        await asyncio.to_thread(ear.wait_for, bool, 30, "the tap to be heard")
        assert not model.asked  # off until it is switched on
        model.slow.set()
        await asyncio.to_thread(set_value, tapped.stack, "accuracy.probe.enabled", True)
        await until(lambda: len(model.asked) == 1, 60)
        body = {"model": model.name, "messages": [{"role": "user", "content": "a person asks"}]}
        async with tapped.http.post(f"{tapped.url}/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
        await until(lambda: model.aborted == 1, 60)
        assert not scores(ear, model)  # what was broken off is not scored
        model.slow.clear()
        await asyncio.to_thread(
            ear.wait_for, lambda _: {0.0, 1.0} <= set(scores(ear, model)), 60, "right and wrong answers"
        )

        async def marked() -> bool:
            asked = pb.ListRequestsRequest(after_us=tapped.since_us, limit=100)
            records = (await tapped.requests().ListRequests(asked, timeout=30)).requests
            clients = [record.client for record in records if record.model == model.name]
            return clients.count("") == 1 and clients.count("probe") >= 2

        await until(marked, 60)
        assert len(model.asked) <= ROUND + 1
    finally:
        await asyncio.to_thread(ear.close)


async def test_an_answer_that_is_too_long_is_not_scored_however_it_comes(tapped: Tapped, model: Model) -> None:
    ear = Ear(tapped.stack.home, (topics.SAMPLES, topics.health("tap")))
    try:
        await asyncio.to_thread(ear.wait_for, bool, 30, "the tap to be heard")
        model.padded = True  # the right ones
        await asyncio.to_thread(set_value, tapped.stack, "accuracy.probe.enabled", True)
        await asyncio.to_thread(ear.wait_for, lambda _: len(scores(ear, model)) >= 2, 60, "scores")
        assert scores(ear, model)[:2] == [0.0, 0.0]
    finally:
        await asyncio.to_thread(ear.close)


async def test_while_it_is_off_nothing_is_asked(tapped: Tapped, model: Model) -> None:
    body = {"model": model.name, "messages": [{"role": "user", "content": "a person asks"}]}
    headers = {"X-Wfmon-Probe": "guessed"}
    with contextlib.suppress(aiohttp.ClientError):
        async with tapped.http.post(f"{tapped.url}/v1/chat/completions", json=body, headers=headers) as answer:
            assert answer.status == 200
    record = await tapped.record()
    assert record.client != "probe"  # the header is known to the tap alone
    assert model.asked == ["a person asks"]
