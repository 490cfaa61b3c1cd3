"""What the tap asks for beside a client's wishes, and that the client gets the plain answer to the byte."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.tap.asking import Ask, Asking, Extra, Wants
from services.tap.dialects import generation
from services.tap.framing import framing_of
from services.tap.lines import LONGEST_LINE
from services.tap.plain import Form, Learner, Shape
from services.tap.stripping import Stripper
from tests.tap.conftest import Tapped, set_value
from tests.tap.obeying_shapes import OBEYING, stream
from tests.tap.runtime_shapes import MODEL

ALL = Wants(usage=True, top_k=4)
URL = "http://127.0.0.1:1"
WORDS = st.text(max_size=12) | st.sampled_from(['"logprobs": null', '\\"usage\\":', "data: {}\n\n", '"logprobs":{}}'])


def ask_for(name: str, body: dict[str, Any], asking: Asking, wants: Wants = ALL, now_s: float = 1.0) -> Ask | None:
    path = OBEYING[name][0]
    found = generation("POST", path)
    assert found is not None
    return asking.plan(wants, found.ending, URL, path, MODEL, json.dumps(body).encode(), now_s)


def learn(name: str, script: dict[str, Any], body: dict[str, Any]) -> tuple[Form, Shape]:
    form = Form.OLLAMA if name == "ollama" else Form.OPENAI
    framing = framing_of("application/x-ndjson" if name == "ollama" else "text/event-stream")
    assert framing is not None
    learner = Learner(form, framing)
    learner.feed(stream(name, script, body))
    shape = learner.shape()
    assert shape is not None
    return form, shape


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


@settings(deadline=None)
@given(
    name=st.sampled_from(sorted(OBEYING)),
    words=st.lists(WORDS.filter(bool), min_size=1, max_size=3),
    own=st.sampled_from(["nothing", "usage", "logprobs"]),
    usage=st.booleans(),
    top_k=st.integers(0, 20),
    cuts=st.lists(st.integers(0, 100_000), max_size=12),
)
def test_what_was_asked_for_beside_is_gone_to_the_byte(
    name: str, words: list[str], own: str, usage: bool, top_k: int, cuts: list[int]
) -> None:
    body: dict[str, Any] = {"model": MODEL, "stream": True}
    if own == "usage" and name != "ollama":
        body["stream_options"] = {"include_usage": True}
    if own == "logprobs":
        body |= {"logprobs": 3} if name == "legacy" else {"logprobs": True, "top_logprobs": 3}
    script = {"tokens": 4, "text": words[0]}
    asking, wants = Asking(), Wants(usage, top_k)
    first = ask_for(name, body, asking, wants)
    if first is None:
        return  # the client asks for all of it itself
    assert not first.body
    form, shape = learn(name, script, body)
    asking.learned(first.key, shape, 1.0)
    ask = ask_for(name, body, asking, wants)
    assert ask is not None
    assert ask.shape is not None
    for text in words:
        script = {"tokens": 4, "text": text}
        plain = stream(name, script, body)
        more = stream(name, script, json.loads(ask.body))
        assert more != plain
        stripper = Stripper(form, ask.extra, ask.shape)
        out = b"".join(stripper.feed(piece) for piece in pieces(more, cuts)) + stripper.end()
        assert out == plain
        assert stripper.left_in == 0


@settings(deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(0, 500), max_size=8))
def test_what_is_no_event_passes_as_it_is(data: bytes, cuts: list[int]) -> None:
    for form in Form:
        stripper = Stripper(form, Extra(usage=True, logprobs=True), Shape())
        assert b"".join(stripper.feed(piece) for piece in pieces(data, cuts)) + stripper.end() == data


def test_an_endless_event_passes_in_bounded_memory_and_the_next_is_read() -> None:
    stripper = Stripper(Form.OPENAI, Extra(usage=True), Shape())
    line = b"data: " + b"x" * (3 * LONGEST_LINE) + b"\n\n"
    counts = b'data: {"choices":[],"usage":{"total_tokens":1}}\n\n'
    out = b""
    for piece in pieces(line + counts, list(range(0, len(line), 65536))):
        out += stripper.feed(piece)
        assert len(stripper._waiting) <= LONGEST_LINE + 65536
    assert out + stripper.end() == line
    assert stripper.left_in == 1


def test_the_request_keeps_all_that_the_client_sent() -> None:
    asking = Asking()
    body = {"model": MODEL, "stream": True, "temperature": 0.10, "messages": [{"role": "user", "content": "ü\u2028"}]}
    first = ask_for("llama.cpp", body, asking)
    assert first is not None
    asking.learned(first.key, learn("llama.cpp", {}, body)[1], 1.0)
    ask = ask_for("llama.cpp", body, asking)
    assert ask is not None
    assert json.loads(ask.body) == {
        **body,
        "stream_options": {"include_usage": True},
        "logprobs": True,
        "top_logprobs": 4,
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"stream":true} x',
        b'{"stream":true,"a":"\xff"}',
        b'{"stream":true,"a":NaN}',
        b'{"stream":false}',
        b"{}",
        b'{"stream":"true"}',
    ],
)
def test_a_request_that_is_no_whole_stream_is_never_changed(body: bytes) -> None:
    asking = Asking()
    asking.plan(ALL, "/chat/completions", URL, "/v1/chat/completions", MODEL, b'{"stream":true}', 1.0)
    assert asking.plan(ALL, "/chat/completions", URL, "/v1/chat/completions", MODEL, body, 1.0) is None


def test_off_nothing_is_even_learned() -> None:
    assert ask_for("llama.cpp", {"stream": True}, Asking(), Wants()) is None


def test_who_refuses_all_is_asked_for_less_and_then_no_more() -> None:
    asking, body = Asking(), {"stream": True}
    first = ask_for("vllm", body, asking)
    assert first is not None
    asking.learned(first.key, learn("vllm", {}, body)[1], 1.0)
    asked = []
    while (ask := ask_for("vllm", body, asking)) is not None:
        asked.append(ask.extra)
        asking.refused(ask)
    assert asked == [Extra(True, True), Extra(usage=True), Extra(logprobs=True)]


def test_a_shape_is_learned_again_after_an_hour_or_when_the_runtime_was_gone() -> None:
    asking, body = Asking(), {"stream": True}
    first = ask_for("vllm", body, asking)
    assert first is not None
    shape = learn("vllm", {}, body)[1]
    asking.learned(first.key, shape, 1.0)
    assert (late := ask_for("vllm", body, asking, now_s=3700.0)) is not None
    assert not late.body
    asking.learned(first.key, shape, 3700.0)
    assert (known := ask_for("vllm", body, asking, now_s=3701.0)) is not None
    assert known.body
    asking.forget(URL)
    assert (again := ask_for("vllm", body, asking, now_s=3702.0)) is not None
    assert not again.body


def test_tools_and_runtimes_that_repeat_the_request_are_left_alone() -> None:
    asking, body = Asking(), {"stream": True, "tools": [{"type": "function"}]}
    first = ask_for("llama.cpp", body, asking)
    assert first is not None
    asking.learned(first.key, learn("llama.cpp", {}, body)[1], 1.0)
    ask = ask_for("llama.cpp", body, asking)
    assert ask is not None
    assert ask.extra == Extra(usage=True)
    asking.learned(first.key, Shape(echoes=True), 1.0)
    assert ask_for("llama.cpp", body, asking) is None


@pytest.fixture
async def asking_tap(tapped: Tapped) -> AsyncIterator[Tapped]:
    set_value(tapped.stack, "tap.ask_usage", True)
    set_value(tapped.stack, "tap.ask_logprobs", 4)
    yield tapped
    set_value(tapped.stack, "tap.ask_usage", False)
    set_value(tapped.stack, "tap.ask_logprobs", 0)


async def asked_of(tapped: Tapped) -> list[list[str]]:
    """The members of the requests that the runtime saw; the tap's own looks at it are none."""
    return [one["asked"] for one in (await tapped.seen())["seen"] if "asked" in one]


@pytest.mark.parametrize("name", sorted(OBEYING))
async def test_the_client_sees_the_plain_answer_and_the_record_has_counts_and_entropy(
    asking_tap: Tapped, name: str
) -> None:
    path = OBEYING[name][0]
    script = {"obeys": name, "tokens": 6, "gap_ms": 1, "text": f" {name} wört"}
    async with asking_tap.ask(path, direct=True, **script) as answer:
        direct, head = await answer.read(), dict(answer.headers)
    model = f"{MODEL}-{name}"

    async def through(**more: Any) -> tuple[bytes, dict[str, str], list[str]]:
        body = {"model": model, "stream": True}
        headers = {"X-Script": json.dumps({**script, **more})}
        async with asking_tap.http.post(asking_tap.url + path, json=body, headers=headers) as answer:
            got = await answer.read(), dict(answer.headers)
        record = await asking_tap.record()
        records.append(record)
        return *got, (await asked_of(asking_tap))[-1]

    records: list[Any] = []
    assert await through() == (direct, head, ["model", "stream"])  # a plain one, to learn from
    for cut in (0, 7):
        came, seen, asked = await through(cut=cut)
        assert came == direct
        assert seen == head
        assert "logprobs" in asked
        assert records[-1].token_source == "usage"
        assert records[-1].output_tokens == 6
        assert records[-1].HasField("entropy_mean_bits")
    assert not records[0].HasField("entropy_mean_bits")


async def test_a_runtime_that_refuses_is_asked_once_more_unchanged_and_remembered(asking_tap: Tapped) -> None:
    body = {"model": "refusing", "stream": True}
    script = {"obeys": "vllm", "refuses": ["logprobs"], "tokens": 2}

    async def ask(**more: Any) -> int:
        headers = {"X-Script": json.dumps({**script, **more})}
        async with asking_tap.http.post(url, json=body, headers=headers) as answer:
            await answer.read()
        await asking_tap.record()
        return answer.status

    url = asking_tap.url + "/v1/chat/completions"
    plain, counts = ["model", "stream"], ["model", "stream", "stream_options"]
    both = ["logprobs", "model", "stream", "stream_options", "top_logprobs"]
    assert await ask() == 200
    assert (await asked_of(asking_tap))[-1] == plain  # learned from
    assert await ask() == 200
    assert (await asked_of(asking_tap))[-2:] == [both, plain]  # refused, sent again
    assert await ask() == 200
    assert (await asked_of(asking_tap))[-1] == counts
    # What the client itself did wrong is told to it, and says nothing of the runtime.
    assert await ask(refuses=["model"]) == 400
    assert await ask() == 200
    assert (await asked_of(asking_tap))[-1] == counts
