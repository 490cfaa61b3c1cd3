"""Vsync slots filled by the page, by the browser's own trace, against an empty page that only animates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Reference
from tests.bench.harness.live import browser_of, dashboard, stack_of
from tests.e2e.trace import record

SPAN_S = 20.0
_SETTLE_S = 3.0  # its history has come and is drawn
# One pixel of it changes in each frame, so that each slot has something to show.
_EMPTY = """<!doctype html><body><div id=dot style="width:9px;height:9px;background:red"></div><script>
const dot = document.getElementById('dot');
const step = (now) => { dot.style.transform = `translateX(${now / 10 % 100}px)`; requestAnimationFrame(step); };
requestAnimationFrame(step);
</script>"""


@contextmanager
def empty_page(browser: Browser) -> Iterator[Page]:
    """What this browser on this machine can do at all now."""
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    page = context.new_page()
    page.set_content(_EMPTY)
    yield page
    context.close()


def _filled(bench: Bench, page: Page) -> float:
    page.wait_for_timeout(1000 * bench.seconds(_SETTLE_S, 0.5))
    slots = record(browser_of(bench), page, bench.seconds(SPAN_S, 3.0))
    bench.note(f"round {bench.round + 1}: {slots}")
    return 100.0 * slots.filled_ratio


# Each is alone in the browser while it is counted: a headless one draws every page that is open.
def measure(bench: Bench) -> float:
    with dashboard(stack_of(bench), browser_of(bench)) as page:
        return _filled(bench, page)


def empty(bench: Bench) -> float:
    with empty_page(browser_of(bench)) as page:
        return _filled(bench, page)


FIGURE = Figure(
    "slots_filled",
    "page 1600×900, no GPU: vsync slots filled",
    "%",
    measure,
    bar=99.0,
    at_least=True,
    references=(Reference("empty animated page", empty, "floor", extra=1.0),),
)
