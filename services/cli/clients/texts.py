"""Changes of single values in the text of a settings file; every other byte stays, comments and order too. Pure.

No YAML or JSON is written anew: whoever keeps such a file by hand finds it as it was, but for the address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import NamedTuple


class Value(NamedTuple):
    """A value that was found, and what it became; `now` empty: it stays."""

    key: str
    was: str
    now: str


_ONE, _BETWEEN = r"[^'\"#\s;]*", r"[ \t]*;[ \t]*"

Move = Callable[[str], str | None]


def yaml_values(text: str, keys: Collection[str], move: Move) -> tuple[str, list[Value]]:
    """Return the text with the plain scalars of `keys` moved, and all of those values."""
    found: list[Value] = []
    names = "|".join(re.escape(key) for key in keys)
    line = re.compile(
        rf"^([ \t]*(?:-[ \t]+)?(?:{names})[ \t]*:[ \t]+)(['\"]?)([^'\"#\s]+)\2(?=[ \t]*(?:#.*)?\r?$)", re.M
    )

    def change(match: re.Match[str]) -> str:
        return match[1] + match[2] + _take(match[1].strip(" \t-:"), match[3], move, found) + match[2]

    return line.sub(change, text), found


def json_values(text: str, keys: Collection[str], move: Move) -> tuple[str, list[Value]]:
    """Return the text with the strings of `keys` moved, at any depth, and all of those values."""
    found: list[Value] = []
    names = "|".join(re.escape(key) for key in keys)
    member = re.compile(rf'(?<!\\)"({names})"(\s*:\s*)"([^"\\]*)"')

    def change(match: re.Match[str]) -> str:
        return f'"{match[1]}"{match[2]}"{_take(match[1], match[3], move, found)}"'

    return member.sub(change, text), found


def env_values(text: str, keys: Collection[str], move: Move) -> tuple[str, list[Value]]:
    """Return the text of a .env file with the values of `keys` moved, and all of those values.

    A value may be several with `;` between them: each is moved for itself, and the others stay where they are.
    """
    found: list[Value] = []
    names = "|".join(re.escape(key) for key in keys)
    several = rf"{_ONE}(?:{_BETWEEN}{_ONE})*"
    line = re.compile(rf"^((?:export[ \t]+)?(?:{names})=)(['\"]?)({several})\2(?=[ \t]*(?:#.*)?\r?$)", re.M)

    def change(match: re.Match[str]) -> str:
        key = match[1].removeprefix("export").strip(" \t=")
        parts = re.split(f"({_BETWEEN})", match[3])
        parts[::2] = [_take(key, part, move, found) if part else part for part in parts[::2]]
        return match[1] + match[2] + "".join(parts) + match[2]

    return line.sub(change, text), found


def _take(key: str, value: str, move: Move, found: list[Value]) -> str:
    now = move(value)
    found.append(Value(key, value, now or ""))
    return now or value


def yaml_beside(text: str, key: str, value: str, missing: str, line: str) -> tuple[str, int]:
    """Put `missing: line` under each `key: value` whose block has no `missing`; return the text and how many."""
    lines = text.splitlines(keepends=True)
    head = re.compile(
        rf"^([ \t]*(?:-[ \t]+)?){re.escape(key)}[ \t]*:[ \t]+['\"]?{re.escape(value)}['\"]?[ \t]*(?:#.*)?$"
    )
    added: list[tuple[int, str]] = []
    for number, one in enumerate(lines):
        match = head.match(one.rstrip("\r\n"))
        if match is None:
            continue
        column = len(match[1])
        end = "\r\n" if one.endswith("\r\n") else "\n"
        if not any(_key_at(other, column) == missing for other in _block(lines, number, column)):
            added.append((number + 1, f"{' ' * column}{missing}: {line}{end}"))
    for number, one in reversed(added):
        if not lines[number - 1].endswith("\n"):
            lines[number - 1] += "\n"
        lines.insert(number, one)
    return "".join(lines), len(added)


def _block(lines: list[str], number: int, column: int) -> list[str]:
    """Return the lines of the mapping whose keys stand at `column`, around line `number`."""
    first = number
    while first > 0 and not _begins_item(lines[first], column) and _inside(lines[first - 1], column):
        first -= 1
    last = number + 1
    while last < len(lines) and _inside(lines[last], column) and not _begins_item(lines[last], column):
        last += 1
    return lines[first:last]


def _inside(line: str, column: int) -> bool:
    bare = line.lstrip(" -")
    return not bare.strip() or len(line) - len(bare) >= column


def _begins_item(line: str, column: int) -> bool:
    """Whether a list's item begins here whose keys stand at `column`."""
    return column >= 2 and line[:column].strip() == "-"


def _key_at(line: str, column: int) -> str:
    bare = line[column:] if line[:column].strip(" -") == "" else ""
    return bare.partition(":")[0].strip() if bare[:1].strip() else ""


def json_beside(text: str, key: str, value: str, missing: str, told: str) -> tuple[str, int]:
    """Put a member into each object that has `key: value` and no `missing`; return the text and how many."""
    added: list[tuple[int, str]] = []
    for match in re.finditer(rf'(?<!\\)"{re.escape(key)}"\s*:\s*"{re.escape(value)}"', text):
        start, end = _object(text, match.start())
        if end and not re.search(rf'(?<!\\)"{re.escape(missing)}"\s*:', text[start:end]):
            before = text[: match.start()]
            margin = before[before.rfind("\n") + 1 :]
            between = ",\n" + margin if "\n" in before and not margin.strip() else ", "
            added.append((match.end(), f"{between}{json.dumps(missing)}: {json.dumps(told)}"))
    for place, member in reversed(added):
        text = text[:place] + member + text[place:]
    return text, len(added)


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|[{}]', re.S)


def _object(text: str, place: int) -> tuple[int, int]:
    """Return where the object around `place` begins and ends; (0, 0) where the text is not whole."""
    opened: list[int] = []
    for match in _TOKEN.finditer(text):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}":
            if not opened:
                return 0, 0
            start = opened.pop()
            if start < place < match.start():
                return start, match.end()
    return 0, 0
