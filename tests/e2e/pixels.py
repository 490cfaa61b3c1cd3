"""What is drawn in a canvas, asked of its pixels."""

from __future__ import annotations

from playwright.sync_api import Page

_COUNT = """([selector, token]) => {
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
        const solid = data[at + 3] === 255;
        if (solid && near(data[at], red) && near(data[at + 1], green) && near(data[at + 2], blue)) found++;
    }
    return found;
}"""


def of_token(page: Page, selector: str, token: str) -> int:
    """How many opaque pixels of a canvas have the colour of a CSS token."""
    count: int = page.evaluate(_COUNT, [selector, token])
    return count
