"""Keys of OpenAI's service that programs keep in files of their own: the shell's addresses would take them along.

Of a file only whether such a key is in it goes further.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from services.cli.clients.files import Unfit, read
from services.cli.clients.programs import aider_file, llm_folder
from services.cli.clients.texts import Value, json_values, yaml_values


def paid(home: Path, env: Mapping[str, str]) -> str:
    """Return which program keeps a key and asks wherever the shell's variables lead; empty for none that is known."""
    if any(map(_is_paid, json_values(_text(llm_folder(home, env) / "keys.json"), ("openai",), _stay)[1])):
        return "llm keeps a key of a service elsewhere"
    text = _text(aider_file(home))
    addressed = yaml_values(text, ("openai-api-base",), _stay)[1]
    if not addressed and any(map(_is_paid, yaml_values(text, ("openai-api-key",), _stay)[1])):
        return "aider keeps a key of a service elsewhere"
    return ""


def _is_paid(value: Value) -> bool:
    return value.was.startswith("sk-")


def _stay(_value: str) -> None:
    return None


def _text(path: Path) -> str:
    try:
        return (read(path)[1] or b"").decode(errors="replace")
    except Unfit:
        return ""
