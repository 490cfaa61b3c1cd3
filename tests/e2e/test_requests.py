"""The list of requests in any order: by mouse, by keys, page by page, in the page and in the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Open, api
from tests.e2e.test_widths import faults
from tests.stack import Stack, wait_until

MODEL, COUNT = "e2e/ordered", 230
PREFIX = "0de70de7"


def id_of(number: int) -> str:
    return f"{PREFIX}{number:08x}"


@pytest.fixture(scope="module")
def told(stack: Stack) -> Stack:
    """So many requests that a program told of: longer than any other of this stack, their TTFT in another order."""
    now_us = time.time_ns() // 1000
    for first in range(0, COUNT, 50):
        records = [
            {
                "id": id_of(number),
                "model": MODEL,
                "start_us": now_us - (COUNT - number) * 1_000_000,
                "e2e_ms": 1_000_000 + number,
                "ttft_ms": 500_000 + number * 37 % COUNT,
                "output_tokens": 1 + number % 7,
                "finish_reason": "stop",
            }
            for number in range(first, min(first + 50, COUNT))
        ]
        api(stack, "tokens", {"requests": records})
    wait_until(lambda: api(stack, f"requests?model={MODEL}")["total"] == COUNT, 30, "the records to be kept")
    return stack


def head(page: Page, name: str) -> Locator:
    return page.locator("#panel-requests th").filter(has_text=name)


def column(page: Page, number: int, count: int) -> list[str]:
    """The first cells of a column, of requests that ended."""
    found: list[str] = page.evaluate(
        """([at, count]) => [...document.querySelectorAll('#panel-requests tbody tr[data-ended="true"]')]
        .slice(0, count).map((row) => row.children[at].textContent)""",
        [number, count],
    )
    return found


def ttft(*ranks: int) -> list[str]:
    """As the column has them, by rank from the greatest."""
    return [f"{(500_000 + COUNT - 1 - rank) / 1000:.0f}\u00a0s" for rank in ranks]


def test_columns_order_the_list_and_the_visit_remembers_it(open_page: Open, told: Stack) -> None:
    page = open_page()
    started, first_token = head(page, "started"), head(page, "TTFT")
    expect(started).to_have_attribute("aria-sort", "descending")
    with page.expect_response(lambda answer: "order=ttft" in answer.url):
        first_token.get_by_role("button").click()
    expect(first_token).to_have_attribute("aria-sort", "descending")
    expect(started).not_to_have_attribute("aria-sort", "descending")
    assert column(page, 2, 3) == ttft(0, 1, 2)
    expect(page.get_by_role("region", name="Requests, by TTFT, greatest first")).to_be_visible()
    assert faults(page) == []
    page.reload()
    expect(head(page, "TTFT")).to_have_attribute("aria-sort", "descending")
    wait_until(lambda: column(page, 2, 3) == ttft(0, 1, 2), 30, "the same order after a reload")


def test_by_keys_it_turns_and_goes_on_page_by_page(open_page: Open, told: Stack) -> None:
    page = open_page()
    length = head(page, "0 to").get_by_role("button")
    length.focus()
    page.keyboard.press("Enter")
    expect(head(page, "0 to")).to_have_attribute("aria-sort", "descending")
    newest = [id_of(COUNT - 1 - at) for at in range(COUNT)]

    def ids() -> list[str]:
        ended = page.locator('#panel-requests tr[data-ended="true"]')
        found: list[str] = ended.evaluate_all("(rows) => rows.map((row) => row.dataset.request)")
        return found

    def longest(count: int) -> bool:
        return ids()[:count] == newest[:count]

    wait_until(lambda: ids() == newest[:100], 30, "the hundred longest")
    more = page.locator("#panel-requests .more-button")
    expect(page.locator("#panel-requests .further")).to_contain_text("100 of ")
    more.focus()
    for pages in (2, 3):
        page.keyboard.press("Enter")
        count = min(pages * 100, COUNT)
        wait_until(partial(longest, count), 30, f"{pages} pages")
        assert len(set(ids())) == len(ids())
    length.focus()
    page.keyboard.press("Space")
    expect(head(page, "0 to")).to_have_attribute("aria-sort", "ascending")
    shortest = [one["id"] for one in api(told, "requests?order=e2e&ascending=1&limit=100")["requests"]]
    wait_until(lambda: ids() == shortest, 30, "the hundred shortest")


def test_the_terminal_has_the_same_order(told: Stack) -> None:
    def wfmon(*words: str) -> list[str]:
        environment = {**os.environ, "WFMON_HOME": str(told.home.root)}
        command = [sys.executable, "-m", "services.cli", "requests", "--model", MODEL, "-n", "3", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=True)
        return [word for word in done.stdout.split() if word.startswith(PREFIX)]

    by_ttft = sorted(range(COUNT), key=lambda number: number * 37 % COUNT)
    # The last one is named again, as where the next page begins.
    assert wfmon("--sort", "ttft", "--reverse")[:3] == [id_of(number) for number in by_ttft[:3]]
    assert wfmon("--sort", "ttft")[:3] == [id_of(number) for number in by_ttft[:-4:-1]]
    assert wfmon("--slow")[:3] == [id_of(COUNT - 1 - at) for at in range(3)]
    assert wfmon("--slow", "--after", id_of(COUNT - 3))[:3] == [id_of(COUNT - 4 - at) for at in range(3)]
