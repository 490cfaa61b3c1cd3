"""Which series share a message."""

from __future__ import annotations

import pytest

from bus.series import Series
from services.collector.assembly import table_of


@pytest.mark.parametrize(
    ("source", "table"),
    [
        ("system", "system"),
        ("gpu:1", "gpu:1"),
        ("process:#17", "process"),
        ("monitor:tap", "monitor"),
        ("storage", "monitor"),
    ],
)
def test_what_is_many_and_small_or_ours_travels_together(source: str, table: str) -> None:
    assert table_of(Series("any.metric", source)) == table
