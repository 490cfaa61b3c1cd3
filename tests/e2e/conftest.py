"""The page in a real Chromium, on the real stack."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser import ARGUMENTS, chromium
from tests.stack import Stack, wait_until

# What has a bar of its own says its time; for the rest a busy machine only makes the test slower, not red.
expect.set_options(timeout=30_000)

# Runs before the page's own scripts: what the CSP stopped is kept, wherever it happened.
_WATCH_CSP = """
globalThis.cspReports = [];
document.addEventListener('securitypolicyviolation', (event) => {
    cspReports.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """All services, on a home and ports of their own, for all tests that do not break them for good."""
    with Stack() as running:
        # A channel that was opened before its service listened tries again on its own time.
        wait_until(
            lambda: all(answers(running, path) for path in ("health", "events", "settings")), 60, "the doors' answers"
        )
        yield running


def answers(stack: Stack, path: str) -> bool:
    try:
        api(stack, path)
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        return False
    except (urllib.error.URLError, TimeoutError):
        return False
    return True


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of the system."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield opened
        opened.close()


def api(stack: Stack, path: str, body: dict[str, Any] | None = None) -> Any:
    """A question to the gateway with the API token; POST where there is a body."""
    request = urllib.request.Request(
        stack.url(f"/api/v1/{path}"),
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {stack.token()}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def entry(stack: Stack) -> str:
    """The page's address with a fresh one-use code, as `wfmon open` makes it."""
    return stack.url(f"/#code={api(stack, 'code', {})['code']}")


class Troubles:
    """What a page must not have: console errors, exceptions, CSP reports."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.expected: tuple[str, ...] = ()

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.said.append(f"exception: {error}"))

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.said.append(f"{kind}: {text}")

    def check(self, pages: list[Page]) -> None:
        for page in pages:
            if not page.is_closed():
                self.said += [f"CSP: {report}" for report in page.evaluate("globalThis.cspReports ?? []")]
        assert not [said for said in self.said if not any(known in said for known in self.expected)]


Open = Callable[..., Page]


@pytest.fixture
def troubles() -> Troubles:
    """A test that breaks something names in `expected` what the browser will say about it."""
    return Troubles()


@pytest.fixture
def open_page(stack: Stack, browser: Browser, troubles: Troubles) -> Iterator[Open]:
    """Opens the page with a fresh code; at the end no console error, exception or CSP report may have come."""
    contexts: list[BrowserContext] = []

    def open_it(width: int = 1600, height: int = 900, address: str | None = None, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.add_init_script(_WATCH_CSP)
        context.on("page", troubles.watch)
        contexts.append(context)
        page = context.new_page()
        page.goto(entry(stack) if address is None else address)
        return page

    yield open_it
    try:
        troubles.check([page for context in contexts for page in context.pages if not page.is_closed()])
    finally:
        for context in contexts:
            context.close()


@contextmanager
def busy(program: str, count: int) -> Iterator[None]:
    """So many processes that each run `program` (Python) until the block ends."""
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
