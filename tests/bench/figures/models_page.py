"""The page while eight models answer at once: slots filled, and the longest time that it keeps its main thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page

from tests.bench.figures.slots_filled import empty_page
from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Reference
from tests.bench.harness.live import browser_of, dashboard, stack_of
from tests.bench.harness.token_source import telling
from tests.e2e.trace import record, record_tasks

MODELS, RATE_HZ = 8, 100.0
SPAN_S = 20.0
_SETTLE_S = 12.0  # the band holds ten seconds of tokens, and is then as full as it gets
_FLOWS = "() => document.querySelector('#panel-energy .lane-state.flowing') !== null"


def _tokens(bench: Bench) -> None:
    """Told for the whole figure, so that the empty page bears what they cost the machine too."""
    bench.hold("tokens", lambda: telling(stack_of(bench).home, MODELS, RATE_HZ))


@contextmanager
def _page(bench: Bench) -> Iterator[Page]:
    _tokens(bench)
    with dashboard(stack_of(bench), browser_of(bench)) as page:
        page.wait_for_function(_FLOWS)
        page.wait_for_timeout(1000 * bench.seconds(_SETTLE_S, 1.0))
        yield page


def _filled(bench: Bench, page: Page, name: str) -> float:
    slots = record(browser_of(bench), page, bench.seconds(SPAN_S, 3.0))
    bench.note(f"round {bench.round + 1}, {name}: {slots}")
    return 100.0 * slots.filled_ratio


def filled(bench: Bench) -> float:
    with _page(bench) as page:
        value = _filled(bench, page, "page")
        bench.note(f"round {bench.round + 1}: {page.locator('#panel-frames').inner_text().replace(chr(10), ' ')}")
        return value


def empty(bench: Bench) -> float:
    _tokens(bench)
    with empty_page(browser_of(bench)) as page:
        page.wait_for_timeout(1000 * bench.seconds(_SETTLE_S, 0.5))
        return _filled(bench, page, "empty")


def blocked(bench: Bench) -> float:
    with _page(bench) as page:
        tasks = record_tasks(browser_of(bench), page, bench.seconds(SPAN_S, 3.0))
    bench.note(f"round {bench.round + 1}: main thread busy {100 * tasks.busy_ratio:.1f} % of the time")
    return tasks.longest_ms


SLOTS = Figure(
    "models_slots",
    "page, 8 models at 100 tokens/s each: vsync slots filled",
    "%",
    filled,
    bar=99.0,
    at_least=True,
    references=(Reference("empty animated page", empty, "floor", extra=1.0),),
)
BLOCKED = Figure("models_blocked", "the same: main thread's longest task, CPU", "ms", blocked, bar=16.0)
