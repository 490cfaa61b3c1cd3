"""Nothing on the page flashes, however fast a model is; and the analyser that says so finds flashes where there are."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open
from tests.e2e.flashes import Film, brightened_px, came_late, capture, flashing_px
from tests.e2e.test_energy import full_detail, generation, lane
from tests.stack import Stack, wait_until

# Of the 87,296 px of a region a quarter would be the limit; the band keeps to much less.
MOST_PX = 5000


def film(flash_hz: float, side_px: int) -> Film:
    """Two seconds at 60 Hz of a square that is lit half of each period."""
    times_s = np.arange(120) / 60
    light = np.full((120, 300, 400), 0.02, np.float32)
    light[np.floor(2 * flash_hz * times_s) % 2 == 1, 10 : 10 + side_px, 50 : 50 + side_px] = 0.6
    return Film(times_s, light)


def bursts(page: Page, model: str) -> bool:
    return "burst" in lane(page, model)


def test_the_analyser_finds_flashes_and_lets_slow_change_pass() -> None:
    assert flashing_px(film(flash_hz=8, side_px=120)) == 120 * 120
    assert flashing_px(film(flash_hz=2.5, side_px=120)) == 0
    assert brightened_px(film(flash_hz=2.5, side_px=120)) == 120 * 120
    assert flashing_px(film(flash_hz=8, side_px=280)) == 256 * 280, "no more than a region holds counts"
    faint = film(flash_hz=8, side_px=120)
    assert flashing_px(faint._replace(light=faint.light * 0.1)) == 0


@pytest.mark.long
def test_a_model_at_two_hundred_tokens_a_second_does_not_flash(open_page: Open, stack: Stack) -> None:
    page = full_detail(open_page())
    with (
        generation(stack, "e2e-storm", tokens_a_second=200),
        generation(stack, "e2e-rain", tokens_a_second=60, topk=True),
    ):
        for model in ("e2e-storm", "e2e-rain"):
            wait_until(partial(bursts, page, model), 30, f"a burst of {model}")
        seen = capture(page, "#panel-energy canvas", 400, 3.0)
        page.locator("#panel-energy canvas").focus()
        expect(page.locator("#panel-energy canvas")).to_have_attribute(
            "aria-label", re.compile(r"e2e-storm: .* each lightning is ×[2-9]")
        )
    assert len(seen.times_s) > 5
    assert float(seen.light.max()) > 0.3, "there was lightning in it"
    print(f"{len(seen.times_s)} frames: {flashing_px(seen)} px flash, {brightened_px(seen)} px brighten in one frame")
    assert flashing_px(seen) <= MOST_PX
    assert brightened_px(seen) <= MOST_PX or came_late(seen)
