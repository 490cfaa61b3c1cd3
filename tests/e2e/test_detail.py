"""Where the page misses its frames it draws less, says so everywhere, and a person can forbid it (CONTRACTS §5)."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, api
from tests.e2e.test_energy import bars, generation, streams
from tests.stack import Stack, wait_until

# Work of 60 ms in each frame of the page, as a slow machine or a busy one has it.
_BURDEN = """() => {
    globalThis.burden = true;
    const work = () => {
        const until = performance.now() + 60;
        while (performance.now() < until);
        if (globalThis.burden) requestAnimationFrame(work);
    };
    requestAnimationFrame(work);
}"""


def told(stack: Stack) -> list[str]:
    """Titles of the mitigations on the charts."""
    return [event["title"] for event in api(stack, "events?kind=mitigation")["events"]]


def audited(stack: Stack) -> int:
    """Audit rows of mitigations."""
    rows = api(stack, "audit?limit=1000")["rows"]
    return sum(row["event"]["type"] == "mitigation.page_detail" for row in rows)


def level(page: Page) -> str:
    """The level as the strip at the foot says it."""
    return page.locator("#panel-frames").inner_text().partition("detail ")[2][:2]


@pytest.mark.long
def test_a_burdened_page_draws_less_and_says_so(open_page: Open, stack: Stack) -> None:
    page = open_page()
    before = audited(stack)
    with generation(stack, "e2e-burden"):
        wait_until(lambda: streams(page, "e2e-burden"), 30, "the lane of a model that answers")
        page.evaluate(_BURDEN)
        wait_until(lambda: level(page) == "T2" and bars(page), 30, "bars in place of motion where frames are missed")
        expect(page.locator(".energy-legend .detail")).to_contain_text("detail T2")
        page.evaluate("globalThis.burden = false")
        wait_until(lambda: any("T1 to T2" in title for title in told(stack)), 30, "the mitigation as an event")
        wait_until(lambda: audited(stack) > before, 30, "its audit row")
        page.get_by_role("button", name="Draw all").click()
        wait_until(lambda: not bars(page), 30, "all to be drawn where the person wants it")
    assert level(page) == "T0"
    page.reload()
    expect(page.locator("#rate")).to_have_value("0")
    page.evaluate(_BURDEN)
    seconds = [page.evaluate("performance.now()") / 1000]
    wait_until(lambda: page.evaluate("performance.now()") / 1000 - seconds[0] > 5, 60, "seconds of breach")
    page.evaluate("globalThis.burden = false")
    assert level(page) == "T0"
    page.locator("#rate").select_option("auto")
