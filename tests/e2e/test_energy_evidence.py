"""What a mark of the energy band stands on, by pointer and by finger; ripples of two models; what is said aloud."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open
from tests.e2e.pixels import of_token
from tests.e2e.test_energy import Probe, bars, full_detail, generation, lane, streams
from tests.stack import Stack, wait_until

CANVAS = "#panel-energy canvas"
Rate = Callable[[float], float]
"""Tokens a second at a moment of the monotonic clock; 0 while none come."""


@contextmanager
def paced(stack: Stack, model: str, rate: Rate) -> Iterator[None]:
    """Tokens at a rate that changes, until the block ends."""
    probe = Probe(home=stack.home.root)
    over = threading.Event()

    def answer() -> None:
        due = 0.0
        last_s = time.monotonic()
        with probe.generation(model, runtime="transformers") as told:
            while not over.wait(0.005):
                now_s = time.monotonic()
                due += rate(now_s) * (now_s - last_s)
                last_s = now_s
                while due >= 1:
                    told.token()
                    due -= 1
            told.finish("stop")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        probe.close(2.0)


def place(page: Page, model: str, from_right: float, below: float = 0.0) -> tuple[float, float]:
    """A point of the screen: so many px left of now, and below the middle of a model's lane."""
    row = page.locator("#panel-energy .lanes li").filter(has_text=model)
    middle = float(row.evaluate("(row) => parseFloat(row.style.top)"))
    box = page.locator(CANVAS).bounding_box()
    assert box
    return box["x"] + box["width"] - from_right, box["y"] + middle + below


def point_at(page: Page, x: float, y: float, *, by_finger: bool) -> None:
    if by_finger:
        page.touchscreen.tap(x, y)
    else:
        page.mouse.move(x, y - 1)
        page.mouse.move(x, y)


def tells(page: Page, said: str, where: Callable[[], tuple[float, float]], *, by_finger: bool = False) -> None:
    """Until the tip says it of a place; tokens and lanes move on while they are pointed at."""
    tip = page.locator(".energy-tip")

    def found() -> bool:
        point_at(page, *where(), by_finger=by_finger)
        page.wait_for_timeout(150)
        words = tip.inner_text() if tip.is_visible() else ""
        return re.search(said, words) is not None

    wait_until(found, 20, f"evidence that says {said!r}")


@pytest.mark.parametrize("by_finger", [False, True], ids=["pointer", "finger"])
def test_a_token_a_stall_and_an_empty_place_tell_what_they_are(
    open_page: Open, stack: Stack, *, by_finger: bool
) -> None:
    page = full_detail(open_page(has_touch=by_finger))
    says = partial(tells, page, by_finger=by_finger)
    model = "e2e-touched" if by_finger else "e2e-hovered"
    flows = threading.Event()
    flows.set()
    with paced(stack, model, lambda _: 20.0 if flows.is_set() else 0.0):
        wait_until(lambda: streams(page, model), 30, "the lane of a model that answers")
        says(
            rf"one token, [\d.]+\sm?s old[^$]*gap \d+\sms, E [01]\.\d\d by[^$]*model:{model}\]",
            partial(place, page, model, 60),
        )
        badge = page.locator("#panel-energy .lanes li").filter(has_text=model).locator(".lane-badge")
        badge.tap() if by_finger else badge.hover()
        expect(page.locator(".energy-tip")).to_contain_text(
            re.compile(r"tok/s, [\d.]+\sms old[^$]*a burst: more than 12")
        )
        flows.clear()
        wait_until(lambda: "stalled" in lane(page, model), 30, "the stall in words")
        says(rf"stall [\d.,]+\sm?s, goes on[^$]*limit of[^$]*model:{model}\]", partial(place, page, model, 8))
    wait_until(lambda: "quiet" in lane(page, model), 30, "the end")
    says(rf"no token here, [\d.]+\sm?s ago[^$]*model:{model}\]", partial(place, page, model, 8))
    if not by_finger:
        page.mouse.move(*place(page, model, -200))
        expect(page.locator(".energy-tip")).to_be_hidden()


def test_bars_tell_the_rate_and_the_energy_of_now(open_page: Open, stack: Stack) -> None:
    page = full_detail(open_page(reduced_motion="reduce"))
    with generation(stack, "e2e-bars"):
        wait_until(lambda: streams(page, "e2e-bars") and bars(page), 30, "bars")
        for from_right in (300, 700):
            for below, said in ((-10, r"^\d+\.\d tok/s, [\d.]+\sms old"), (10, r"^E \d\.\d\d, [\d.]+\sms old")):
                tells(page, said + r"[^$]*model:e2e-bars\]", partial(place, page, "e2e-bars", from_right, below))


@pytest.mark.long
@pytest.mark.parametrize(
    ("shift", "colour", "said"), [(0.0, "in-step", "in step with"), (0.5, "opposed", "opposed to")]
)
def test_two_models_that_swing_have_a_ripple_that_says_so(
    open_page: Open, stack: Stack, shift: float, colour: str, said: str
) -> None:
    page = full_detail(open_page())
    names = [f"e2e-{colour}-{at}" for at in range(2)]

    def swing(at: int) -> Rate:
        return lambda now_s: 24 * (1 + 0.8 * math.sin(2 * math.pi * (now_s / 2.5 + at * shift)))

    def ripple() -> int:
        return of_token(page, CANVAS, f"--energy-{colour}")

    def drawn(still: bool) -> bool:
        return bars(page) == still and ripple() > 40

    with ExitStack() as running:
        for at, name in enumerate(names):
            running.enter_context(paced(stack, name, swing(at)))
        for name in names:
            wait_until(partial(streams, page, name), 30, f"the lane of {name}")
        wait_until(lambda: ripple() > 40, 60, "the ripple of two rates that go together for ten seconds")
        if colour == "opposed":
            assert ripple() >= 4 * 4.5 * 4.5, "a square has its corners, a disc has not"
        expect(page.locator(f".energy-legend .{colour}")).to_be_visible()

        def between() -> tuple[float, float]:
            width = page.locator(CANVAS).evaluate("(canvas) => canvas.clientWidth")
            points = [place(page, name, width / 2) for name in names]
            return points[0][0], (points[0][1] + points[1][1]) / 2

        one = f"e2e-{colour}-[01]"
        for still in (False, True):
            page.emulate_media(reduced_motion="reduce" if still else "no-preference")
            wait_until(partial(drawn, still), 30, "the ripple, moving or still")
            tells(page, rf"{said} {one}, r −?[01]\.\d\d, [\d.]+\sms old[^$]*\[model:{one}\] \[other={one}\]", between)
        page.locator(CANVAS).focus()
        expect(page.locator(CANVAS)).to_have_attribute(
            "aria-label", re.compile(rf"{said} e2e-{colour}-[01], r −?[01]\.\d\d")
        )
    wait_until(lambda: ripple() == 0, 30, "the ripple to go with its signal")


# Each text that a screen reader is given politely, and when.
_LISTEN = """() => {
    globalThis.heard = [];
    const said = document.querySelector('#panel-energy [role=status]');
    new MutationObserver(() => heard.push([performance.now(), said.textContent]))
        .observe(said, {childList: true, characterData: true, subtree: true});
}"""


@pytest.mark.long
def test_changes_of_energy_are_said_politely_and_seldom(open_page: Open, stack: Stack) -> None:
    page = full_detail(open_page())
    expect(page.locator("#panel-energy [role=status]")).to_be_attached()
    page.evaluate(_LISTEN)
    names = ["e2e-said-0", "e2e-said-1"]

    def heard() -> list[tuple[float, str, float]]:
        found = [(at, re.fullmatch(r"(.+): energy (\d\.\d\d)", text)) for at, text in page.evaluate("heard")]
        assert all(match for _, match in found), found
        return [(at, match[1], float(match[2])) for at, match in found if match]

    with ExitStack() as running:
        for name in names:
            running.enter_context(generation(stack, name, tokens_a_second=20, topk=True))
        wait_until(lambda: {name for _, name, _ in heard()} >= set(names), 30, "the rise of both to be said")
    wait_until(lambda: sum(name in names for _, name, _ in heard()) >= 4, 40, "the fall of both to be said")
    seen = heard()
    assert all(later[0] - sooner[0] >= 2950 for sooner, later in pairwise(seen)), seen
    for name in names:
        energies = [energy for _, its, energy in seen if its == name]
        assert all(abs(b - a) >= 0.19 for a, b in pairwise(energies)), seen
