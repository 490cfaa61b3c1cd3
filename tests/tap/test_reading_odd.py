"""What runtimes say beside their documents: counts that are none, numbers that are none, errors in other words."""

from __future__ import annotations

import json

import pytest

from services.tap.facts import Facts, TokenGroup
from tests.tap.runtime_shapes import sse
from tests.tap.test_reading import read

TOKEN = {"choices": [{"index": 0, "delta": {"content": "x"}}]}
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def said(*events: bytes) -> tuple[list[TokenGroup], Facts, int]:
    return read("/v1/chat/completions", "text/event-stream", list(events))


@pytest.mark.parametrize("first", [{"choices": []}, {"choices": [{"index": 0, "delta": {"role": "assistant"}}]}])
def test_a_count_that_tokens_follow_is_no_total(first: dict[str, object]) -> None:
    usage = {"usage": {"prompt_tokens": 3, "completion_tokens": 0}}
    groups, facts, _ = said(sse({**first, **usage}, TOKEN, TOKEN, END))
    assert (len(groups), facts.prompt_tokens, facts.output_tokens, facts.token_source) == (2, 3, None, "")
    usage["usage"]["completion_tokens"] = 2
    assert said(sse({**first, **usage}, TOKEN, TOKEN, END, {"choices": [], **usage}))[1].output_tokens == 2


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "Infinity"])
@pytest.mark.parametrize("gap", ["", " "])
def test_a_number_that_json_has_no_word_for_costs_itself_alone(number: str, gap: str) -> None:
    """Python writes it so where a candidate is ruled out."""
    text = f'-> "{number}", {number},'
    top = [{"token": "x", "logprob": -0.05}, {"token": "y", "logprob": "HERE"}]
    content = [{"token": "x", "logprob": -0.05, "top_logprobs": top}]
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "logprobs": {"content": content}}]}
    separators = (f",{gap}", f":{gap}")
    event = b"data: " + json.dumps(chunk, separators=separators).replace('"HERE"', number).encode() + b"\n\n"
    (group,), facts, left_out = said(event)
    assert (group.tokens, left_out) == (1, 0)
    assert group.certainty is not None
    assert said(event.replace(number.encode() + b"}", number.encode() + b"y}"))[2] == 1  # that is no number
    assert facts.error == ""


@pytest.mark.parametrize("nothing", ["[ ]", "[\n\n]", "{ }"])
def test_an_empty_list_is_no_token_however_it_is_printed(nothing: str) -> None:
    event = '{"choices": [{"index": 0, "delta": {"content": "", "tool_calls": NOTHING}}]}'.replace("NOTHING", nothing)
    data = b"".join(b"data: " + line.encode() + b"\n" for line in event.splitlines()) + b"\n"
    assert not said(data)[0]


ERRORS = {
    "vLLM, older": sse({"object": "error", "message": "secret", "type": "BadRequestError", "code": 400}),
    "llama.cpp, older": b'error: {"code": 500, "message": "secret", "type": "BadRequestError"}\n\n',
    "a named event": b'event: error\ndata: {"message": "secret", "type": "BadRequestError"}\n\n',
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_in_the_middle_is_one_in_whatever_words(case: str) -> None:
    groups, facts, left_out = said(sse(TOKEN), ERRORS[case], b"data: [DONE]\n\n")
    assert (len(groups), left_out) == (1, 0)
    assert (facts.finish_reason, facts.error) == ("error", "BadRequestError")
