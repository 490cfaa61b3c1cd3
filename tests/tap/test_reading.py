"""Dialects and framing without a socket: every shape gives its tokens and facts, however the bytes are cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tap.dialects import generation
from services.tap.facts import Facts, Kind, TokenGroup
from services.tap.framing import Events, framing_of
from services.tap.lines import Lines
from services.tap.reading import Reading
from tests.tap.runtime_shapes import SHAPES, WHOLE, Script, named, sse

PATHS = sorted(SHAPES)


def recorded(path: str, script: Script) -> bytes:
    """A whole stream as the runtime sends it."""
    make = SHAPES[path][0]
    tokens = [make(script, "token", index) for index in range(int(script.get("tokens", 5)))]
    return b"".join([make(script, "begin"), *tokens, make(script, "end")])


def read(path: str, content_type: str, pieces: list[bytes]) -> tuple[list[TokenGroup], Facts, int]:
    found = generation("POST", path)
    framing = framing_of(content_type)
    assert found is not None
    assert framing is not None
    reading = Reading(framing, found.dialect())
    groups = [group for piece in pieces for group in reading.feed(piece, 1.0)]
    return groups + reading.end(1.0), reading.facts, reading.left_out


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places})
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]


@pytest.mark.parametrize("path", PATHS)
def test_a_stream_gives_its_tokens_and_what_the_runtime_says(path: str) -> None:
    script = {"tokens": 7, "thinking": 2}
    groups, facts, left_out = read(path, SHAPES[path][1], [recorded(path, script)])
    thinking = 0 if path in ("/completion", "/v1/completions") else 2
    assert [group.kind for group in groups] == [Kind.THINKING] * thinking + [Kind.ANSWER] * (7 - thinking)
    assert left_out == 0
    assert facts.ended
    assert facts.model == "tiny-test-model"
    assert (facts.prompt_tokens, facts.output_tokens, facts.token_source) == (12, 7, "usage")
    if path == "/api/v1/chat":
        assert facts.finish_reason == ""  # it does not tell
    else:
        assert facts.finish_reason == ("length" if "completion" in path and "chat" not in path else "stop")


@pytest.mark.parametrize("path", PATHS)
@given(places=st.lists(st.integers(0, 10_000), max_size=40), end=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_cutting_gives_the_same_events(path: str, places: list[int], end: bytes) -> None:
    data = recorded(path, {"tokens": 3, "thinking": 1, "text": "\u2028 ß\u0085🙂"}).replace(b"\n", end)
    whole = read(path, SHAPES[path][1], [data])
    assert len(whole[0]) == 3
    assert read(path, SHAPES[path][1], cut(data, places)) == whole
    if len(places) > 30:
        assert read(path, SHAPES[path][1], [data[i : i + 1] for i in range(len(data))]) == whole


@given(data=st.binary(max_size=300), places=st.lists(st.integers(0, 300), max_size=12), longest=st.integers(1, 40))
def test_lines_are_those_of_splitlines_however_they_come(data: bytes, places: list[int], longest: int) -> None:
    lines = Lines(longest)
    found = [line for piece in cut(data, places) for line in lines.feed(piece)]
    found += lines.end()
    oracle = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    oracle = oracle[:-1] if not oracle[-1] else oracle
    assert found == [line for line in oracle if len(line) <= longest]
    assert lines.dropped == sum(len(line) > longest for line in oracle)


@pytest.mark.parametrize("path", PATHS)
@given(data=st.binary(max_size=400))
def test_no_bytes_of_a_runtime_raise(path: str, data: bytes) -> None:
    read(path, SHAPES[path][1], [data, b"\n\ndata: " + data + b"\n\n"])


@pytest.mark.parametrize("path", sorted(WHOLE))
def test_a_whole_answer_gives_its_counts(path: str) -> None:
    groups, facts, _ = read(path, "application/json", [json.dumps(WHOLE[path]).encode()])
    assert groups == []
    assert (facts.prompt_tokens, facts.output_tokens) == (12, 5)


def test_comments_roles_and_empty_deltas_are_no_tokens() -> None:
    stream = b": OPENROUTER PROCESSING\n\n" + sse(
        {"choices": [{"index": 0, "delta": {"role": "assistant"}}]},
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
        {"choices": [{"index": 0, "delta": {"content": None, "tool_calls": []}}]},
        {"choices": [{"index": 0, "delta": {"content": "x"}}]},
    )
    assert len(read("/v1/chat/completions", "text/event-stream", [stream])[0]) == 1


def test_logprobs_count_the_tokens_of_a_chunk_and_measure_them() -> None:
    top = [{"token": "a", "logprob": -0.1}, {"token": "b", "logprob": -2.5}]
    content = [{"token": "a", "logprob": -0.1, "top_logprobs": top}] * 3
    stream = sse({"choices": [{"index": 0, "delta": {"content": "aaa"}, "logprobs": {"content": content}}]})
    (group,), _, _ = read("/v1/chat/completions", "text/event-stream", [stream])
    assert group.tokens == 3
    assert group.certainty is not None
    assert group.certainty.low_bits <= group.certainty.bits <= group.certainty.high_bits


def test_a_growing_total_counts_the_tokens_of_each_chunk() -> None:
    """vLLM's continuous_usage_stats, with two tokens in one chunk."""
    chunks = [
        {
            "choices": [{"index": 0, "delta": {"content": "x"}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": total},
        }
        for total in (1, 3, 4)
    ]
    groups, facts, _ = read("/v1/chat/completions", "text/event-stream", [sse(*chunks)])
    assert [group.tokens for group in groups] == [1, 2, 1]
    assert facts.output_tokens == 4


@pytest.mark.parametrize("path", ["/api/v0/chat/completions", "/api/v0/completions"])
def test_lm_studios_stats_are_in_seconds(path: str) -> None:
    answer = {
        "choices": [{"index": 0, "text": "x", "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 9},
        "stats": {"tokens_per_second": 50.0, "time_to_first_token": 0.299, "generation_time": 0.18, "stop_reason": "x"},
    }
    _, facts, _ = read(path, "application/json", [json.dumps(answer).encode()])
    assert facts.prefill_ms == pytest.approx(299.0)
    assert facts.decode_ms == pytest.approx(20.0)
    assert (facts.decode_steps, facts.output_tokens) == (1, 9)


def test_lm_studio_tells_how_long_a_load_took_while_it_streams_and_at_the_end() -> None:
    path, script = "/api/v1/chat", {"tokens": 3}
    begun, ended = SHAPES[path][0](script, "begin"), SHAPES[path][0](script, "end")
    for stream in (begun, ended, begun + ended):  # a client may leave before the end
        assert read(path, "text/event-stream", [stream])[1].load_ms == pytest.approx(1250.0)
    _, facts, _ = read(path, "text/event-stream", [ended])
    assert (facts.prefill_ms, facts.decode_ms, facts.decode_steps) == (pytest.approx(300.0), pytest.approx(20.0), 1)
    _, facts, _ = read(path, "application/json", [json.dumps(WHOLE[path]).encode()])
    assert (facts.load_ms, facts.model) == (None, "tiny-test-model")


def test_lm_studios_tool_calls_are_arrivals_and_its_errors_are_kept_by_class() -> None:
    stream = (
        named("tool_call.start", tool="look_up")
        + named("tool_call.arguments", tool="look_up", arguments={"x": 1})
        + named("tool_call.success", tool="look_up", arguments={"x": 1}, output="secret")
        + named("error", error={"type": "mcp_connection_error", "message": "secret"})
    )
    groups, facts, _ = read("/api/v1/chat", "text/event-stream", [stream])
    assert [group.kind for group in groups] == [Kind.ANSWER]
    assert (facts.error, facts.finish_reason) == ("mcp_connection_error", "error")


@pytest.mark.parametrize("stats", [{}, {"tokens_per_second": 0}, [1], "words", {"tokens_per_second": "fast"}, None])
def test_stats_of_another_shape_say_nothing_and_hide_nothing(stats: object) -> None:
    answer = {"usage": {"prompt_tokens": 5, "completion_tokens": 9}, "stats": stats}
    _, facts, _ = read("/v1/chat/completions", "application/json", [json.dumps(answer).encode()])
    assert (facts.decode_ms, facts.prefill_ms, facts.output_tokens) == (None, None, 9)


def test_usage_wins_over_timings_and_cached_tokens_count_as_prompt() -> None:
    timings = {"cache_n": 100, "prompt_n": 20, "prompt_ms": 50, "predicted_n": 9, "predicted_ms": 80}
    _, facts, _ = read("/v1/chat/completions", "text/event-stream", [sse({"choices": [], "timings": timings})])
    assert (facts.prompt_tokens, facts.cached_tokens, facts.output_tokens) == (120, 100, 9)
    assert (facts.decode_ms, facts.decode_steps, facts.prefill_ms) == (80, 8, 50)
    usage = {"prompt_tokens": 120, "completion_tokens": 10}
    events = sse({"choices": [], "usage": usage}, {"choices": [], "timings": timings})
    assert read("/v1/chat/completions", "text/event-stream", [events])[1].output_tokens == 10


def test_an_error_is_kept_by_its_class_never_by_its_text() -> None:
    error = {"error": {"message": "secret prompt text", "type": "context_length_exceeded"}}
    _, facts, _ = read("/v1/chat/completions", "text/event-stream", [sse(error)])
    assert (facts.finish_reason, facts.error) == ("error", "context_length_exceeded")
    error["error"]["type"] = "secret prompt text"
    assert read("/v1/chat/completions", "text/event-stream", [sse(error)])[1].error == "runtime"


def test_an_overlong_event_is_left_out_and_the_next_is_read() -> None:
    good = sse({"choices": [{"index": 0, "delta": {"content": "x"}}]})
    pieces = [b"data: ", *[b"x" * 65536] * 40, b"\n\n", good]
    groups, _, left_out = read("/v1/chat/completions", "text/event-stream", pieces)
    assert (len(groups), left_out) == (1, 1)


def test_an_event_of_many_lines_is_one_message() -> None:
    events = Events()
    assert [m.data for m in events.feed(b"data: {\ndata: }\n\ndata\n\nid: 3\n\n:x\n\n")] == [b"{\n}"]
    assert [m.data for m in events.feed(b"data: 1")] + [m.data for m in events.end()] == [b"1"]


def test_what_is_no_generation_is_not_read() -> None:
    assert generation("GET", "/v1/chat/completions") is None
    assert generation("POST", "/v1/embeddings") is None
    assert generation("POST", "/api/pull") is None
    assert generation("POST", "/api/v0/chat/completions") is not None
    assert framing_of("text/html; charset=utf-8") is None
