"""What a page says of the detail it draws: logged once for all to see, and never in words of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.gateway.conftest import Page
from tests.waiting import until

FELL = {"before": 0, "after": 1, "missed_ratio": 0.125, "work_p95_ms": 21.5}


async def newest(page: Page, path: str, found: Callable[[Any], list[Any]]) -> Any:
    """The newest of what a read holds, once it holds some."""

    async def ask() -> list[Any]:
        return found(await page.read(path))

    return (await until(ask))[-1]


def mitigations(audit: Any) -> list[Any]:
    return [row["event"] for row in audit["rows"] if row["event"]["type"] == "mitigation.page_detail"]


async def test_a_lower_level_is_marked_on_the_charts_and_audited(page: Page) -> None:
    assert (await page.post("/api/v1/page/detail", FELL))[0] == 200
    row = await newest(page, "/api/v1/audit?limit=1000", mitigations)
    assert row["actor"] == "person:api"
    assert row["details"]["after"] == "T1"
    event = await newest(page, "/api/v1/events?kind=mitigation", lambda answer: list(answer["events"]))
    assert event["title"] == "the page draws less: detail T0 to T1"
    assert event["source"] == "ui:dashboard"
    assert event["attributes"]["missed"] == "12.5 % of slots"


async def test_what_is_no_step_is_refused_by_name(page: Page) -> None:
    for wrong in ({"after": 0}, {"after": 3}, {"missed_ratio": 2.0}, {"work_p95_ms": -1.0}, {"title": "words"}):
        status, answer = await page.post("/api/v1/page/detail", {**FELL, **wrong})
        assert status == 400, answer
