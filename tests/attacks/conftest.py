"""One running stack for all attacks: an attack that it does not survive fails the ones after it too."""

from collections.abc import Iterator

import pytest

from tests.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole stack, ready. Its folders' parent is open, so that only the home's own modes protect it."""
    made = Stack()
    made.home.root.parent.chmod(0o755)
    with made as running:
        yield running
