"""Small tasks with known answers (probe_tasks.json, written for this), and whether an answer is right. Pure.

A task has one rule. `number`: the one number in the answer; `equals`: the text, whatever its case, quotes and last full
stop; `exactly`: the text as it stands; `lines`: the lines; `json`: the value. An answer is right or wrong, 1 or 0.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import Any

import msgspec

LONGEST_ANSWER = 4096
# Minus as it is set in type, and the dashes that stand for it.
_MINUS = str.maketrans("−–﹣－", "----", ",")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_AROUND = " \t\r\n\"'`.“”*"


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked, and the rule that the answer is held against."""

    id: str
    prompt: str
    number: float | None = None
    equals: str | None = None
    exactly: str | None = None
    lines: list[str] | None = None
    json: Any = None


@cache
def tasks() -> tuple[Task, ...]:
    """All tasks, in the order in which a model gets them; read once."""
    text = resources.files("services.tap").joinpath("probe_tasks.json").read_bytes()
    return tuple(msgspec.json.decode(text, type=list[Task]))


def is_right(task: Task, answer: str) -> bool:
    """Whether an answer is the known one. An answer over 4 KiB is wrong: none of these needs 100 bytes."""
    if len(answer) > LONGEST_ANSWER:
        return False
    if task.number is not None:
        found = _NUMBER.findall(answer.translate(_MINUS))
        return len(found) == 1 and float(found[0]) == task.number
    if task.equals is not None:
        return _plain(answer) == _plain(task.equals)
    if task.exactly is not None:
        return answer.strip(_AROUND) == task.exactly
    if task.lines is not None:
        return [line.strip() for line in answer.strip().splitlines()] == task.lines
    try:
        return bool(json.loads(answer) == task.json)
    except (ValueError, RecursionError):
        return False


def _plain(text: str) -> str:
    return " ".join(text.strip(_AROUND).casefold().split())
