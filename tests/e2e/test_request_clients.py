"""Who asked, in the panel of the requests: by consent, under a name, and gone with the consent from the next one on."""

from __future__ import annotations

import json
import urllib.request

from playwright.sync_api import expect

from tests.e2e.conftest import Open, api
from tests.e2e.test_compare import runtime
from tests.stack import Stack, wait_until
from tests.tap.conftest import Runtime
from tests.tap.runtime_shapes import MODEL
from tests.tap.test_clients import consent

__all__ = ["runtime"]


def ask(stack: Stack, agent: str, tokens: int) -> None:
    """A generation through the tap."""
    headers = {"User-Agent": agent, "Content-Type": "application/json", "X-Script": json.dumps({"tokens": tokens})}
    body = json.dumps({"model": MODEL, "stream": True}).encode()
    url = f"http://127.0.0.1:{stack.home.ports.tap}/v1/chat/completions"
    urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60).read()


def clients(stack: Stack) -> list[str]:
    return [one["client"] for one in api(stack, "clients")["clients"]]


def test_who_asked_is_shown_by_consent_and_how_to_give_it(open_page: Open, stack: Stack, runtime: Runtime) -> None:
    ask(stack, "before/1", 3)
    page = open_page()
    part = page.locator("#panel-requests .clients")
    expect(part).to_contain_text("Who asks is not recorded. To agree: wfmon settings set privacy.record.client true")
    expect(part.locator("tbody tr")).to_have_count(0)
    with consent(stack):
        # The consent reaches the tap on its own way.
        wait_until(lambda: ask(stack, "editor/1", 4) or bool(clients(stack)), 30, "the first request with a client")
        (mine,) = clients(stack)
        ask(stack, "other/1", 7)
        wait_until(lambda: len(clients(stack)) == 2, 30, "two clients")
        (another,) = set(clients(stack)) - {mine}
        rows = part.locator("tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.filter(has_text=mine)).to_have_count(1)
        expect(part).to_contain_text("wfmon requests name-client HASH NAME")
        other = rows.filter(has_text=another).locator("td")
        assert other.nth(1).inner_text() == "1"
        assert other.nth(3).inner_text() == "7"
        assert other.nth(5).inner_text() == "–"  # nobody measures power here
        expect(other.nth(6)).to_be_hidden()  # no tariff is set
    expect(part).to_contain_text("Who asks is not recorded")
    expect(rows).to_have_count(2)
