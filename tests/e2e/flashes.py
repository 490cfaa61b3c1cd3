"""A flash analyser after WCAG 2.3.1, over frames of relative luminance. Pure but for `capture`.

A general flash is a pair of opposing changes of relative luminance by 10 % or more of the greatest, where the darker
image is below 0.80. More than three in one second are a danger where they fill a quarter of any 341 × 256 px.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page

REGION_PX = (256, 341)
CHANGE = 0.10
DARK = 0.80
MOST_A_SECOND = 3

_CAPTURE = """async ([selector, width, seconds]) => {
    const canvas = document.querySelector(selector), ratio = devicePixelRatio;
    const wide = Math.min(Math.round(width * ratio), canvas.width), high = canvas.height;
    const copy = new OffscreenCanvas(wide, high).getContext('2d', {willReadFrequently: true});
    const linear = Float32Array.from({length: 256}, (_, at) => {
        const share = at / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    const times = [], frames = [];
    const begun = performance.now();
    while (performance.now() - begun < seconds * 1000) {
        const now = await new Promise(requestAnimationFrame);
        copy.drawImage(canvas, wide - canvas.width, 0);
        const {data} = copy.getImageData(0, 0, wide, high), seen = new Uint8Array(wide * high);
        for (let at = 0; at < seen.length; at++) {
            const light = 0.2126 * linear[data[4 * at]] + 0.7152 * linear[data[4 * at + 1]]
                + 0.0722 * linear[data[4 * at + 2]];
            seen[at] = Math.round(255 * light);
        }
        times.push(now / 1000);
        frames.push(seen);
    }
    const texts = frames.map((seen) => {
        let text = '';
        for (let at = 0; at < seen.length; at += 8192) text += String.fromCharCode(...seen.subarray(at, at + 8192));
        return btoa(text);
    });
    return {width: wide, height: high, times, texts};
}"""

Light = npt.NDArray[np.float32]


class Film(NamedTuple):
    """Frames as they were presented."""

    times_s: npt.NDArray[np.float64]
    light: Light
    """Relative luminance, 0 to 1: frame, row, column."""


def capture(page: Page, selector: str, width: int, seconds: float) -> Film:
    """The right `width` px of a canvas, frame by frame."""
    seen = page.evaluate(_CAPTURE, [selector, width, seconds])
    frames = [np.frombuffer(base64.b64decode(text), np.uint8) for text in seen["texts"]]
    light = np.stack(frames).reshape(-1, seen["height"], seen["width"]).astype(np.float32) / 255
    return Film(np.array(seen["times"]), light)


def changes(light: Light) -> npt.NDArray[np.int16]:
    """Opposing changes of each pixel up to and with each frame: they swing from one extreme to another by 10 %."""
    low, high = light[0].copy(), light[0].copy()
    rising, falling = np.zeros(low.shape, bool), np.zeros(low.shape, bool)
    count = np.zeros(light.shape, np.int16)
    for at in range(1, len(light)):
        now = light[at]
        low, high = np.minimum(low, now), np.maximum(high, now)
        up = (now - low >= CHANGE) & (low < DARK) & ~rising
        down = (high - now >= CHANGE) & (now < DARK) & ~falling & ~up
        count[at] = count[at - 1] + up + down
        high = np.where(up | down, now, high)
        low = np.where(up | down, now, low)
        rising, falling = np.where(down, False, rising | up), np.where(up, False, falling | down)
    return count


def flashing_px(film: Film) -> int:
    """The most pixels in any region of 341 × 256 px that flash more than three times in one second."""
    count, most = changes(film.light), 0
    for at, time_s in enumerate(film.times_s):
        first = int(np.searchsorted(film.times_s, time_s - 1.0))
        flashes = (count[at] - count[first]) // 2
        most = max(most, in_region(flashes > MOST_A_SECOND))
    return most


def brightened_px(film: Film) -> int:
    """The most pixels in any region that brighten by 10 % or more from one frame to the next."""
    steps = np.diff(film.light, axis=0) >= CHANGE
    return max((in_region(step) for step in steps), default=0)


def came_late(film: Film) -> bool:
    """Whether a picture that ought to move stood for a frame: the next one shows what two would have."""
    return not np.diff(film.light, axis=0).any(axis=(1, 2)).all()


def in_region(marked: npt.NDArray[np.bool_]) -> int:
    """The most marked pixels in any 341 × 256 of them."""
    total = np.pad(marked.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    high, wide = (min(side, length) for side, length in zip(REGION_PX, marked.shape, strict=True))
    sums = total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]
    return int(sums.max())
