"""Forms that requests ask for, in every spelling, and answers that have them or not, however they are cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tap.structured import LONGEST_ANSWER, LONGEST_REQUEST, Form, Judge, form_of

SCHEMA = {"type": "object", "required": ["name", "age"], "properties": {"name": {}, "age": {}}}
WEATHER = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
CALLS = Form(tools={"weather": ("city",)})
WANTS_JSON = Form(json=True, type="object")


def asked(**fields: Any) -> Form | None:
    return form_of(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]} | fields).encode())


def judged(form: Form, *events: Any, finish: str = "stop") -> list[bool]:
    judge = Judge(form)
    for event in events:
        judge.hear(json.dumps(event).encode())
    judge.hear(b"[DONE]")
    return judge.verdicts(finish)


def chat(text: str, choice: int = 0) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": choice, "delta": {"content": text}}]}


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({"response_format": {"type": "json_object"}}, WANTS_JSON),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": SCHEMA}}},
         Form(json=True, type="object", required=("name", "age"))),
        ({"response_format": {"type": "json_object", "schema": SCHEMA}},
         Form(json=True, type="object", required=("name", "age"))),
        ({"format": "json"}, Form(json=True)),
        ({"format": SCHEMA}, Form(json=True, type="object", required=("name", "age"))),
        ({"json_schema": {"type": "array"}}, Form(json=True, type="array")),
        ({"text": {"format": {"type": "json_schema", "schema": SCHEMA}}},
         Form(json=True, type="object", required=("name", "age"))),
        ({"tools": [TOOL]}, CALLS),
        ({"tools": [TOOL], "tool_choice": "required"}, Form(tools={"weather": ("city",)}, must_call=True)),
        ({"tools": [{"name": "weather", "input_schema": WEATHER}], "tool_choice": {"type": "any"}},
         Form(tools={"weather": ("city",)}, must_call=True)),
        ({"tools": [TOOL], "tool_choice": "none"}, None),
        ({"response_format": {"type": "text"}}, None),
        ({"format": None, "tools": []}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_every_spelling_of_a_form_is_known(fields: dict[str, Any], form: Form | None) -> None:
    assert asked(**fields) == form


def test_what_cannot_be_read_asks_for_nothing() -> None:
    assert form_of(b'{"response_format": ') is None
    assert form_of(b'{"tools": {"not": "a list"}}') is None
    assert form_of(b'{"format": "json"}' + b" " * LONGEST_REQUEST) is None


@given(st.lists(st.integers(1, 4), min_size=1, max_size=20))
def test_pieces_of_any_size_are_one_answer(sizes: list[int]) -> None:
    text, events, at = '{"name": "ä", "age": 3}', [], 0
    for size in [*sizes, len(text)]:
        events.append(chat(text[at : at + size]))
        at += size
    assert judged(WANTS_JSON, *events) == [True]
    assert judged(WANTS_JSON, *events[:-1]) == [at - len(text) >= len(text)]


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"message": {"content": '{"a": 1}'}}]},
        {"choices": [{"text": '{"a": 1}'}]},
        {"model": "m", "message": {"role": "assistant", "content": '{"a": 1}'}, "done": True},
        {"model": "m", "response": '{"a": 1}', "done": True},
        {"content": '{"a": 1}', "stop": True},
        {"type": "message", "content": [{"type": "text", "text": '{"a": 1}'}]},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": '{"a": 1}'}},
        {"type": "response.output_text.delta", "delta": '{"a": 1}'},
        {"object": "response",
         "output": [{"type": "message", "content": [{"type": "output_text", "text": '{"a": 1}'}]}]},
    ],
)  # fmt: skip
def test_json_is_understood_in_every_language(event: dict[str, Any]) -> None:
    assert judged(WANTS_JSON, event) == [True]
    assert judged(Form(json=True, type="object", required=("b",)), event) == [False]


@pytest.mark.parametrize(
    "events",
    [
        [{"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "weather", "arguments": ""}}]}}]},
         {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"ci'}}]}}]},
         {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": 'ty": "Ulm"}'}}]}}]}],
        [{"choices": [{"message": {"content": None, "tool_calls": [
            {"id": "1", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}},
            {"id": "2", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}]}}]}],
        [{"message": {"content": "", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Ulm"}}}]}},
         {"message": {"tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Bonn"}}}]}}],
        [{"type": "content_block_start", "index": 1,
          "content_block": {"type": "tool_use", "name": "weather", "input": {}}},
         {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"city":'}},
         {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '"Ulm"}'}}],
        [{"type": "message", "content": [{"type": "tool_use", "name": "weather", "input": {"city": "Ulm"}}]}],
        [{"type": "response.output_item.added", "output_index": 0,
          "item": {"type": "function_call", "name": "weather"}},
         {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"city": "Ulm"}'}],
    ],
)  # fmt: skip
def test_calls_are_understood_in_every_language(events: list[dict[str, Any]]) -> None:
    assert judged(CALLS, *events, finish="tool") == [True]
    assert judged(Form(tools={"weather": ("country",)}), *events, finish="tool") == [False]
    assert judged(Form(tools={"other": ()}), *events, finish="tool") == [False]


@pytest.mark.parametrize("text", ["", "Sure! {}", "```json\n{}\n```", '{"a": 1', "[1]", '{"a": NaN}', "[" * 50_000])
def test_what_is_no_such_json_is_invalid(text: str) -> None:
    assert judged(WANTS_JSON, chat(text)) == [False]


def test_several_answers_are_judged_apart() -> None:
    assert judged(WANTS_JSON, chat("{}", 0), chat("no", 1), chat("{}", 2)) == [True, False, True]


def test_a_tool_that_was_not_called_is_judged_only_where_it_had_to_be() -> None:
    assert judged(CALLS, chat("It rains.")) == []
    assert judged(Form(tools={"weather": ()}, must_call=True), chat("It rains.")) == [False]


def test_what_was_cut_off_or_is_too_long_or_unknown_is_not_judged() -> None:
    assert judged(WANTS_JSON, chat('{"a"'), finish="length") == []
    assert judged(WANTS_JSON, chat("{}"), finish="error") == []
    assert judged(WANTS_JSON, chat(" " * 70_000), chat("{}")) == []
    assert judged(WANTS_JSON, {"choices": "none"}) == []
    judge = Judge(WANTS_JSON)
    for number in range(10_000):
        judge.hear(json.dumps(chat("x" * 100, number % 50)).encode())
        assert judge._held <= LONGEST_ANSWER + 200
    assert judge.verdicts("stop") == []
    assert not judge._text
