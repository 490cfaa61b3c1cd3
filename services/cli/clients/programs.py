"""The programs whose settings files are known, each a function from a file's text to its new text. Pure."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from services.cli.clients.address import OLLAMA_PORT, Tap
from services.cli.clients.texts import Value, env_values, json_beside, json_values, yaml_beside, yaml_values

Edit = Callable[[str, Tap], tuple[str, list[Value]]]


class Program(NamedTuple):
    """One settings file of one program."""

    name: str
    path: Path
    edit: Edit


def programs(home: Path, env: Mapping[str, str]) -> Iterator[Program]:
    """Yield every file that could be there for the user whose home this is."""
    mine = Path(env["CONTINUE_GLOBAL_DIR"]) if env.get("CONTINUE_GLOBAL_DIR") else home / ".continue"
    yield Program("Continue", mine / "config.yaml", _continue_yaml)
    yield Program("Continue", mine / "config.json", _continue_json)
    yield Program("llm", llm_folder(home, env) / "extra-openai-models.yaml", _llm)
    yield Program("aider", aider_file(home), _aider)
    for folder in ("open-webui", ".open-webui"):
        yield Program("Open WebUI", home / folder / ".env", _open_webui)


def aider_file(home: Path) -> Path:
    """Return aider's settings of a user."""
    return home / ".aider.conf.yml"


def llm_folder(home: Path, env: Mapping[str, str]) -> Path:
    """Return the folder of llm's settings and keys."""
    if env.get("LLM_USER_PATH"):
        return Path(env["LLM_USER_PATH"])
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "io.datasette.llm"
    return Path(env.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")) / "io.datasette.llm"


def _continue_yaml(text: str, tap: Tap) -> tuple[str, list[Value]]:
    text, found = yaml_values(text, ("apiBase",), tap.moved)
    if OLLAMA_PORT in tap.runtimes:  # without an address Continue asks Ollama at its usual port
        text, added = yaml_beside(text, "provider", "ollama", "apiBase", tap.at(OLLAMA_PORT))
        found += [Value("apiBase", "", tap.at(OLLAMA_PORT))] * added
    return text, found


def _continue_json(text: str, tap: Tap) -> tuple[str, list[Value]]:
    text, found = json_values(text, ("apiBase",), tap.moved)
    if OLLAMA_PORT in tap.runtimes:
        text, added = json_beside(text, "provider", "ollama", "apiBase", tap.at(OLLAMA_PORT))
        found += [Value("apiBase", "", tap.at(OLLAMA_PORT))] * added
    return text, found


def _llm(text: str, tap: Tap) -> tuple[str, list[Value]]:
    return yaml_values(text, ("api_base",), tap.moved)


def _aider(text: str, tap: Tap) -> tuple[str, list[Value]]:
    return yaml_values(text, ("openai-api-base",), tap.moved)


def _open_webui(text: str, tap: Tap) -> tuple[str, list[Value]]:
    one = ("OLLAMA_BASE_URL", "OLLAMA_API_BASE_URL", "OPENAI_API_BASE_URL")
    keys = (*one, "OLLAMA_BASE_URLS", "OPENAI_API_BASE_URLS")
    return env_values(text, keys, tap.moved)
