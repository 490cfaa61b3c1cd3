"""The languages of model runtimes: each turns one event into token groups and facts. Pure, content-free.

Which one a request speaks is told by the end of its path; `generation` is the list of them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from services.tap.dialects.anthropic import Anthropic
from services.tap.dialects.dialect import Dialect
from services.tap.dialects.llamacpp import LlamaCpp
from services.tap.dialects.lmstudio import LmStudio
from services.tap.dialects.ollama import Ollama
from services.tap.dialects.openai import OpenAi
from services.tap.dialects.responses import Responses

__all__ = ["Dialect", "Generation", "generation"]


class Generation(NamedTuple):
    """An address at which a model generates."""

    ending: str
    dialect: Callable[[], Dialect]


# The longest ending that fits wins; before it may stand /v1, /api/v0, /openai or a route's prefix.
_GENERATIONS = (
    Generation("/chat/completions", OpenAi),
    Generation("/v1/completions", OpenAi),
    Generation("/api/v0/completions", OpenAi),
    Generation("/v1/responses", Responses),
    Generation("/v1/messages", Anthropic),
    Generation("/api/chat", Ollama),
    Generation("/api/generate", Ollama),
    Generation("/api/v1/chat", LmStudio),
    Generation("/completion", LlamaCpp),
    Generation("/completions", LlamaCpp),
    Generation("/infill", LlamaCpp),
)


def generation(method: str, path: str) -> Generation | None:
    """Return the generation that a POST to `path` asks for; None for everything else, which is passed through."""
    if method != "POST":
        return None
    path = path.rstrip("/")
    return next((one for one in _GENERATIONS if path.endswith(one.ending)), None)
