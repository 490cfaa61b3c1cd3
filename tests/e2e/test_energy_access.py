"""The energy band for every eye and hand: axe in both themes, moving and still; its evidence by keyboard alone."""

from __future__ import annotations

import re
from contextlib import ExitStack
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open
from tests.e2e.test_energy import full_detail, generation, lane, streams
from tests.e2e.test_widths import faults
from tests.stack import Stack, wait_until


def flowing(page: Page, *models: str) -> None:
    for model in models:
        wait_until(partial(streams, page, model), 30, f"the lane of {model}")


@pytest.mark.parametrize("width", [1600, 400])
@pytest.mark.parametrize(
    ("scheme", "motion"), [("dark", "no-preference"), ("light", "no-preference"), ("light", "reduce")]
)
def test_axe_finds_nothing_while_models_answer(
    open_page: Open, stack: Stack, scheme: str, motion: str, width: int
) -> None:
    page = full_detail(open_page(width=width, color_scheme=scheme, reduced_motion=motion))
    with generation(stack, "e2e-axe", topk=True), generation(stack, "e2e-axe-too", tokens_a_second=8):
        flowing(page, "e2e-axe-too")
        expect(page.locator("#panel-numbers")).to_contain_text("not measured")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert faults(page) == []


CROSSED = """() => [...document.querySelectorAll('#panel-numbers .number-rows .number-row')].flatMap((row) => {
    const boxes = [...row.querySelectorAll('.number-cell')].map((cell) =>
        [...cell.children].filter((part) => part.getClientRects().length).map((part) => {
            const words = document.createRange();
            words.selectNodeContents(part);
            const {left, right, top, bottom} = words.getBoundingClientRect();
            return {left, right, top, bottom, words: part.textContent};
        }));
    return boxes.slice(1).flatMap((cell, at) => cell.flatMap((right) => boxes[at].filter((left) =>
        left.right > right.left + 0.5 && left.bottom > right.top + 2 && right.bottom > left.top + 2)
        .map((left) => `${left.words} | ${right.words}`)));
})"""


# Words that reach out of the panel, or lie on the row of queue, batch and cache below them.
CUT = """() => {
    const panel = document.querySelector('#panel-numbers').getBoundingClientRect();
    const box = (node) => {
        const words = document.createRange();
        words.selectNodeContents(node);
        return words.getBoundingClientRect();
    };
    return [...document.querySelectorAll('#panel-numbers .number-rows .number-row')].flatMap((row) => {
        const below = box(row.querySelector('.number-serving'));
        return [...row.querySelectorAll('.number-value, .number-below')].filter((part) => {
            const {left, right, bottom} = box(part);
            const crosses = bottom > below.top + 2 && left < below.right && right > below.left;
            return part.textContent && (left < panel.left || right > panel.right || crosses);
        }).map((part) => part.textContent);
    });
}"""


def test_numbers_of_models_lie_beside_one_another_at_every_width(open_page: Open, stack: Stack) -> None:
    page = full_detail(open_page())

    def lie_apart() -> None:
        for width in (1600, 1520, 1519, 1440, 1439, 1200, 1199, 800, 641, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(CROSSED) == [], f"at {width} px"
            assert page.evaluate(CUT) == [], f"at {width} px"

    with generation(stack, "e2e-broad", tokens_a_second=150), generation(stack, "e2e-wide", tokens_a_second=8):
        flowing(page, "e2e-broad", "e2e-wide")
        told = page.locator("#panel-numbers .number-row").filter(has_text="e2e-wide").locator(".number-cell")
        for column in (3, 4):
            expect(told.nth(column)).to_have_text("not measured")
        lie_apart()
    wait_until(lambda: "quiet" in lane(page, "e2e-broad"), 30, "the end")
    expect(page.locator("#panel-numbers .number-row").filter(has_text="e2e-broad")).to_contain_text(
        re.compile(r"last request \d\d\d")
    )
    lie_apart()


# Badges that reach under the band; items of the legend, with those of a pair, that are cut, or lie on the band.
_LEGEND_CUT = """() => {
    const legend = document.querySelector('.energy-legend');
    for (const kind of ['in-step', 'opposed']) legend.querySelector(`.${kind}`).closest('li').hidden = false;
    const [within, panel, band] = ['.energy-legend', '#panel-energy', '#panel-energy .band']
        .map((selector) => document.querySelector(selector).getBoundingClientRect());
    const under = [...document.querySelectorAll('.lane-badge:not([hidden])')].filter((badge) =>
        badge.getBoundingClientRect().right > band.left);
    return [...under, ...[...legend.querySelectorAll('li:not([hidden])')].filter((item) => {
        const {left, right, top, bottom, width} = item.getBoundingClientRect();
        return !width || left < panel.left || right > panel.right || top < within.top - 1 || bottom > within.bottom + 1
            || top < panel.top || bottom > panel.bottom || (bottom > band.top + 1 && top < band.bottom - 1);
    })].map((item) => item.textContent);
}"""


def test_the_legend_stands_whole_at_every_width(open_page: Open, stack: Stack) -> None:
    page = open_page()
    page.locator("#rate").select_option("1")
    legend = page.locator(".energy-legend")
    with ExitStack() as running:
        for at in range(5):
            running.enter_context(generation(stack, f"e2e-legend-{at}", tokens_a_second=30, topk=True))
        expect(page.locator("#panel-energy .more-lanes")).to_contain_text("more")
        expect(legend.locator(".detail")).to_contain_text("detail T1")
        expect(page.locator("#panel-energy .lane-badge:visible").first).to_be_visible()
        for width in (1600, 1440, 1200, 1199, 800, 641, 640, 390):
            page.set_viewport_size({"width": width, "height": 900})
            expect(legend).to_contain_text(re.compile(r"(1 dot = \d+ tokens|a token), height: entropy"))
            assert page.evaluate(_LEGEND_CUT) == [], f"at {width} px"
            for part in (legend.get_by_role("button", name="Draw all"), page.locator("#panel-energy .more-lanes")):
                expect(part).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("#rate").select_option("2")
        expect(legend.locator(".detail")).to_contain_text("detail T2")
        for width in (800, 390):
            page.set_viewport_size({"width": width, "height": 900})
            said = legend.locator(".detail").bounding_box()
            assert said
            assert said["x"] + said["width"] <= width
        page.get_by_role("button", name="Draw all").click()
        expect(legend.locator(".detail")).to_be_hidden()
    page.locator("#rate").select_option("auto")


def test_evidence_by_keyboard_alone(open_page: Open, stack: Stack) -> None:
    page = full_detail(open_page())
    tip, canvas = page.locator(".energy-tip"), page.locator("#panel-energy canvas")
    with generation(stack, "e2e-keys", topk=True):
        flowing(page, "e2e-keys")
        reached = []
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
            if reached[-1] == "lane-name" and "e2e-keys" in page.evaluate("document.activeElement.textContent"):
                break
        assert reached[-1] == "lane-name", reached
        expect(tip).to_contain_text("[model:e2e-keys]")
        expect(tip).to_contain_text(re.compile(r"by (the standard profile|profile \w+)"))
        while page.evaluate("document.activeElement.tagName") != "CANVAS":
            page.keyboard.press("Tab")
        expect(canvas).to_have_attribute("aria-label", re.compile(r"e2e-keys: \w+, \d+ tokens a second.* energy"))
        for _ in range(4):
            page.keyboard.press("ArrowLeft")
        expect(tip).to_be_visible()
        expect(tip).to_contain_text("[model:")
        page.keyboard.press("Escape")
        expect(tip).to_be_hidden()
        while page.evaluate("document.activeElement.textContent") != "View Energy as table":
            page.keyboard.press("Tab")
        table = page.get_by_role("dialog", name="Energy as table")

        def tells_of_it() -> bool:
            page.keyboard.press("Enter")
            expect(table).to_be_visible()
            if table.locator("tbody tr").filter(has_text="e2e-keys").count():
                return True
            page.keyboard.press("Escape")
            expect(table).to_be_hidden()
            return False

        wait_until(tells_of_it, 30, "a whole second of the model in the table")
        assert faults(page) == []
