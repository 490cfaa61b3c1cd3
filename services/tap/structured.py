"""Did an answer have the form that was asked for, JSON or a call of a tool? Valid or invalid leaves here, no text.

Only where the request asked for a form, and only up to 64 KiB of an answer: beyond that, and where the answer was cut
off, nothing is judged. Pure; what was said is held until the answer ends, then it is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw, Struct

from bus.unreadable import UNREADABLE
from services.tap.said import Pieces, pieces_of

# Longer requests are passed on unlooked at: a millisecond of reading is the most a form is worth.
LONGEST_REQUEST = 1 << 20
LONGEST_ANSWER = 64 << 10
MOST_CHOICES = 16
# A body without one of these asks for no form; looking for them costs 10 µs for 100 KiB.
_HINTS = (b'"response_format"', b'"format"', b'"tools"', b'"json_schema"')
# Why an answer ended, where it ended of itself (Facts.finish_reason); "" is a runtime that does not say.
_WHOLE = frozenset({"", "stop", "tool"})
_NONE = Raw(b"null")
Keys = tuple[str, ...]


class _Schema(Struct, gc=False):
    type: Raw = _NONE
    required: list[str] = []


class _Named(Struct, gc=False):
    type: str | None = None
    schema: Raw = _NONE
    json_schema: Raw = _NONE


class _Function(Struct, gc=False):
    name: str = ""
    parameters: Raw = _NONE
    input_schema: Raw = _NONE
    function: Raw = _NONE


class _Text(Struct, gc=False):
    format: Raw = _NONE


class _Asked(Struct, gc=False):
    response_format: Raw = _NONE
    format: Raw = _NONE
    json_schema: Raw = _NONE
    text: Raw = _NONE
    tools: Raw = _NONE
    tool_choice: Raw = _NONE


@dataclass(frozen=True, slots=True)
class Form:
    """What was asked for. Names of keys and tools are compared, and go nowhere."""

    json: bool = False
    """The answer is to be JSON."""
    type: str = ""
    """"object" or "array" where the JSON is to be one; "" for any."""
    required: Keys = ()
    """Keys that it must have at the top."""
    tools: Mapping[str, Keys] = field(default_factory=dict)
    """Tools that may be called → keys that their arguments must have at the top."""
    must_call: bool = False
    """An answer without a call is none."""


def form_of(body: bytes) -> Form | None:
    """The form that a request asks for; None where it asks for none, or cannot be read."""
    if len(body) > LONGEST_REQUEST or not any(hint in body for hint in _HINTS):
        return None
    try:
        return _form(msgspec.json.decode(body, type=_Asked))
    except UNREADABLE:
        return None


def _form(asked: _Asked) -> Form | None:
    tools: dict[str, Keys] = {}
    if asked.tools != _NONE:
        for tool in msgspec.json.decode(asked.tools, type=list[_Function]):
            one = msgspec.json.decode(tool.function, type=_Function) if tool.function != _NONE else tool
            if one.name:
                schema = one.parameters if one.parameters != _NONE else one.input_schema
                tools[one.name] = _required(schema)[1]
    must_call, may_call = _choice(asked.tool_choice)
    if not may_call:
        tools = {}
    json = _json(asked)
    if json is None and not tools:
        return None
    type_, required = json or ("", ())
    return Form(json is not None, type_, required, tools, must_call and bool(tools))


def _json(asked: _Asked) -> tuple[str, Keys] | None:
    """(type, required keys) of the JSON that is asked for; None: none is."""
    if asked.text != _NONE and bytes(asked.text).startswith(b"{"):  # /v1/responses
        return _format(msgspec.json.decode(asked.text, type=_Text).format)
    if asked.response_format != _NONE:
        return _format(asked.response_format)
    if asked.json_schema != _NONE:  # llama-server's /completion
        return _required(asked.json_schema)
    if asked.format == Raw(b'"json"'):  # Ollama
        return "", ()
    if bytes(asked.format).startswith(b"{"):
        return _required(asked.format)
    return None


def _format(raw: Raw) -> tuple[str, Keys] | None:
    if raw == _NONE:
        return None
    told = msgspec.json.decode(raw, type=_Named)
    if told.type == "json_object":
        return ("object", _required(told.schema)[1]) if told.schema != _NONE else ("object", ())
    if told.type != "json_schema":
        return None
    schema = told.schema
    if told.json_schema != _NONE:
        schema = msgspec.json.decode(told.json_schema, type=_Named).schema
    return _required(schema)


def _required(schema: Raw) -> tuple[str, Keys]:
    """(type, required keys) at the top of a JSON Schema; ("", ()) where it asks for neither."""
    if not bytes(schema).startswith(b"{"):
        return "", ()
    told = msgspec.json.decode(schema, type=_Schema)
    type_ = {b'"object"': "object", b'"array"': "array"}.get(bytes(told.type), "")
    return type_, tuple(told.required)


def _choice(raw: Raw) -> tuple[bool, bool]:
    """(a tool must be called, one may be called)."""
    if raw == _NONE:
        return False, True
    choice = msgspec.json.decode(raw)
    word = choice.get("type", "") if isinstance(choice, dict) else choice
    return word in ("required", "any", "tool", "function"), word != "none"


class Judge:
    """Hears the events of one answer; `verdicts` at its end."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._text: dict[int, list[str]] = {}
        self._calls: dict[tuple[int, int], tuple[list[str], list[str]]] = {}
        self._held = 0
        self._given_up = False

    def hear(self, event: bytes) -> None:
        """One event of the answer, as it came."""
        if self._given_up or event == b"[DONE]":
            return
        try:
            self._keep(pieces_of(event))
        except UNREADABLE:
            self._give_up()

    def _keep(self, pieces: Pieces) -> None:
        for choice, text in pieces.text:
            self._text.setdefault(choice, []).append(text)
            self._held += len(text) + 1
        for choice, told, name, arguments in pieces.calls:
            index = told if told >= 0 else len(self._calls)
            names, parts = self._calls.setdefault((choice, index), ([], []))
            names.append(name)
            parts.append(arguments)
            self._held += len(name) + len(arguments) + 1
        choices = {*self._text, *(choice for choice, _ in self._calls)}
        if self._held > LONGEST_ANSWER or len(choices) > MOST_CHOICES:
            self._give_up()

    def _give_up(self) -> None:
        self._given_up = True
        self._text.clear()
        self._calls.clear()

    def verdicts(self, finish_reason: str) -> list[bool]:
        """Whether each answer had the form (several with `n` > 1); empty where nothing can be judged."""
        if self._given_up or finish_reason not in _WHOLE:
            return []
        choices = sorted({*self._text, *(choice for choice, _ in self._calls)} or {0})
        found = [self._verdict(choice) for choice in choices]
        self._give_up()
        return [verdict for verdict in found if verdict is not None]

    def _verdict(self, choice: int) -> bool | None:
        form = self._form
        calls = [call for (of, _), call in self._calls.items() if of == choice]
        if calls and form.tools:
            return all(_right_call(form.tools, "".join(names), "".join(parts)) for names, parts in calls)
        if form.must_call:
            return False
        if form.json and not calls:
            return _right_json("".join(self._text.get(choice, ())), form.type, form.required)
        return None  # a tool might have been called, and was not


def _right_call(tools: Mapping[str, Keys], name: str, arguments: str) -> bool:
    return name in tools and _right_json(arguments or "{}", "object", tools[name])


def _right_json(text: str, type_: str, required: Keys) -> bool:
    try:
        value: Any = msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except UNREADABLE:
        return False
    if required or type_ == "object":
        return isinstance(value, dict) and all(key in value for key in required)
    return isinstance(value, list) if type_ == "array" else True
