"""The page's own connection is cut while all services live: what it missed is hatched until it is told."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e import pixels
from tests.e2e.cable import Cable
from tests.e2e.conftest import Open, Troubles, api
from tests.e2e.test_faults import AWAY
from tests.e2e.test_person import live
from tests.stack import Stack, wait_until

# How often the page took the line for found.
FOUND_AGAIN = """() => {
    globalThis.foundAgain = 0;
    new MutationObserver(() => { if (!document.body.classList.contains('lost')) foundAgain++; })
        .observe(document.body, {attributeFilter: ['class']});
}"""


@pytest.mark.long
def test_what_the_page_did_not_see_is_hatched_until_it_is_told(
    open_page: Open, stack: Stack, troubles: Troubles
) -> None:
    troubles.expected = AWAY
    with Cable(stack.home.ports.page) as cable:
        code = api(stack, "code", {})["code"]
        page = live(open_page(address=f"http://127.0.0.1:{cable.port}/#code={code}"))
        wait_until(
            lambda: pixels.of_token(page, "#panel-memory canvas", "--plot") > 0, 30, "a line in the memory panel"
        )

        def hatched() -> int:
            return pixels.of_token(page, "#panel-memory canvas", "--hatch", least_alpha=200)

        def newest_us() -> int:
            return int(api(stack, "series?metric=system.mem.percent")["series"][0]["newest_us"])

        page.context.route("**/api/v1/backfill*", lambda route: route.abort())
        before, began_us = hatched(), newest_us()
        cable.cut()
        expect(page.locator("#connection-text")).to_contain_text("last seen")
        assert page.evaluate("document.body.classList.contains('lost')")
        page.evaluate(FOUND_AGAIN)
        wait_until(lambda: newest_us() > began_us + 5_000_000, 30, "five seconds that the page does not see")
        assert page.evaluate("foundAgain") == 0, "while it is tried again it is lost all the same"
        cable.mend()
        expect(page.locator("#connection-text")).to_contain_text("connected")
        # 3 px a second, and a hatch is of 1 px lines some px apart.
        wait_until(lambda: hatched() > before + 50, 30, "the hatch of what it missed")
        widest = hatched()
        page.context.unroute("**/api/v1/backfill*")
        # The services saw those seconds: asked again, their own values take the place of the hatch.
        wait_until(lambda: hatched() < before + widest / 3, 30, "what the services saw meanwhile")
        canvas = page.locator("#panel-cpu canvas")
        drawn = canvas.screenshot()
        wait_until(lambda: canvas.screenshot() != drawn, 30, "the lines to go on")
