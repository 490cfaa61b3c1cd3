"""What a person does at the page: look closer, pause, stop the recording, change the light, all by keyboard too."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, Position, expect

from tests.e2e import pixels
from tests.e2e.conftest import Open, Troubles, api, entry
from tests.e2e.test_live import NUMBER
from tests.stack import Stack, wait_until


def live(page: Page) -> Page:
    """The page once it shows values."""
    expect(page.locator("#panel-cpu .tile b")).to_have_text(NUMBER)
    wait_until(lambda: pixels.of_token(page, "#panel-focus canvas", "--plot") > 0, 30, "a line in the large chart")
    return page


def address_of(page: Page) -> str:
    """What stands in the address bar; `page.url` learns of `history.replaceState` late, or not at all."""
    address: str = page.evaluate("location.href")
    return address


def test_pause_stops_what_moves_and_the_recording_goes_on(open_page: Open, stack: Stack) -> None:
    page = live(open_page())
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#paused")).to_have_text(re.compile(r"paused at \d\d:\d\d:\d\d"))
    expect(page.locator("#recording-text")).to_contain_text("recording: machine")
    canvas, number = page.locator("#panel-cpu canvas"), page.locator("#panel-cpu .tile b")
    wait_until(lambda: page.evaluate("document.body.classList.contains('still')"), 30, "the page to stand still")

    def newest_us() -> int:
        return int(api(stack, "series?metric=system.cpu.percent")["series"][0]["newest_us"])

    def stands_for_two_seconds() -> bool:
        before, said, began_us = canvas.screenshot(), number.inner_text(), newest_us()
        wait_until(lambda: newest_us() > began_us + 2_000_000, 30, "two seconds of new samples behind the paused page")
        return (canvas.screenshot(), number.inner_text()) == (before, said)

    # What was on its way when it stopped (a frame, a mark of an event) may still come, once.
    wait_until(stands_for_two_seconds, 30, "the same pixels and the same number two seconds later")
    before = canvas.screenshot()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#paused")).to_be_hidden()
    wait_until(lambda: canvas.screenshot() != before, 30, "the line to move again")


def test_header_says_what_is_recorded_as_switches_change(open_page: Open, stack: Stack) -> None:
    page = open_page()
    said = page.locator("#recording-text")
    expect(said).to_have_text("recording: machine, models, page")
    off = api(stack, "settings", {"key": "privacy.record.machine", "value": False})
    expect(said).to_have_text("recording: models, page")
    strict = api(stack, "settings", {"key": "privacy.profile", "value": "strict"})
    expect(said).to_have_text("recording: nothing")
    expect(page.locator("#record-dot")).to_contain_class("off")
    for made in (strict, off):
        api(stack, "settings/undo", {"change_id": made["change"]["id"]})
    expect(said).to_have_text("recording: machine, models, page")


def test_header_says_it_records_where_only_the_classes_are_not_known(
    open_page: Open, stack: Stack, troubles: Troubles
) -> None:
    troubles.expected = ("ERR_FAILED",)
    page = open_page()
    said = page.locator("#recording-text")
    expect(said).to_have_text("recording: machine, models, page")
    page.route("**/api/v1/recorded", lambda route: route.abort())
    off = api(stack, "settings", {"key": "privacy.record.machine", "value": False})
    expect(said).to_have_text("recording")
    expect(page.locator("#recording")).to_have_attribute("title", re.compile("not known.*Click to stop"))
    page.unroute("**/api/v1/recorded")
    api(stack, "settings/undo", {"change_id": off["change"]["id"]})
    expect(said).to_have_text("recording: machine, models, page")


def test_one_click_stops_the_recording_and_undo_starts_it(open_page: Open, stack: Stack) -> None:
    def recording() -> object:
        return json.loads(api(stack, "settings?prefix=recording.enabled")["settings"][0]["value"])

    page = live(open_page())
    page.locator("#recording").click()
    expect(page.locator("#recording-text")).to_have_text("not recording")
    assert recording() is False
    page.locator("#recording-undo").click()
    expect(page.locator("#recording-text")).to_contain_text("recording: machine")
    assert recording() is True


def test_theme_changes_at_once_and_stays(open_page: Open) -> None:
    page = live(open_page(color_scheme="dark"))
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(15, 23, 42)"
    page.keyboard.press("Control+k")
    page.keyboard.type("theme: light")
    page.keyboard.press("Enter")
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.reload()
    live(page)
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.locator("#theme").click()
    expect(page.locator("#theme")).to_have_attribute("aria-label", "Theme: system")
    assert page.evaluate(background) == "rgb(15, 23, 42)"


def test_drag_zooms_all_charts_and_the_address_keeps_it(open_page: Open) -> None:
    page = live(open_page())
    over = page.locator("#panel-focus .u-over")

    def place(share: float) -> Position:
        box = over.bounding_box()
        assert box
        return {"x": box["width"] * share, "y": 40}

    def dragged() -> bool:
        # A panel above that comes meanwhile takes the chart from under the pointer; a person then drags again.
        over.drag_to(over, source_position=place(0.86), target_position=place(0.97))
        return "#from=" in address_of(page)

    over.hover(position=place(0.86))
    expect(page.locator("#panel-focus .reading")).to_contain_text("CPU")  # what is dragged over holds values
    wait_until(dragged, 30, "the range in the address")
    expect(page.locator("#panel-cpu footer")).to_contain_text(re.compile(r"\d\d:\d\d:\d\d to \d\d:\d\d:\d\d"))
    address = address_of(page)
    page.reload()
    live(page)
    assert address_of(page) == address
    page.keyboard.press("w")
    assert address_of(page) != address
    page.keyboard.press("Control+z")
    assert address_of(page) == address
    page.keyboard.press("1")
    wait_until(lambda: "#" not in address_of(page), 30, "the live view in the address")


def test_crosshair_is_on_every_chart(open_page: Open) -> None:
    page = live(open_page())
    page.locator("#panel-memory .u-over").hover()
    for panel in ("cpu", "disk", "network"):
        expect(page.locator(f"#panel-{panel} .reading")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d"))


def test_an_hour_is_asked_of_the_store(open_page: Open) -> None:
    page = live(open_page())
    with page.expect_response(lambda answer: "query_range" in answer.url) as asked:
        page.get_by_role("button", name="1h").click()
    assert asked.value.ok
    expect(page.locator("#panel-cpu footer")).to_contain_text("−60")

    def drawn() -> bool:
        page.keyboard.press("t")
        rows = page.locator("dialog tbody tr").count()
        page.keyboard.press("Escape")
        return rows > 0

    wait_until(drawn, 30, "rows of the stored hour")


def test_everything_by_keyboard(open_page: Open) -> None:
    page = live(open_page())
    reached = set()
    for _ in range(200):  # each request and each model is a stop too
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement?.id || document.activeElement?.className || document.activeElement?.tagName"
            )
        )
        if "rate" in reached and "help" in reached:
            break
    assert {"recording", "cost", "pause", "theme", "search", "help", "rate"} <= reached
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("p")
    expect(page.locator("#paused")).to_be_visible()
    page.keyboard.press("p")
    expect(page.locator("#paused")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys and marks")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    dialog = page.get_by_role("dialog", name="Services")
    expect(dialog).to_contain_text("aggregator")
    expect(dialog).to_contain_text("ready")
    expect(dialog.get_by_role("row", name="supervisord")).to_contain_text("● runs")
    expect(dialog.get_by_role("row", name="tap").locator("td").nth(3)).to_have_text("0")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option", name="Search or do")).to_have_count(0)
    page.keyboard.type("memory large")
    page.keyboard.press("Enter")
    expect(page.locator("#panel-focus h2")).to_have_text("Memory")
    page.keyboard.press("t")
    expect(page.get_by_role("dialog", name="Memory as table").locator("tbody tr").first).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#panel-cpu .plot").focus()
    page.keyboard.press("ArrowLeft")
    wait_until(lambda: "#from=" in address_of(page), 30, "the arrow on a chart to go back in time")


def test_a_new_tab_gets_the_key_from_an_open_one_and_no_address_holds_it(open_page: Open, stack: Stack) -> None:
    address = entry(stack)
    page = live(open_page(address=address))
    code = address.split("code=")[1]
    assert code not in address_of(page)
    token = page.evaluate("sessionStorage.getItem('wfmon.token')")
    assert token
    assert token not in address_of(page)
    other = page.context.new_page()
    other.goto(stack.url("/"))
    live(other)
    assert token not in address_of(other)


def test_without_a_key_the_page_says_what_to_type(open_page: Open, stack: Stack) -> None:
    page = open_page(address=stack.url("/"))
    expect(page.locator("#entry")).to_contain_text("wfmon open")
    expect(page.locator("#sheet")).to_be_hidden()


def test_a_used_code_opens_nothing(open_page: Open, stack: Stack, troubles: object) -> None:
    troubles.expected = ("401",)  # type: ignore[attr-defined]
    address = entry(stack)
    live(open_page(address=address))
    page = open_page(address=address)
    expect(page.locator("#entry")).to_contain_text("has been used")
