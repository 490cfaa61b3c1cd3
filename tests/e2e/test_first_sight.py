"""The page of a machine on which no model has answered: what it says, and that it says so no more once one has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Open, entry
from tests.e2e.pixels import of_token
from tests.e2e.test_energy import generation, streams
from tests.e2e.test_person import live
from tests.e2e.test_widths import faults
from tests.stack import Stack, wait_until
from tests.tap.conftest import set_value

SENTENCE = "No model has answered yet. Start one; it appears by itself."


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """A machine where nobody has told of a model; nor is one looked for."""
    with Stack() as running:
        set_value(running, "collector.sampler.runtime.enabled", False)
        yield running


def test_without_a_model_the_band_has_its_axis_and_says_how_one_comes(open_page: Open, own_stack: Stack) -> None:
    page = live(open_page(address=entry(own_stack)))
    band, numbers = page.locator("#panel-energy"), page.locator("#panel-numbers")
    if numbers.is_visible():
        pytest.skip("hardware absent: a machine on which no model runtime runs")
    expect(band.locator(".no-model")).to_have_text(SENTENCE)
    expect(numbers).to_be_hidden()
    wait_until(lambda: of_token(page, "#panel-energy canvas", "--energy-grid") > 100, 30, "the axis")
    assert faults(page) == []
    for height in (820, 900):
        page.set_viewport_size({"width": 1200, "height": height})
        assert page.evaluate("document.documentElement.scrollHeight") <= height
    with generation(own_stack, "e2e-first"):
        wait_until(lambda: streams(page, "e2e-first"), 30, "the lane of the first model")
        expect(band.locator(".no-model")).to_be_hidden()
        expect(numbers).to_be_visible()


def test_colours_of_the_systems_choice_leave_the_marks_and_the_edges(open_page: Open) -> None:
    page = live(open_page(forced_colors="active", color_scheme="dark"))
    style = "(node, name) => getComputedStyle(node)[name]"
    assert page.locator("#pause").evaluate(style, "borderTopStyle") == "solid"
    assert page.locator("#connection-dot").evaluate(style, "backgroundColor") == "rgb(47, 194, 150)"
    chosen = page.locator("#ranges button[aria-pressed=true]")
    assert chosen.evaluate(style, "outlineStyle") == "solid"
