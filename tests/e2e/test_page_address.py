"""No address that a browser keeps or sends holds the token, or the code that was exchanged for it (SECURITY S8)."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, entry
from tests.stack import Stack


def history(page: Page) -> list[str]:
    """Every address of the tab's history, the present one too, as the browser keeps them."""
    session = page.context.new_cdp_session(page)
    return [one["url"] for one in session.send("Page.getNavigationHistory")["entries"]]


def test_no_secret_is_in_an_address_of_the_page(stack: Stack, open_page: Open) -> None:
    address = entry(stack)
    page = open_page(address="about:blank")
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.context.on("request", lambda request: asked.append(request.headers.get("referer", "")))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(address)
    expect(page.locator("#connection-text")).to_contain_text("connected,")
    secrets = {
        "the token": stack.token(),
        "the page's token": page.evaluate("sessionStorage.getItem('wfmon.token')"),
        "the used code": address.split("code=")[1],
    }
    assert all(secrets.values())
    first = asked.pop(asked.index(address)) if address in asked else ""  # the one that `wfmon open` gave
    page.keyboard.press("2")  # a range: the address changes
    page.reload()
    expect(page.locator("#connection-text")).to_contain_text("connected,")
    other = page.context.new_page()
    other.goto(stack.url("/"))
    expect(other.locator("#connection-text")).to_contain_text("connected,")
    kept = [where for tab in (page, other) for where in (*history(tab), tab.evaluate("location.href"))]
    kept += [tab.evaluate("document.referrer + window.name + document.title") for tab in (page, other)]
    hits = [f"{name} in {where}" for where in kept + asked for name, secret in secrets.items() if secret in where]
    print(
        f"S8: {len(kept)} addresses that a browser keeps and {len(asked)} that it asked after the page's load"
        f"{'' if first else ' (the fragment never left it)'}, {len(hits)} with a token or the code"
    )
    assert len(asked) > 20
    assert hits == []
