"""What an event of an answer says, in every language of runtimes: pieces of text, and of calls of tools.

Used only where an answer's form is to be judged (structured.py), which holds and forgets them. Pure.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

_NONE = Raw(b"null")


class Pieces(NamedTuple):
    """Text as (choice, text); calls as (choice, index, name, arguments in JSON), index -1: a whole call of its own."""

    text: list[tuple[int, str]]
    calls: list[tuple[int, int, str, str]]


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: Raw = _NONE


class _Call(Struct, gc=False):
    index: int | None = None
    function: _Function | None = None


class _Said(Struct, gc=False):
    content: Raw = _NONE
    tool_calls: list[_Call] | None = None


class _Choice(Struct, gc=False):
    index: int = 0
    text: str | None = None
    delta: _Said | None = None
    message: _Said | None = None


class _Block(Struct, gc=False):
    """A block of /v1/messages, an item of /v1/responses, a part of one."""

    type: str | None = None
    text: str | None = None
    name: str | None = None
    input: Raw = _NONE
    arguments: str | None = None
    partial_json: str | None = None
    content: Raw = _NONE


class _Event(Struct, gc=False):
    type: str | None = None
    index: int | None = None
    output_index: int = 0
    choices: list[_Choice] | None = None
    message: Raw = _NONE
    response: Raw = _NONE
    content: Raw = _NONE
    delta: Raw = _NONE
    content_block: _Block | None = None
    item: _Block | None = None
    output: list[_Block] | None = None


_decoder = msgspec.json.Decoder(_Event)
_said = msgspec.json.Decoder(_Said)
_block = msgspec.json.Decoder(_Block)
_blocks = msgspec.json.Decoder(list[_Block])


def pieces_of(event: bytes) -> Pieces:
    """The pieces of one event. Raises msgspec.DecodeError for what no runtime says."""
    told = _decoder.decode(event)
    found = Pieces([], [])
    if told.choices is not None:
        for choice in told.choices:
            _add_choice(found, choice)
    elif told.type is not None and told.type.startswith("response."):
        _add_response_event(found, told)
    elif told.output is not None:
        _add_items(found, told.output)
    elif told.type is not None:
        _add_message_event(found, told)
    else:
        _add_text(found, 0, told.response)  # /api/generate
        _add_text(found, 0, told.content)  # /completion
        if told.message != _NONE:  # /api/chat
            _add_said(found, 0, _said.decode(told.message))
    return found


def _add_choice(found: Pieces, choice: _Choice) -> None:
    if choice.text:
        found.text.append((choice.index, choice.text))
    for said in (choice.delta, choice.message):
        if said is not None:
            _add_said(found, choice.index, said)


def _add_said(found: Pieces, choice: int, said: _Said) -> None:
    _add_text(found, choice, said.content)
    for call in said.tool_calls or ():
        if call.function is not None:
            index = -1 if call.index is None else call.index  # only a stream of pieces says which it continues
            found.calls.append((choice, index, call.function.name or "", _arguments(call.function.arguments)))


def _add_text(found: Pieces, choice: int, raw: Raw) -> None:
    if bytes(raw).startswith(b'"') and (text := msgspec.json.decode(raw, type=str)):
        found.text.append((choice, text))


def _add_message_event(found: Pieces, told: _Event) -> None:
    """/v1/messages: blocks as they grow, or all of them."""
    index = told.index or 0
    if told.type == "content_block_start" and told.content_block is not None:
        if told.content_block.type == "tool_use":
            found.calls.append((0, index, told.content_block.name or "", ""))
    elif told.type == "content_block_delta" and told.delta != _NONE:
        delta = _block.decode(told.delta)
        if delta.partial_json is not None:
            found.calls.append((0, index, "", delta.partial_json))
        elif delta.text:
            found.text.append((0, delta.text))
    elif told.type == "message" and told.content != _NONE:
        _add_items(found, _blocks.decode(told.content))


def _add_response_event(found: Pieces, told: _Event) -> None:
    """/v1/responses, streamed: its pieces come first and then once more as a whole, which is passed over."""
    if told.type == "response.output_text.delta":
        _add_text(found, 0, told.delta)
    elif told.type == "response.output_item.added" and told.item is not None and told.item.type == "function_call":
        found.calls.append((0, told.output_index, told.item.name or "", ""))
    elif told.type == "response.function_call_arguments.delta":
        found.calls.append((0, told.output_index, "", msgspec.json.decode(told.delta, type=str)))


def _add_items(found: Pieces, items: list[_Block]) -> None:
    for index, item in enumerate(items):
        if item.type in ("text", "output_text") and item.text:
            found.text.append((0, item.text))
        elif item.type == "message" and item.content != _NONE:
            _add_items(found, _blocks.decode(item.content))
        elif item.type in ("tool_use", "function_call"):
            arguments: Any = item.arguments if item.arguments is not None else _arguments(item.input)
            found.calls.append((0, index, item.name or "", arguments))


def _arguments(raw: Raw) -> str:
    """Arguments as JSON: a text that holds it, or the object itself (Ollama)."""
    if raw == _NONE:
        return ""
    return msgspec.json.decode(raw, type=str) if bytes(raw).startswith(b'"') else bytes(raw).decode()
