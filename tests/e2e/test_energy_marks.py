"""Marks of the band come with their signal and go with it: a burst, a stall and its bracket, more models than lanes."""

from __future__ import annotations

import re
import threading
from contextlib import ExitStack
from functools import partial

from playwright.sync_api import Route, expect

from tests.e2e.conftest import Open, entry
from tests.e2e.pixels import of_token
from tests.e2e.test_energy import Probe, comes_to_rest, full_detail, generation, lane, picture, streams
from tests.stack import Stack, wait_until


def test_a_burst_and_a_stall_come_and_go_with_the_tokens(open_page: Open, stack: Stack) -> None:
    page = full_detail(open_page())
    model = "e2e-marks"
    flows, over = threading.Event(), threading.Event()
    probe = Probe(home=stack.home.root)

    def answer() -> None:
        with probe.generation(model, runtime="transformers") as told:
            while not over.wait(1 / 30):
                if flows.is_set():
                    told.token()
            told.finish("stop")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    row = page.locator("#panel-energy .lanes li").filter(has_text=model)
    canvas = "#panel-energy canvas"
    try:
        flows.set()
        wait_until(lambda: "burst" in lane(page, model), 30, "the badge of a burst")
        flows.clear()
        wait_until(lambda: "stalled" in lane(page, model), 30, "the stall in words")
        wait_until(lambda: of_token(page, canvas, "--energy-stall") > 20, 30, "the bracket under the gap")
        wait_until(lambda: "burst" not in lane(page, model), 30, "the badge to go")
        expect(row.locator(".lane-state")).to_have_text(re.compile(r"stalled \d+\.\d"))
        flows.set()
        wait_until(lambda: streams(page, model) and "burst" in lane(page, model), 30, "the flow to go on")
        assert of_token(page, canvas, "--energy-stall") > 0, "its bracket scrolls along with the gap"
    finally:
        over.set()
        thread.join()
        probe.close(2.0)
    wait_until(lambda: "quiet" in lane(page, model), 30, "the end")
    wait_until(lambda: of_token(page, canvas, "--energy-stall") == 0, 40, "the bracket to leave with its gap")


def test_four_lanes_are_the_busiest_and_the_rest_is_counted(open_page: Open, stack: Stack) -> None:
    page = full_detail(open_page())
    fast = [f"e2e-fast-{at}" for at in range(4)]
    with ExitStack() as running:
        running.enter_context(generation(stack, "e2e-slow", tokens_a_second=2))
        for model in fast:
            running.enter_context(generation(stack, model, tokens_a_second=15))
        for model in fast:
            wait_until(partial(streams, page, model), 30, f"the lane of {model}")
        wait_until(lambda: not lane(page, "e2e-slow"), 30, "the slow one to give way")
        expect(page.locator("#panel-energy .more-lanes")).to_contain_text(
            re.compile(r"\d+ more, \d+ of them less busy")
        )
        box = page.locator("#panel-energy").bounding_box()
        assert box
        assert box["height"] == 306, "four lanes of 60 px"


def test_words_of_the_band_get_their_font_however_late_it_comes(open_page: Open, stack: Stack) -> None:
    page = open_page(address="about:blank", reduced_motion="reduce")
    late: list[Route] = []
    page.route("**/inter-latin.woff2", lambda route: late.append(route))
    page.goto(entry(stack), wait_until="commit")
    with generation(stack, "e2e-font"):
        wait_until(lambda: streams(page, "e2e-font"), 30, "the lane of a model that answers")
    comes_to_rest(page)
    before = picture(page)
    for one in late:
        one.continue_()
    wait_until(lambda: picture(page) != before, 30, "the band to draw its words anew")
