"""Video memory as a stack by model: drawn, named and tabled from what programs told, and absent where nobody told."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, api, entry
from tests.e2e.pixels import of_token
from tests.stack import Stack, wait_until

GIB = 2**30
CANVAS = "#panel-vram canvas"


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """A machine that has a GPU from now on; the other tests' has none."""
    with Stack() as running:
        yield running


def tell(stack: Stack, used_gib: float, **models_gib: float) -> None:
    """What a program with a GPU of 16 GiB tells of this moment."""
    gpu = {"util_percent": 50.0, "mem_used_bytes": used_gib * GIB, "mem_total_bytes": 16.0 * GIB}
    told: list[tuple[str, str, dict[str, float]]] = [("gpu:0", "resource", gpu)]
    told += [(f"model:{name}", "performance", {"vram_bytes": gib * GIB}) for name, gib in models_gib.items()]
    ts = int(time.time() * 1000)
    api(
        stack, "ingest", [{"ts": ts, "source": source, "kind": kind, "fields": fields} for source, kind, fields in told]
    )


def drawn(page: Page) -> tuple[int, int, int]:
    """Pixels of the two models' layers and of the one of others."""
    first, second, other = (of_token(page, CANVAS, token) for token in ("--model-1", "--model-2", "--other"))
    return first, second, other


def keys(page: Page) -> list[str]:
    """The words beside each colour."""
    texts = page.locator("#panel-vram .stack-key").all_inner_texts()
    return [" ".join(text.split()) for text in texts]


def bar(page: Page) -> dict[str, int]:
    """How much of the bar each part has, %."""
    shares: dict[str, int] = page.locator("#panel-vram .share-bar > div").evaluate(
        "(bar) => Object.fromEntries([...bar.children].map((part) => "
        "[part.className, Math.round(100 * part.offsetWidth / bar.clientWidth)]))"
    )
    return shares


def test_video_memory_is_a_stack_by_model(open_page: Open, own_stack: Stack) -> None:
    stack = own_stack
    page = open_page(address=entry(stack))
    panel = page.locator("#panel-vram")

    told_at_s = 0.0

    def told(**models_gib: float) -> bool:
        """Tells once a second at most, as programs do: a live plot holds so many rows as five minutes of that have."""
        nonlocal told_at_s
        if time.monotonic() - told_at_s >= 1.0:
            tell(stack, 11.0, **models_gib)
            told_at_s = time.monotonic()
        return True

    wait_until(lambda: told() and panel.locator(".tile b").is_visible(), 60, "the panel of a GPU that is told of")
    wait_until(lambda: told() and of_token(page, CANVAS, "--plot") > 0, 30, "the line of what is used")
    assert drawn(page) == (0, 0, 0), "no model is measured: nothing is stacked, and nothing is called other"
    expect(panel.locator(".stack-key")).to_have_count(0)
    assert bar(page) == {"used": pytest.approx(69, abs=1)}

    wait_until(
        lambda: told(large=7.0, small=3.0) and min(drawn(page)) > 0, 60, "the layers of both models and of others"
    )
    expect(panel.locator("footer")).to_contain_text(re.compile(r"large\s7\.0"))
    assert keys(page) == ["large 7.0", "small 3.0", "other 1.0"]
    assert bar(page) == pytest.approx({"model-1": 44, "model-2": 19, "other": 6}, abs=1)
    panel.locator(".plot").focus()
    expect(panel.locator(".plot")).to_have_attribute("aria-label", re.compile(r"large 7\.0, small 3\.0, other 1\.0"))
    panel.locator("button.as-table").focus()
    page.keyboard.press("Enter")
    table = page.get_by_role("dialog", name="VRAM as table")
    assert {"used", "large", "small"} <= set(table.locator("thead th").all_inner_texts())
    newest = table.locator("tbody tr").filter(has_text=re.compile(r"11\.0.*7\.0.*3\.0")).first
    expect(newest).to_be_visible()
    page.keyboard.press("Escape")

    wait_until(
        lambda: told(large=7.0) and keys(page) == ["large 7.0", "other 4.0"],
        60,
        "a model that tells no more to leave the words",
    )
    assert drawn(page)[1] > 0, "what it held stays where it was drawn"
