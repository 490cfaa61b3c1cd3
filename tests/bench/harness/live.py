"""The real stack and a real browser, as the figures meet them."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from playwright.sync_api import Browser, Page, sync_playwright
from wfmonitor.v1.metrics_service_pb2 import StorageRequest
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Unmeasurable
from tests.browser import ARGUMENTS, chromium
from tests.stack import Stack, wait_until

# After READY: first scans, first chunks, first garbage collections are over.
SETTLE_S = 20.0
FLUSH_S = 10.0


@contextmanager
def _settled(seconds: float) -> Iterator[Stack]:
    with Stack() as stack:
        time.sleep(seconds)  # a start is another figure
        yield stack


def stack_of(bench: Bench) -> Stack:
    """All services at their default rates, warm, nobody looking; one for the whole run."""
    return bench.hold("stack", lambda: _settled(bench.seconds(SETTLE_S, 2.0)), whole_run=True)


@contextmanager
def _chromium() -> Iterator[Browser]:
    try:
        program = chromium()
    except FileNotFoundError as error:
        raise Unmeasurable(str(error)) from None
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield opened
        opened.close()


def browser_of(bench: Bench) -> Browser:
    """Headless Chromium without a GPU; one a figure, so that an idle one costs the next figure nothing."""
    return bench.hold("browser", _chromium)


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
    """The page's address with a fresh one-use code."""
    return stack.url(f"/#code={api(stack, 'code', {})['code']}")


@contextmanager
def dashboard(stack: Stack, browser: Browser) -> Iterator[Page]:
    """The page at 1600×900, live when the block begins."""
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    page = context.new_page()
    page.goto(entry(stack))
    page.wait_for_function(HAS_NUMBER)
    yield page
    context.close()


# A digit in the CPU panel's big number: before the first value has come it is a dash.
HAS_NUMBER = "() => /[0-9]/.test(document.querySelector('#panel-cpu .tile b')?.textContent ?? '')"


def page_of(bench: Bench) -> Page:
    """The dashboard, open at 1600×900 and live; one a figure."""
    return bench.hold("page", lambda: dashboard(stack_of(bench), browser_of(bench)))


def metrics(stack: Stack) -> MetricsServiceStub:
    """The aggregator's own socket."""
    return MetricsServiceStub(grpc.insecure_channel(f"unix:{stack.home.socket('aggregator')}"))


def stored_samples(stack: Stack) -> int:
    """Samples in committed chunks, read just after a commit: chunks come in steps of ten seconds."""
    ask = metrics(stack).Storage

    def now() -> int:
        return sum(tier.samples for tier in ask(StorageRequest()).tiers)

    before = now()
    wait_until(lambda: now() != before, 3 * FLUSH_S, "the next chunks to be committed")
    return now()
