"""What is drawn in a canvas, asked of its pixels."""

from __future__ import annotations

from playwright.sync_api import Page

_COUNT = """([selector, token, least]) => {
    const hex = getComputedStyle(document.documentElement).getPropertyValue(token).trim();
    const value = parseInt(hex.slice(1), 16);
    const [red, green, blue] = [(value >> 16) & 255, (value >> 8) & 255, value & 255];
    const canvas = document.querySelector(selector);
    // A copy is read, so the page's own canvas stays what the browser made it.
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    const {data} = copy.getImageData(0, 0, canvas.width, canvas.height);
    const near = (a, b) => Math.abs(a - b) < 3;
    let found = 0;
    for (let at = 0; at < data.length; at += 4) {
        const solid = data[at + 3] >= least;
        if (solid && near(data[at], red) && near(data[at + 1], green) && near(data[at + 2], blue)) found++;
    }
    return found;
}"""


def of_token(page: Page, selector: str, token: str, least_alpha: int = 255) -> int:
    """How many pixels of a canvas, of at least so much alpha, have the colour of a CSS token.

    A slanting line has no opaque pixel of its own: it covers nine tenths of those on its way.
    """
    count: int = page.evaluate(_COUNT, [selector, token, least_alpha])
    return count
