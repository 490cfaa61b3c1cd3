"""What a model is called by all who measure it."""

from __future__ import annotations

import pytest

from bus.model_names import LONGEST_NAME, plain_name


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("/home/me/models/a.gguf", "a.gguf"),
        ("C:\\models\\a.gguf", "a.gguf"),
        ("~/models/a/", "a"),
        ("./a.gguf", "a.gguf"),
        ("org/name:tag", "org/name:tag"),
        ("", "unnamed"),
    ],
)
def test_no_folder_becomes_a_name(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_a_name_is_bounded_and_moves_no_cursor() -> None:
    assert plain_name("m" * 1000) == "m" * LONGEST_NAME
    assert plain_name("a\x1b[2Jb\nc") == "a?[2Jb?c"
