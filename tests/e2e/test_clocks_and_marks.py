"""The clock beside the browser's, and the marks of what happens: drawn at their times, read by keys and by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, Troubles, answers, api
from tests.e2e.test_faults import AWAY
from tests.e2e.test_person import address_of, live
from tests.faults.test_clock import ClockHouse
from tests.stack import wait_until

KINDS = {"restart", "setting_changed", "clock_step", "suspend"}
# Columns of a plot in which so many pixels have the colour of events: their dotted lines, and no label.
_LINES = """() => {
    const canvas = document.querySelector('#panel-focus canvas');
    const hex = getComputedStyle(document.documentElement).getPropertyValue('--event').trim();
    const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
    copy.drawImage(canvas, 0, 0);
    const {data, width, height} = copy.getImageData(0, 0, canvas.width, canvas.height);
    const found = [];
    for (let x = 0; x < width; x++) {
        let count = 0;
        for (let y = 0; y < height; y++) {
            const at = 4 * (y * width + x);
            if (wanted.every((value, part) => Math.abs(data[at + part] - value) < 3)) count++;
        }
        if (count > 20) found.push(x);
    }
    const left = document.querySelector('#panel-focus .u-over').getBoundingClientRect().left;
    return found.map((x) => x + canvas.getBoundingClientRect().left - left);
}"""


@pytest.fixture(scope="module")
def stack() -> Iterator[ClockHouse]:
    """Services whose wall clock can be set: the browser's is not."""
    with ClockHouse() as running:
        wait_until(lambda: all(answers(running, path) for path in ("health", "events", "settings")), 60, "the doors")
        yield running


@pytest.mark.long
def test_a_clock_that_is_off_is_said_and_one_that_is_right_is_not(open_page: Open, stack: ClockHouse) -> None:
    page = live(open_page())
    skew = page.locator("#skew")
    expect(skew).to_have_text("")
    page.locator("#cost").click()  # the services' view has it always
    expect(page.get_by_role("dialog", name="Services")).to_contain_text(re.compile(r"clock off by [−\d.]+\s"))
    page.keyboard.press("Escape")
    for offset_s, sign in ((0.040, "−"), (-0.040, "+")):
        stack.set_clock(offset_s)  # under the half second that is an event
        # Of eight pings the quickest is believed: its error is half its way, a few ms where the machine is busy.
        expect(skew).to_have_text(re.compile(rf"^clock {re.escape(sign)}(3[5-9]|4[0-5])(\.\d+)?\sms$"))
    stack.set_clock(0.0)
    expect(skew).to_have_text("")


def marks(stack: ClockHouse) -> list[dict[str, Any]]:
    """What happened, newest last, but for spikes, which have a mark of their own."""
    events = [one for one in api(stack, "events")["events"] if not one.get("spike") and one["kind"] != "inventory"]
    return sorted(events, key=lambda one: int(one["time_us"]))


def heard(stack: ClockHouse, kind: str, count: int) -> bool:
    return sum(one["kind"] == kind for one in marks(stack)) > count


@pytest.mark.long
def test_what_happens_to_a_machine_stands_on_its_charts(open_page: Open, stack: ClockHouse, troubles: Troubles) -> None:
    troubles.expected = AWAY
    page = live(open_page())
    deeds = {
        "restart": lambda: stack.kill("tap"),
        "setting_changed": lambda: api(stack, "settings", {"key": "targets.ttft_ms", "value": 1000}),
        "clock_step": lambda: stack.set_clock(3.0),
        "suspend": lambda: stack.set_clock(3.0, asleep_s=4.0),
    }
    sentence = page.locator("#panel-happened .sentence")
    for kind, deed in deeds.items():
        before = sum(one["kind"] == kind for one in marks(stack))
        deed()
        wait_until(partial(heard, stack, kind, before), 30, f"the event {kind}")
        title = [one["title"] for one in marks(stack) if one["kind"] == kind][-1]
        expect(page.locator("#panel-happened tbody")).to_contain_text(title)
    expect(page.locator("#skew")).to_contain_text(re.compile(r"−(6\.9|7)"))  # 3 s set and 4 s slept: the page knows
    read_by_keys(page, sentence, marks(stack))
    mine = [int(one["time_us"]) / 1e6 for one in marks(stack) if one["kind"] in KINDS]
    page.evaluate(f"history.replaceState(null, '', '#from={min(mine) - 5:.1f}&to={max(mine) + 5:.1f}')")
    page.reload()
    expect(page.locator("#panel-happened tbody")).to_contain_text(title)
    drawn_and_read_by_hand(page, marks(stack))


def read_by_keys(page: Page, sentence: Any, told: list[dict[str, Any]]) -> None:
    """Each is reached by `,` alone, and a sentence says it."""
    wanted = {one["title"] for one in told if one["kind"] in KINDS}
    said = set()
    for _ in range(len(told) + 20):  # spikes are stepped on too
        page.keyboard.press(",")
        said.add(sentence.inner_text())
    for title in wanted:
        assert any(title in one for one in said), f"{title!r} is not among {said}"
    page.get_by_role("button", name="Dismiss").click()


def places(page: Page, told: list[dict[str, Any]]) -> dict[str, tuple[float, str]]:
    """Where on the chart those stand that are drawn, by the range in the address: kind → (px from the left, title)."""
    box = page.locator("#panel-focus .u-over").bounding_box()
    found = re.search(r"from=([\d.]+)&to=([\d.]+)", address_of(page))
    assert box
    assert found
    from_s, to_s = map(float, found.groups())
    lines: list[float] = page.evaluate(_LINES)
    seen = {}
    for one in told:
        x = (int(one["time_us"]) / 1e6 - from_s) / (to_s - from_s) * box["width"]
        # Marks that would overlap are one, the first's.
        if one["kind"] in KINDS and any(x - 12 <= line <= x + 3 for line in lines):
            seen[one["kind"]] = (x, one["title"])
    return seen


def drawn_and_read_by_hand(page: Page, told: list[dict[str, Any]]) -> None:
    """A dotted line stands at the time of each; under the pointer it is said. Panels that come still move the chart."""
    wait_until(lambda: set(places(page, told)) == KINDS, 30, "a mark of each kind at its time")
    for kind in KINDS:

        def said(kind: str = kind) -> bool:
            x, title = places(page, told).get(kind, (0.0, kind))
            page.locator("#panel-focus .u-over").hover(position={"x": x, "y": 40})
            return title in page.locator("#tip").inner_text()

        wait_until(said, 30, f"{kind} under the pointer")
