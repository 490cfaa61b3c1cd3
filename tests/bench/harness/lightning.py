"""When a lightning is seen: pixels at the right edge of a canvas, looked at in each frame of its page.

The watcher knows nothing of the page's own figures. A token's lightning is the amber that comes up farther right than
the one before; where it stands says which token it is, and when it is seen is the start of the next frame's callback.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from bisect import bisect_left
from typing import NamedTuple

from playwright.sync_api import Page

_STAMP = re.compile(rb'"content": ?"(\d{6,})"')
_SYNC_ROUNDS = 12
# Amber over the band's blue, seen just beside the ribbon, where a stroke is widest.
_WATCH = """([selector, middle]) => {
    const canvas = document.querySelector(selector), ratio = canvas.width / canvas.clientWidth;
    const wide = Math.round(140 * ratio), high = Math.round(4 * ratio), top = Math.round((middle - 8) * ratio);
    const copy = new OffscreenCanvas(wide, high).getContext('2d', {willReadFrequently: true});
    const watch = globalThis.lightning = {seen: [], on: true, px_a_ms: (canvas.clientWidth - 1) / 10_000};
    let last = NaN;
    const look = () => {
        if (!watch.on) return;
        requestAnimationFrame(look);
        const now = performance.timeOrigin + performance.now();
        copy.drawImage(canvas, canvas.width - wide, top, wide, high, 0, 0, wide, high);
        const {data} = copy.getImageData(0, 0, wide, high);
        let away = NaN;
        for (let x = wide - 1; x >= 0 && away !== away; x--) {
            for (let y = 0; y < high; y++) {
                const at = 4 * (y * wide + x);
                if (data[at] - data[at + 2] > 40) away = (wide - 1 - x) / ratio;
            }
        }
        if (away < last - 4 || (away === away && last !== last)) watch.seen.push([now, away]);
        last = away;
    };
    requestAnimationFrame(look);
}"""


class Seen(NamedTuple):
    """Lightning that came up: when, on the page's clock, and how far from the right edge it stood."""

    time_ms: float
    away_px: float


def watch(page: Page, selector: str, middle_px: float) -> None:
    """Begins to look at the lane whose ribbon lies so far below the canvas's top."""
    page.evaluate(_WATCH, [selector, middle_px])


def watched(page: Page) -> tuple[list[Seen], float]:
    """Ends it: what was seen, and how many px a millisecond is wide."""
    found = page.evaluate("() => { globalThis.lightning.on = false; return globalThis.lightning; }")
    return [Seen(*one) for one in found["seen"]], found["px_a_ms"]


def clock_offset_ms(page: Page) -> float:
    """The page's clock less this process's monotonic one, by the quickest question; half of that is the error."""
    found = []
    for _ in range(_SYNC_ROUNDS):
        before_s = time.monotonic()
        theirs_ms: float = page.evaluate("performance.timeOrigin + performance.now()")
        after_s = time.monotonic()
        found.append((after_s - before_s, theirs_ms - 500.0 * (before_s + after_s)))
    return min(found)[1]


def stream(port: int, tokens: int, gap_ms: float) -> list[float]:
    """A streamed answer through that port; when its runtime made each token, ms of the monotonic clock."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    script = {"tokens": tokens, "gap_ms": gap_ms, "stamp": True}
    body = json.dumps({"model": "tiny-test-model", "stream": True})
    headers = {"Content-Type": "application/json", "X-Script": json.dumps(script)}
    connection.request("POST", "/v1/chat/completions", body, headers)
    answer = connection.getresponse().read()
    connection.close()
    return [int(stamp) / 1e6 for stamp in _STAMP.findall(answer)]


def lags_ms(made_ms: list[float], seen: list[Seen], px_a_ms: float) -> list[float]:
    """From each token that was seen to its lightning; both on one clock, `made_ms` in order.

    >>> lags_ms([1000.0, 1150.0], [Seen(1030.0, 2.5), Seen(1190.0, 3.5)], 0.09)
    [30.0, 40.0]
    """
    found: dict[float, float] = {}
    for time_ms, away_px in seen:
        about_ms = time_ms - away_px / px_a_ms
        at = bisect_left(made_ms, about_ms)
        made = min(made_ms[max(at - 1, 0) : at + 1], key=lambda one: abs(one - about_ms))
        found.setdefault(made, time_ms - made)
    return [found[made] for made in sorted(found)]
