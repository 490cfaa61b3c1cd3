"""Who watches a comparison hears its end, however slowly it takes what it is told."""

from __future__ import annotations

from typing import cast

from wfmonitor.v1.compare_service_pb2 import CompareRun

from services.tap.compare import Comparing
from services.tap.compare_client import CompareClient
from services.tap.compare_sources import Sources
from services.tap.compare_store import CompareStore
from services.tap.routes import RouteTable


async def test_what_ends_while_its_reader_is_busy_is_told_as_ended() -> None:
    nobody = cast(CompareClient, None), RouteTable(), cast(CompareStore, None), cast(Sources, None)
    comparing = Comparing(*nobody, lambda: False)
    comparing.run = CompareRun(id="one", state="running")
    told = []
    async for run in comparing.watch("one"):
        told.append(run.state)
        comparing.run.state, comparing.run.end_us = "done", 1
        comparing._changed.set()
    assert told == ["running", "done"]
