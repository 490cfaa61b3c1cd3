"""Display slots by the browser's own trace, not by the page's count (DASHBOARD "Counting frames").

The compositor reports every frame it was asked for (`PipelineReporter`), with its number on the display's grid and what
became of it. A page whose animation loop runs wants each of them, so a slot is

- filled, when its frame was presented, or when nothing in it had changed,
- dropped, when its frame was dropped and a person could have seen it (`affects_smoothness`), or when it was never begun
  because an earlier one was still in work (a number missing from the row).

`DISPLAYED` events give the longest time without a new picture.

A page is measured with its foot on the display. Headless Chromium takes the size that it is asked for as the window's,
and lays its bar of 87 px over the page: 1600×900 showed 813 rows. A picture that changes only what lies below is then
given up by the display ("Draw skipped") and reported as dropped: with the words at the foot, 10 of 10 drops in 8 s.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from playwright.sync_api import Browser, Page

# A list of categories that are off by default leaves all others on: 4 MB a second in place of 0.2, and writing it takes
# slots from the page that is measured.
_NO_OTHERS = "-*"
CATEGORIES = [_NO_OTHERS, "disabled-by-default-devtools.timeline.frame", "disabled-by-default-display.framedisplayed"]
# What each thread works at, task by task, with the CPU time of each.
TASKS = [_NO_OTHERS, "toplevel"]
# More than the browser's own bar takes of a window.
_ROOM_PX = 200
_TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
_DISPLAYED = "Display::FrameDisplayed"
_TASK, _MAIN_THREAD = "ThreadControllerImpl::RunTask", "CrRendererMain"


@dataclass(frozen=True, slots=True)
class Slots:
    """What became of the display's slots in a recorded time."""

    total: int
    dropped: int
    displayed: int
    """pictures that reached the display; fewer than slots, since a picture without a change is not drawn"""
    longest_gap_ms: float
    """between two pictures; a page with something to show each 100 ms stays near that"""

    @property
    def filled_ratio(self) -> float:
        """Share of slots filled, 0 to 1."""
        return 1 - self.dropped / self.total if self.total else float("nan")

    def __str__(self) -> str:
        return (
            f"{100 * self.filled_ratio:.2f} % of {self.total} slots filled, {self.dropped} dropped, "
            f"{self.displayed} pictures, longest gap {self.longest_gap_ms:.0f} ms"
        )


def read(trace: bytes) -> Slots:
    """Slots of the renderer that reported the most frames: the page under test."""
    events: list[dict[str, Any]] = json.loads(trace)["traceEvents"]
    frames: dict[int, dict[int, bool]] = {}
    shown_us = sorted(event["ts"] for event in events if event["name"] == _DISPLAYED)
    for event in events:
        if event["name"] != "PipelineReporter" or event["ph"] != "b":
            continue
        args = event.get("args", {})
        said = args.get("frame_reporter") or args.get("chrome_frame_reporter")
        if not said:
            continue
        lost = said["state"] == "STATE_DROPPED" and bool(said["affects_smoothness"])
        row = frames.setdefault(event["pid"], {})
        row[said["frame_sequence"]] = row.get(said["frame_sequence"], False) or lost
    if not frames:
        raise ValueError("the trace holds no PipelineReporter: was it recorded with CATEGORIES?")
    row = max(frames.values(), key=len)
    total = max(row) - min(row) + 1
    never_begun = total - len(row)
    gaps_ms = [(after - before) / 1000 for before, after in pairwise(shown_us)]
    return Slots(total, sum(row.values()) + never_begun, len(shown_us), max(gaps_ms, default=float("nan")))


def show_whole(page: Page) -> None:
    """Makes the window so large that all of the page's viewport is on the display; the viewport keeps its size."""
    size = page.viewport_size
    assert size, "a page without a viewport of its own has the window's"
    session = page.context.new_cdp_session(page)
    window = session.send("Browser.getWindowForTarget")["windowId"]
    bounds = {"width": size["width"] + _ROOM_PX, "height": size["height"] + _ROOM_PX}
    session.send("Browser.setWindowBounds", {"windowId": window, "bounds": bounds})
    session.detach()
    page.evaluate(_TWO_FRAMES)


def record(browser: Browser, page: Page, seconds: float) -> Slots:
    """Traces the page for so long and counts. The time is the measurement, not a wait for something."""
    show_whole(page)
    browser.start_tracing(page=page, categories=CATEGORIES)
    page.wait_for_timeout(seconds * 1000)
    return read(browser.stop_tracing())


@dataclass(frozen=True, slots=True)
class Tasks:
    """What a page asked of its main thread, by the thread's CPU time.

    Not by the clock: while the machine runs another program the thread stands still, and the page cannot help it.
    """

    longest_ms: float
    """of one task; NaN where there was none"""
    busy_ratio: float
    """of all tasks over the recorded time, 0 to 1"""


def read_tasks(trace: bytes, seconds: float) -> Tasks:
    """Tasks of the busiest page of a trace that was recorded with TASKS."""
    events: list[dict[str, Any]] = json.loads(trace)["traceEvents"]
    cpu_us: dict[tuple[int, int], list[int]] = {
        (event["pid"], event["tid"]): []
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == _MAIN_THREAD
    }
    for event in events:
        if event["name"] == _TASK and event["ph"] == "X" and (event["pid"], event["tid"]) in cpu_us:
            cpu_us[event["pid"], event["tid"]].append(event.get("tdur", 0))
    busiest = max(cpu_us.values(), key=sum, default=[])
    return Tasks(max(busiest, default=float("nan")) / 1000, sum(busiest) / (1e6 * seconds))


def record_tasks(browser: Browser, page: Page, seconds: float) -> Tasks:
    """Traces the page for so long. Apart from `record`, which a larger trace would disturb."""
    show_whole(page)
    browser.start_tracing(page=page, categories=TASKS)
    page.wait_for_timeout(seconds * 1000)
    return read_tasks(browser.stop_tracing(), seconds)
