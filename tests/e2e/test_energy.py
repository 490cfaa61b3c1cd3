"""The energy band: it moves with real tokens, told by the probe, and with nothing else."""

from __future__ import annotations

import math
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import Open, api, entry
from tests.e2e.pixels import of_token
from tests.stack import Stack, wait_until

sys.path.append(str(Path(__file__).resolve().parents[2] / "sdk"))

from wirthforge_probe import Probe

# Read through a copy: the page's own canvas belongs to its worker.
_PICTURE = """() => {
    const canvas = document.querySelector('#panel-energy canvas');
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    const {data} = copy.getImageData(0, 0, canvas.width, canvas.height);
    let hash = 0;
    for (let at = 0; at < data.length; at++) hash = (hash * 31 + data[at]) | 0;
    return hash;
}"""
_TOPK = [0.6 * math.exp(-rank) for rank in range(20)]


def picture(page: Page) -> int:
    """A hash of all pixels of the band."""
    found: int = page.evaluate(_PICTURE)
    return found


def lane(page: Page, model: str) -> str:
    """The words beside a lane; empty where there is none."""
    found = page.locator("#panel-energy .lanes li").filter(has_text=model)
    return found.inner_text() if found.count() else ""


def streams(page: Page, model: str) -> bool:
    """Whether its lane says that tokens come; one that is fast is soon saturated."""
    return any(state in lane(page, model) for state in ("flowing", "saturated"))


@contextmanager
def generation(stack: Stack, model: str, *, tokens_a_second: float = 20.0, topk: bool = False) -> Iterator[Probe]:
    """Tokens of a program that runs a model itself, until the block ends."""
    probe = Probe(home=stack.home.root)
    over = threading.Event()

    def answer() -> None:
        with probe.generation(model, runtime="transformers", prompt_tokens=100) as told:
            while not over.wait(1 / tokens_a_second):
                told.token(topk=_TOPK if topk else None)
            told.finish("stop")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield probe
    finally:
        over.set()
        thread.join()
        probe.close(2.0)


def test_tokens_become_a_lane_with_evidence(open_page: Open, stack: Stack) -> None:
    page = open_page()
    with generation(stack, "e2e-flow", topk=True) as probe:
        wait_until(lambda: streams(page, "e2e-flow"), 30, "the lane of a model that answers")
        assert probe.trouble is None
        before = picture(page)
        wait_until(lambda: picture(page) != before, 30, "the band to move with the tokens")
        page.locator("#panel-energy .lane-name").filter(has_text="e2e-flow").focus()
        expect(page.locator(".energy-tip")).to_contain_text("certainty 0.")
        expect(page.locator(".energy-tip")).to_contain_text("[model:e2e-flow]")
    wait_until(lambda: "quiet" in lane(page, "e2e-flow"), 30, "the lane to tell the end")


def test_a_request_is_listed_explained_and_shaded(open_page: Open, stack: Stack) -> None:
    page = open_page()
    with generation(stack, "e2e-request"):
        wait_until(lambda: streams(page, "e2e-request"), 30, "the lane of a model that answers")
        row = page.locator("#panel-requests tbody tr").filter(has_text="e2e-request")
        expect(row).to_contain_text("streaming")
        number = (
            page.locator("#panel-numbers .number-row").filter(has_text="e2e-request").locator(".number-value b").first
        )
        expect(number).to_have_text(re.compile(r"^[0-9]+$"))
    expect(row).to_contain_text("stop")
    expect(number).to_have_text("–")
    row.click()
    expect(page.locator("#panel-requests .why")).to_contain_text("Why was it slow?")
    expect(page.locator("#panel-requests .waterfall")).to_contain_text("answer")
    expect(page.locator("#panel-requests .then polyline").first).to_be_attached()
    expect(page.locator("#panel-requests .shaded")).to_be_visible()
    expect(page.locator("#panel-requests .waterfall")).to_contain_text(re.compile("first token [0-9.]+"))
    first, answer, seconds = (
        page.locator(f"#panel-requests .waterfall {name}").last.bounding_box()
        for name in (".first-token", ".phase.answer", ".then-row")
    )
    assert first is not None
    assert answer is not None
    assert seconds is not None
    assert abs(first["x"] - answer["x"]) < 1.5, "the line stands where the answer begins"
    assert first["y"] <= answer["y"]
    assert first["y"] + first["height"] >= seconds["y"] + seconds["height"], "and runs down through the same seconds"


def test_why_it_was_slow_is_told_though_the_list_was_asked_for_again(open_page: Open, stack: Stack) -> None:
    page = open_page()
    with generation(stack, "e2e-why"):
        wait_until(lambda: streams(page, "e2e-why"), 30, "the lane of a model that answers")
    rows = page.locator("#panel-requests tbody tr")
    expect(rows.filter(has_text="e2e-why")).to_contain_text("stop")
    held: list[Route] = []
    page.route("**/api/v1/query_range?*", lambda route: held.append(route))
    rows.filter(has_text="e2e-why").click()
    wait_until(lambda: page.evaluate("1") and held, 30, "the question for the same seconds")
    with page.expect_response("**/api/v1/requests?*"), generation(stack, "e2e-after"):
        expect(rows.filter(has_text="e2e-after")).to_contain_text("streaming")
    expect(rows.filter(has_text="e2e-after")).to_contain_text("stop")
    for route in held:
        route.continue_()
    page.unroute("**/api/v1/query_range?*")
    expect(page.locator("#panel-requests .why")).to_contain_text("Why was it slow?")


def comes_to_rest(page: Page) -> None:
    """Waits for two equal pictures, a second apart: the band moves until its last glow has left it."""
    last = [picture(page)]

    def stands() -> bool:
        page.wait_for_timeout(1000)
        before, last[0] = last[0], picture(page)
        return before == last[0]

    wait_until(stands, 60, "the band to come to rest")


def test_without_tokens_not_a_pixel_moves(open_page: Open, stack: Stack) -> None:
    page = open_page()
    with generation(stack, "e2e-still"):
        wait_until(lambda: streams(page, "e2e-still"), 30, "the lane of a model that answers")
    comes_to_rest(page)
    seen = {picture(page)}
    for _ in range(5):
        page.wait_for_timeout(200)
        seen.add(picture(page))
    assert len(seen) == 1


# Counted in the page itself, frame by frame: how long after a change the band has become what was asked for.
_UNTIL_BARS = """async ([wanted, change]) => {
    const canvas = document.querySelector('#panel-energy canvas');
    const ground = getComputedStyle(document.documentElement).getPropertyValue('--energy-grid').trim();
    const value = parseInt(ground.slice(1), 16), rgb = [(value >> 16) & 255, (value >> 8) & 255, value & 255];
    const bars = () => {
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
        copy.drawImage(canvas, 0, 0);
        const {data} = copy.getImageData(0, 0, canvas.width, canvas.height);
        let found = 0;
        for (let at = 0; at < data.length; at += 4) {
            if (rgb.every((one, i) => Math.abs(one - data[at + i]) < 3)) found++;
        }
        return found > 3000;
    };
    const began = performance.now();
    document.querySelector(change)?.click();
    while (bars() !== wanted) await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""


def bars(page: Page) -> bool:
    """Grounds of two bars a lane: a full E covers one, 20 tok/s half the other. An axis is thin lines."""
    return of_token(page, "#panel-energy canvas", "--energy-grid") > 2000


def full_detail(page: Page) -> Page:
    """A machine busy with tests may not lower what is looked at here."""
    page.keyboard.press("Control+k")
    page.keyboard.type("detail: all")
    page.keyboard.press("Enter")
    return page


def test_reduced_motion_replaces_motion_by_bars(open_page: Open, stack: Stack) -> None:
    page = full_detail(open_page())
    with generation(stack, "e2e-reduced"):
        wait_until(lambda: streams(page, "e2e-reduced"), 30, "the lane of a model that answers")
        wait_until(lambda: not bars(page), 30, "motion")
        page.emulate_media(reduced_motion="reduce")
        wait_until(lambda: bars(page), 30, "bars in place of motion")
        page.emulate_media(reduced_motion="no-preference")
        wait_until(lambda: not bars(page), 30, "motion to come back where it is wanted")


def test_the_switch_for_motion_obeys_at_once_and_is_remembered(open_page: Open, stack: Stack) -> None:
    page = full_detail(open_page())
    switch = page.locator("#motion")
    with generation(stack, "e2e-switch"):
        wait_until(lambda: streams(page, "e2e-switch"), 30, "the lane of a model that answers")
        wait_until(lambda: not bars(page), 30, "motion")
        took_ms = [page.evaluate(_UNTIL_BARS, [still, "#motion"]) for still in (True, False, True)]
        print(f"still, moving, still after {[round(one) for one in took_ms]} ms")
        assert min(took_ms) < 100, "the bar is 100 ms; a busy machine may miss it once, not each time"
        expect(switch).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#panel-frames")).to_contain_text("2 a second")
        page.reload()
        expect(switch).to_have_attribute("aria-pressed", "true")
        wait_until(lambda: streams(page, "e2e-switch") and bars(page), 30, "bars after a reload")
        page.locator("body").press("o")
        expect(switch).to_have_attribute("aria-pressed", "false")
        page.keyboard.press("Control+k")
        page.keyboard.type("motion: as the system")
        page.keyboard.press("Enter")
        expect(switch).to_have_attribute("title", re.compile("as the system asks"))


def own_figures(stack: Stack, metric: str, since_us: int) -> list[float]:
    """What the page has published of itself since a moment."""
    ends_us = int(time.time() * 1e6)
    answer = api(stack, f"query_range?metric={metric}&source=ui:dashboard&start_us={since_us}&end_us={ends_us}")
    return [value for series in answer["series"] for value in series["values"] if value is not None]


def drawn_percent(page: Page) -> float:
    """How much of all models' energy the lanes draw, as the legend says it; 100 where it says nothing of it."""
    found = re.search(r"(\d+) % of all drawn", page.locator(".energy-legend").inner_text())
    return float(found[1]) if found else 100.0


@pytest.mark.parametrize("models", [1, 4])
def test_what_is_drawn_is_the_energy_that_was_computed(open_page: Open, stack: Stack, models: int) -> None:
    page = full_detail(open_page())
    names = [f"e2e-true-{models}-{at}" for at in range(models)]
    with ExitStack() as running:
        for at, name in enumerate(names):
            running.enter_context(generation(stack, name, tokens_a_second=12 + 6 * at, topk=at % 2 == 0))
        for name in names:
            wait_until(partial(streams, page, name), 30, f"the lane of {name}")
        # A model that answered before this test may be without a lane, and glow for ten seconds still.
        wait_until(lambda: drawn_percent(page) >= 99, 30, "other models' energy to leave the view")
        since_us = int(time.time() * 1e6)
        wait_until(lambda: len(own_figures(stack, "ui.energy_fidelity", since_us)) >= 3, 40, "three fidelities")
        wait_until(lambda: len(own_figures(stack, "ui.visual_lag_ms", since_us)) >= 3, 40, "three lags")
    fidelities, lags_ms = (own_figures(stack, f"ui.{name}", since_us) for name in ("energy_fidelity", "visual_lag_ms"))
    print(
        f"{models} models: fidelity {min(fidelities):.4f} to {max(fidelities):.4f}, lag {min(lags_ms):.0f} ms at best"
    )
    assert fidelities == pytest.approx([1.0] * len(fidelities), abs=0.05)
    assert all(lag_ms >= 0 for lag_ms in lags_ms)


def test_energy_of_models_without_a_lane_is_drawn_as_strips(open_page: Open, stack: Stack) -> None:
    page = full_detail(open_page())
    with ExitStack() as running:
        for at in range(6):
            running.enter_context(generation(stack, f"e2e-strip-{at}", tokens_a_second=15))
        expect(page.locator("#panel-energy .more-lanes")).to_have_text(re.compile(r"\d more, 2 of them less busy"))
        since_us = int(time.time() * 1e6)
        wait_until(lambda: len(own_figures(stack, "ui.energy_fidelity", since_us)) >= 3, 40, "three fidelities")
        figures = own_figures(stack, "ui.energy_fidelity", since_us)
        assert figures == pytest.approx([1.0] * len(figures), abs=0.05)
        band = page.locator("#panel-energy canvas")
        size = band.bounding_box()
        assert size is not None
        # The lowest of the two strips, half a second ago: the axis has the 24 px below it.
        tip = page.locator(".energy-tip")
        band.hover(position={"x": size["width"] * 0.95, "y": size["height"] - 26})
        expect(tip).to_contain_text(re.compile(r"e2e-strip-\d: E 0\.\d\d, \d+\sms old"))
        expect(tip).to_contain_text(re.compile(r"model\.energy \[model:e2e-strip-\d\]"))


# Between the axis lines at its left edge the band is its ground, from top to foot.
_LEFT_EDGE = """() => {
    const canvas = document.querySelector('#panel-energy canvas'), ratio = devicePixelRatio;
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    const {data} = copy.getImageData(4 * ratio, 0, 60 * ratio, canvas.height - 24 * ratio);
    const colours = new Set();
    for (let at = 0; at < data.length; at += 4) colours.add(`${data[at]} ${data[at + 1]} ${data[at + 2]}`);
    return colours.size;
}"""


@pytest.mark.long
def test_a_band_at_rest_shows_nothing_and_reports_no_fidelity(open_page: Open, stack: Stack) -> None:
    page = full_detail(open_page())
    since_us = int(time.time() * 1e6)
    with generation(stack, "e2e-rest", topk=True):
        wait_until(lambda: streams(page, "e2e-rest"), 30, "the lane of a model that answers")
        wait_until(lambda: own_figures(stack, "ui.energy_fidelity", since_us) != [], 30, "a fidelity while it draws")
    comes_to_rest(page)
    assert page.evaluate(_LEFT_EDGE) == 1, "a glow stands that belongs to no present signal"
    rested_us = int(time.time() * 1e6)
    wait_until(lambda: len(own_figures(stack, "ui.fps", rested_us)) >= 3, 30, "three seconds of frames")
    assert own_figures(stack, "ui.energy_fidelity", rested_us) == []


def test_without_a_canvas_for_workers_words_and_numbers_come(open_page: Open, stack: Stack) -> None:
    page = open_page(address="about:blank")
    page.context.add_init_script("delete HTMLCanvasElement.prototype.transferControlToOffscreen")
    page.goto(entry(stack))
    with generation(stack, "e2e-plain"):
        wait_until(lambda: streams(page, "e2e-plain"), 30, "the lane of a model that answers")
        number = (
            page.locator("#panel-numbers .number-row").filter(has_text="e2e-plain").locator(".number-value b").first
        )
        expect(number).to_have_text(re.compile(r"^[0-9]+$"))
        expect(page.locator("#panel-energy .no-canvas")).to_contain_text("no canvas to a worker")
    wait_until(lambda: "quiet" in lane(page, "e2e-plain"), 30, "the lane to tell the end")
