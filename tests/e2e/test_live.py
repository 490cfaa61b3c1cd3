"""The page shows this machine: at once, moving with it, and counting its own frames."""

from __future__ import annotations

import os
import re
import time

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, api, busy
from tests.stack import Stack, wait_until

NUMBER = re.compile(r"\d")
TILES = ("cpu", "memory", "disk", "network")


def number(page: Page, panel: str) -> float:
    """The big number of a system panel; NaN while it is a dash."""
    text = page.locator(f"#panel-{panel} .tile b").inner_text().replace(",", "")
    return float(text) if NUMBER.search(text) else float("nan")


def test_values_are_live_within_three_seconds(open_page: Open) -> None:
    began_s = time.monotonic()
    page = open_page()
    for panel in TILES:
        expect(page.locator(f"#panel-{panel} .tile b")).to_have_text(NUMBER, timeout=3000)
    live_s = time.monotonic() - began_s
    print(f"\naddress entered to live numbers in all system panels: {live_s:.2f} s")
    assert live_s <= 3.0
    expect(page.locator("#connection-text")).to_contain_text("connected")
    expect(page.locator("#recording-text")).to_contain_text("recording: machine")
    expect(page.locator("#cost")).to_contain_text("% of a core", timeout=5000)
    expect(page.locator("#panel-processes tbody tr").first).to_be_visible(timeout=5000)


def test_cpu_rises_with_real_load(open_page: Open) -> None:
    page = open_page()
    expect(page.locator("#panel-cpu .tile b")).to_have_text(NUMBER)
    with busy("while True: pass", os.cpu_count() or 1):
        wait_until(lambda: number(page, "cpu") >= 90, 5, "CPU to show that all cores are busy")
        expect(page.locator("#panel-processes")).to_contain_text("python", timeout=5000)


def test_lines_move_while_nobody_touches_the_page(open_page: Open) -> None:
    page = open_page()
    expect(page.locator("#panel-cpu .tile b")).to_have_text(NUMBER)
    canvas = page.locator("#panel-cpu canvas")
    before = canvas.screenshot()
    wait_until(lambda: canvas.screenshot() != before, 3, "the line of CPU to move on")


def test_what_is_not_measured_is_said_in_words(open_page: Open, stack: Stack) -> None:
    page = open_page()
    expect(page.locator("#panel-cpu .tile b")).to_have_text(NUMBER)
    if api(stack, "series?metric=gpu.util_percent")["series"]:
        expect(page.locator("#panel-gpu .tile b")).to_have_text(NUMBER)
    else:
        expect(page.locator("#panel-no-gpu")).to_contain_text("No GPU read")
        expect(page.locator("#panel-no-gpu")).not_to_contain_text("0 %")


def test_page_reports_its_own_frames(open_page: Open, stack: Stack) -> None:
    page = open_page()
    expect(page.locator("#panel-frames")).to_contain_text("slots filled")

    def reported() -> bool:
        newest = api(stack, "series?class=ui")["series"]
        found = {one["key"]["metric"]: one["newest"] for one in newest if one["key"]["source"] == "ui:dashboard"}
        wanted = {
            "ui.fps",
            "ui.frame_time_ms",
            "ui.frame_interval_ms",
            "ui.dropped_frames",
            "ui.jank_ratio",
            "ui.visual_lag_ms",
        }
        return wanted <= {name for name, value in found.items() if value is not None}

    wait_until(reported, 10, "the page's own frames to arrive as series of ui:dashboard")


def test_server_sent_events_show_the_same(open_page: Open) -> None:
    page = open_page()
    page.evaluate("localStorage.setItem('wfmon.transport', 'sse')")
    page.reload()
    expect(page.locator("#connection-text")).to_contain_text("server-sent events", timeout=5000)
    for panel in TILES:
        expect(page.locator(f"#panel-{panel} .tile b")).to_have_text(NUMBER, timeout=5000)
    canvas = page.locator("#panel-cpu canvas")
    before = canvas.screenshot()
    wait_until(lambda: canvas.screenshot() != before, 3, "the line of CPU to move on")
