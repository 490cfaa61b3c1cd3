"""Models compared from the page: found in the palette, run through the tap, shown with what was not measured."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Open
from tests.stack import Stack
from tests.tap.conftest import Runtime, set_value
from tests.tap.runtime_shapes import MODEL

_LONG_MS = 120_000


@pytest.fixture
def runtime(stack: Stack) -> Iterator[Runtime]:
    started = Runtime()
    set_value(stack, "tap.find", False)
    set_value(stack, "tap.routes", json.dumps({MODEL: started.url}))
    yield started
    set_value(stack, "tap.routes", "")
    set_value(stack, "tap.find", True)
    started.kill()


def test_a_person_compares_models_from_the_palette(stack: Stack, runtime: Runtime, open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("Control+k")
    page.get_by_label("Search or do").get_by_role("combobox").fill("compare models")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Compare models")
    box = dialog.get_by_role("checkbox", name=MODEL)
    expect(box).to_be_checked(timeout=_LONG_MS)
    dialog.get_by_role("button", name="Compare", exact=True).click()
    agree = dialog.get_by_label("all the same")
    state = dialog.get_by_role("status")
    expect(state).not_to_be_empty(timeout=_LONG_MS)
    if agree.is_visible():  # its runtime did not tell what is in memory: the page says so and asks
        agree.check()
        dialog.get_by_role("button", name="Compare", exact=True).click()
    expect(state).to_contain_text("5 rounds, 64 tokens of output", timeout=_LONG_MS)
    rows = dialog.locator("tbody tr")
    expect(rows).to_have_count(4)
    cells = rows.first.locator("td").all_inner_texts()
    assert cells[0] == MODEL
    assert float(cells[3].split(" ")[0]) > 0
    assert cells[6] == cells[7] == "–"  # nobody measures power or video memory of it
