"""One page for every screen and every eye: widths, axe, reduced motion."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open
from tests.e2e.test_person import live
from tests.stack import wait_until

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.mark.parametrize("width", [1600, 1200, 800, 400])
def test_nothing_lies_outside_the_screen(open_page: Open, width: int) -> None:
    page = live(open_page(width=width))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for panel in ("cpu", "memory", "disk", "network", "processes", "frames", "storage"):
        box = page.locator(f"#panel-{panel}").bounding_box()
        assert box, panel
        assert box["x"] >= 0, panel
        assert box["x"] + box["width"] <= width + 0.5, panel
    page.evaluate("scrollTo(0, 9999)")
    top = page.locator("#top").bounding_box()
    assert top
    assert top["y"] == 0, "the header is never scrolled away"


def faults(page: Page) -> list[str]:
    """What axe finds; it enters by the debugging protocol, so the page's CSP stays as it is."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("(tags) => axe.run(document, {runOnly: tags})", RULES)
    return [
        f"{one['id']}: {one['help']}: {node['html'][:160]} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [1600, 400])
def test_axe_finds_nothing(open_page: Open, scheme: str, width: int) -> None:
    page = live(open_page(width=width, color_scheme=scheme))
    expect(page.locator("#panel-processes tbody tr").first).to_be_visible()
    assert faults(page) == []
    for key, name in (("?", "Keys and marks"), ("m", "Services"), ("Control+k", "Search or do"), ("r", "Range")):
        page.keyboard.press(key)
        expect(page.get_by_role("dialog", name=name)).to_be_visible()
        assert faults(page) == [], name
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog", name=name)).to_be_hidden()


def test_reduced_motion_redraws_twice_a_second_at_most(open_page: Open) -> None:
    page = live(open_page(reduced_motion="reduce"))
    expect(page.locator("#panel-frames")).to_contain_text("2 a second")
    page.emulate_media(reduced_motion="no-preference")
    wait_until(
        lambda: "2 a second" not in page.locator("#panel-frames").inner_text().replace("20 a", ""), 30, "the old rate"
    )


def test_names_of_processes_stay_text(open_page: Open, tmp_path: Path) -> None:
    """A program may be called anything, a script too; here one is, and it is busy enough to stand in the list."""
    import shutil
    import subprocess

    hostile = tmp_path / "<img src=x onerror=globalThis.pwned=1>"
    shell = shutil.which("dash") or shutil.which("sh")
    assert shell
    shutil.copy(shell, hostile)
    process = subprocess.Popen([hostile, "-c", "while :; do :; done"])
    try:
        page = live(open_page())
        expect(page.locator("#panel-processes")).to_contain_text("<img src=x")
        assert page.locator("#panel-processes img").count() == 0
        assert page.evaluate("globalThis.pwned") is None
    finally:
        process.kill()
        process.wait()
