"""From the start of `wfmon up` to the first live pixel: the command, the services, the page in a browser that is open.

A fresh home, a warm venv. The clock stops when the CPU panel shows a number and its canvas has pixels that are not all
alike, seen from outside the page.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time

from bus.home import REPOSITORY
from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Unmeasurable
from tests.bench.harness.live import HAS_NUMBER, browser_of
from tests.stack import free_port_base

_ADDRESS = re.compile(rb"http://127\.0\.0\.1:\d+/#code=\S+")
# A pixel that was drawn upon: transparent ones are all zero.
_DRAWN = """() => {
    const canvas = document.querySelector('#panel-cpu canvas');
    if (!canvas) return false;
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.some((byte) => byte > 0);
}"""


def measure(bench: Bench) -> float:
    browser = browser_of(bench)
    home = bench.scratch / f"start{bench.round}"
    wfmon = [sys.executable, "-m", "services.cli"]
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    page = context.new_page()
    ports = str(free_port_base())
    try:
        began_s = time.monotonic()
        up = subprocess.run(
            [*wfmon, "up", "--detach", "--no-open", "--home", home, "--port-base", ports],
            cwd=REPOSITORY,
            capture_output=True,
            timeout=60,
            check=False,
        )
        ready_s = time.monotonic()
        address = _ADDRESS.search(up.stdout)
        if up.returncode or address is None:
            raise Unmeasurable(f"wfmon up ended with {up.returncode}: {(up.stderr or up.stdout).decode()[-200:]}")
        page.goto(address[0].decode())
        page.wait_for_function(HAS_NUMBER, timeout=20_000)
        page.wait_for_function(_DRAWN, timeout=20_000)
        ended_s = time.monotonic()
    finally:
        context.close()
        subprocess.run([*wfmon, "down", "--home", home], cwd=REPOSITORY, capture_output=True, timeout=60, check=False)
    bench.note(f"round {bench.round + 1}: command returned after {ready_s - began_s:.2f} s")
    return ended_s - began_s


FIGURE = Figure("start", "start of `wfmon up` to the first live pixel", "s", measure, bar=3.0)
