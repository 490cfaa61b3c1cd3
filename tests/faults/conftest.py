"""A stack of its own for each fault."""

from collections.abc import Iterator

import pytest

from tests.faults.house import House


@pytest.fixture
def house() -> Iterator[House]:
    with House() as running:
        yield running
