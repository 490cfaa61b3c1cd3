"""The question of every person at a monitor: what caused that?"""

from __future__ import annotations

import re
import time

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, busy
from tests.e2e.test_person import live
from tests.stack import Stack, wait_until

# A collector learns what is usual for 30 s before it calls anything unusual (services/collector/spikes/usual.py).
WARM_UP_S = 35
# 2 % of the machine's memory is a change; this holds a tenth, touched so that it is real.
HOLD = """
import os, time
pages = os.sysconf("SC_PHYS_PAGES") // 10
block = bytearray(pages * os.sysconf("SC_PAGE_SIZE"))
for at in range(0, len(block), 4096): block[at] = 1
time.sleep(30)
"""


def find_mark(page: Page) -> None:
    """Moves the pointer over the newest seconds of the memory panel until the tip shows."""
    box = page.locator("#panel-memory .u-over").bounding_box()
    assert box
    tip = page.locator("#tip")

    def over() -> bool:
        for part in range(20):
            page.mouse.move(box["x"] + box["width"] * (1 - part / 40), box["y"] + 20)
            if tip.is_visible() and "Memory" in tip.inner_text():
                return True
        return False

    wait_until(over, 30, "a mark under the pointer")


def test_pointing_at_a_spike_shows_who_was_running(open_page: Open, stack: Stack) -> None:
    page = live(open_page())
    health = stack.healths("collector")[-1]
    wait_until(
        lambda: time.time() - health.started_us / 1e6 > WARM_UP_S, WARM_UP_S + 5, "the collector to know what is usual"
    )
    with busy(HOLD, 1):
        row = page.locator("#panel-happened tr", has_text="Memory").first
        expect(row).to_be_visible()
        find_mark(page)
        tip = page.locator("#tip")
        expect(tip).to_contain_text(re.compile(r"Memory rose to"))
        expect(tip).to_contain_text("python")
        # The process panel shows that moment and keeps it until it is dismissed.
        expect(page.locator("#panel-processes th.warn")).to_have_text(re.compile(r"▲ at \d\d:\d\d:\d\d"))
        page.mouse.move(5, 5)
        expect(page.locator("#panel-processes th.warn")).to_be_visible()
        expect(page.locator("#panel-happened .sentence")).to_contain_text("python")
        page.keyboard.press("Escape")
        expect(page.locator("#panel-processes th.warn")).to_be_hidden()
        # The same by keyboard.
        page.keyboard.press(",")
        expect(page.locator("#panel-happened tr.chosen")).to_be_visible()
