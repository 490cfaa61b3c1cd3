"""What a model is called, alike by all who measure it: the tap, the samplers of runtimes, programs themselves."""

from __future__ import annotations

LONGEST_NAME = 200
UNNAMED = "unnamed"


def plain_name(name: str) -> str:
    """A model as its runtime calls it; of a path only the last part, for folders are nobody's business.

    >>> plain_name("/home/me/models/llama-3-8b-q4.gguf"), plain_name("qwen/qwen3-8b")
    ('llama-3-8b-q4.gguf', 'qwen/qwen3-8b')
    """
    if name.startswith(("/", "~", "./", "../", "\\\\")) or name[1:3] in (":\\", ":/"):
        name = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return "".join(letter if letter.isprintable() else "?" for letter in name[:LONGEST_NAME]) or UNNAMED


def untagged(name: str) -> str:
    """A model's name without `:latest`, which Ollama leaves out."""
    return name.removesuffix(":latest")


def same_model(one: str, other: str) -> bool:
    """Whether two names mean the same model."""
    return untagged(one) == untagged(other)
