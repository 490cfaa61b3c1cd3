"""The tap opens its file beside its event loop: what takes long to open stops neither heartbeat nor SIGTERM."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from bus.home import Home
from services.tap.__main__ import tap
from services.tap.store import Store


class Opened(Exception):
    """The file is open."""


class Context:
    """As much of a service's as opening takes."""

    def __init__(self, home: Home) -> None:
        self.home = home

    @property
    def journals(self) -> dict[str, object]:
        raise Opened


@pytest.fixture(autouse=True)
def _switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


async def test_the_loop_goes_on_while_the_file_is_opened(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    Store(home.database("tap"), home.quarantine).close()
    with closing(sqlite3.connect(home.database("tap"), isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        opening = asyncio.ensure_future(tap(cast(Any, Context(home))).__aenter__())
        await asyncio.sleep(0)  # it has begun, and waits for the lock for 5 s
        other.close()
    with pytest.raises(Opened):
        await opening
