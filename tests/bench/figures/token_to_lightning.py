"""From a token to its lightning on the screen: scripted runtime, tap, bus, gateway, page; seen in the page's pixels.

The token says when its runtime made it, a little before it reaches the tap; the lightning counts from the frame in
which the canvas shows it to the page. The floor is the browser alone: a worker's canvas that a timer tells to draw.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Reference, Unmeasurable
from tests.bench.harness.lightning import Seen, clock_offset_ms, lags_ms, stream, watch, watched
from tests.bench.harness.live import browser_of, dashboard, stack_of
from tests.bench.harness.ranks import percentile
from tests.bench.harness.tapped import ports_of

GAP_MS = 150.0
TOKENS = 200
_WARM_TOKENS = 12
_MODEL = "tiny-test-model"
_LEAST_SEEN = 0.5
# Models of a figure before may be going quiet, and lanes move up meanwhile.
_MOST_LOOKS = 3
# A spark a message, at the right edge of a canvas as wide as the band's, moving left as its lane does.
_BARE = """<!doctype html><body><canvas id=band style="width:895px;height:198px"></canvas><script type=module>
const work = () => {
    let pen, last = 0;
    const made = [];
    const draw = () => {
        pen.fillStyle = '#0f172a';
        pen.fillRect(0, 0, 895, 198);
        pen.fillStyle = '#fbbf24';
        for (const at of made.slice(-8)) {
            pen.fillRect(893 - (performance.timeOrigin + performance.now() - at) * 0.0894, 80, 3, 40);
        }
        requestAnimationFrame(draw);
    };
    onmessage = ({data}) => {
        if (data.canvas) {
            pen = data.canvas.getContext('2d', {alpha: false});
            draw();
        } else if (data.made) {
            made.push(data.made);
        }
    };
};
const worker = new Worker(URL.createObjectURL(new Blob([`(${work})()`])));
const canvas = document.getElementById('band');
canvas.width = 895; canvas.height = 198;
const off = canvas.transferControlToOffscreen();
worker.postMessage({canvas: off}, [off]);
globalThis.made = [];
setInterval(() => {
    const now = performance.timeOrigin + performance.now();
    globalThis.made.push(now);
    worker.postMessage({made: now});
}, 150);
</script>"""


def _count(bench: Bench) -> int:
    return 30 if bench.quick else TOKENS


def _told(bench: Bench, name: str, found: list[float], tokens: int) -> float:
    if len(found) < _LEAST_SEEN * tokens:
        raise Unmeasurable(f"of {tokens} lightnings {len(found)} were seen one by one: the machine is too busy")
    p50, p95 = percentile(found, 50), percentile(found, 95)
    bench.note(f"round {bench.round + 1}, {name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, {len(found)} of {tokens} seen")
    return p95


def _lane_middle_px(page: Page) -> float:
    lane = page.locator("#panel-energy .lanes li").filter(has_text=_MODEL)
    lane.wait_for(timeout=30_000)
    middle: float = lane.evaluate("(row) => parseFloat(row.style.top)")
    return middle


def measure(bench: Bench) -> float:
    ways, tokens = ports_of(bench), _count(bench)
    with dashboard(stack_of(bench), browser_of(bench)) as page:
        page.select_option("#rate", "0")  # full detail, however busy the machine is
        _in_thread(page, lambda: stream(ways.tap, _WARM_TOKENS, GAP_MS))
        for _ in range(_MOST_LOOKS):
            middle_px, offset_ms = _lane_middle_px(page), clock_offset_ms(page)
            watch(page, "#panel-energy canvas", middle_px)
            made_ms = _in_thread(page, lambda: stream(ways.tap, tokens, GAP_MS))
            seen, px_a_ms = watched(page)
            if _lane_middle_px(page) == middle_px:
                break
        else:
            raise Unmeasurable("the lane did not stay at its place: other models come and go")
    ours = [Seen(time_ms - offset_ms, away_px) for time_ms, away_px in seen]
    return _told(bench, "page", lags_ms(made_ms, ours, px_a_ms), len(made_ms))


def _in_thread(page: Page, read: Callable[[], list[float]]) -> list[float]:
    """The stream is read beside the page, whose messages are served meanwhile."""
    found: list[float] = []
    reader = threading.Thread(target=lambda: found.extend(read()))
    reader.start()
    while reader.is_alive():
        page.wait_for_timeout(100)
    return found


@contextmanager
def _bare_page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    page = context.new_page()
    page.set_content(_BARE)
    yield page
    context.close()


def bare(bench: Bench) -> float:
    tokens = _count(bench)
    with _bare_page(browser_of(bench)) as page:
        page.wait_for_timeout(1000)
        watch(page, "#band", 100)
        page.wait_for_timeout(tokens * GAP_MS)
        seen, px_a_ms = watched(page)
        made_ms: list[float] = page.evaluate("globalThis.made")
    fresh_ms = [one for one in made_ms if seen and one > seen[0].time_ms]
    return _told(bench, "bare", lags_ms(fresh_ms, seen[1:], px_a_ms), len(fresh_ms))


FIGURE = Figure(
    "token_to_lightning",
    "token of a runtime, through the tap, to its lightning on the screen: p95",
    "ms",
    measure,
    bar=50.0,
    references=(Reference("browser alone", bare, "floor"),),
)
