"""What breaks comes back by itself, and what nobody saw stays visible as a gap."""

from __future__ import annotations

from playwright.sync_api import expect

from bus.clock import wall_us
from tests.e2e import pixels
from tests.e2e.conftest import Open, Troubles
from tests.e2e.test_person import live
from tests.stack import Stack, wait_until

# What a browser itself writes to the console while a server is away.
AWAY = ("net::ERR_", "WebSocket connection to", "Failed to load resource", "EventSource")


def test_page_says_that_the_gateway_is_away_and_goes_on_with_it(
    open_page: Open, stack: Stack, troubles: Troubles
) -> None:
    troubles.expected = AWAY
    page = live(open_page())
    killed_us = wall_us()
    stack.kill("gateway")
    expect(page.locator("#connection-text")).to_contain_text("last seen")
    assert page.evaluate("document.body.classList.contains('lost')")
    stack.wait_ready("gateway", after_us=killed_us)
    expect(page.locator("#connection-text")).to_contain_text("connected,")
    canvas = page.locator("#panel-cpu canvas")
    before = canvas.screenshot()
    wait_until(lambda: canvas.screenshot() != before, 30, "the lines to go on")


def test_what_nobody_saw_is_hatched(open_page: Open, stack: Stack, troubles: Troubles) -> None:
    troubles.expected = AWAY
    page = live(open_page())
    wait_until(lambda: pixels.of_token(page, "#panel-memory canvas", "--plot") > 0, 30, "a line in the memory panel")

    def hatched() -> int:
        return pixels.of_token(page, "#panel-memory canvas", "--hatch", least_alpha=200)

    before = hatched()
    killed_us = wall_us()
    stack.kill("collector")
    stack.wait_ready("collector", after_us=killed_us)
    wait_until(lambda: hatched() > before, 30, "the hatch of the gap")
    expect(page.locator("#panel-happened")).to_contain_text("collector")


def test_page_goes_on_when_the_aggregator_is_new(open_page: Open, stack: Stack, troubles: Troubles) -> None:
    """Its tables get new numbers and a new epoch; the page's rows stay and go on."""
    troubles.expected = AWAY
    page = live(open_page())
    killed_us = wall_us()
    stack.kill("aggregator")
    stack.wait_ready("aggregator", after_us=killed_us)
    canvas = page.locator("#panel-cpu canvas")
    before = canvas.screenshot()
    wait_until(lambda: canvas.screenshot() != before, 30, "the lines to go on")
    expect(page.locator("#connection-text")).to_contain_text("connected")
