"""`make demo` as a person runs it: two models found and seen through the tap, the page's word, the end by itself and by
Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.async_api import async_playwright, expect

from bus.home import Home
from demo.__main__ import MODELS
from demo.runtime import Runtime
from services.cli.supervisor import Supervisor
from tests.browser import ARGUMENTS, chromium
from tests.stack import free_port_base, kill_family, wait_until

WITHIN_S = 120.0


class Demo:
    """One run of the demonstration, on a home and ports of its own."""

    def __init__(self, home: Home, *words: str) -> None:
        self.home, self._log = home, home.root.parent / "said"
        command = [sys.executable, "-m", "demo", "--home", str(home.root), "--no-open"]
        command += ["--port-base", str(free_port_base()), *words]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.family: list[psutil.Process] = []

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_for_tokens(self) -> None:
        """Returns when both models have answered; notes what runs for it."""

        def talked() -> bool:
            assert self.process.poll() is None, self.said
            return all(f"  {model}: " in self.said for model in MODELS)

        wait_until(talked, WITHIN_S, "both models to answer")
        started = [self.process.pid, Supervisor(Home(self.home.root)).pid()]
        self.family = [one for pid in started if pid for one in psutil.Process(pid).children(recursive=True)]

    def check_nothing_is_left(self) -> None:
        """Neither a server of a model, nor the monitor, nor one of its services."""
        assert Supervisor(Home(self.home.root)).pid() is None
        left = [one for one in self.family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        assert left == []

    def page_address(self) -> str:
        """The page with a one-use code, as a person is told it."""
        command = [sys.executable, "-m", "services.cli", "--home", str(self.home.root), "url"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def requests(self) -> list[dict[str, object]]:
        """The records of what the tap measured."""
        home = Home(self.home.root)
        address = f"http://127.0.0.1:{home.ports.page}/api/v1/requests?limit=100"
        asked = urllib.request.Request(
            address, headers={"Authorization": f"Bearer {home.token_file.read_text().strip()}"}
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return list(json.load(answer)["requests"])


@pytest.fixture
def home(runtime: Runtime) -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="wf-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        made = Home(Path(folder) / "home")
        yield made
        if (pid := Supervisor(made).pid()) is not None:
            kill_family(pid)


async def test_two_models_are_seen_and_ctrl_c_stops_all(home: Home) -> None:
    demo = Demo(home)
    try:
        demo.wait_for_tokens()
        wait_until(lambda: set(MODELS) <= {one["model"] for one in demo.requests()}, 30, "both models' records")
        assert all(one["output_tokens"] for one in demo.requests() if one["status"] == 200)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
            page = await browser.new_page()
            await page.goto(demo.page_address())
            for model in MODELS:
                await expect(page.get_by_text(model).first).to_be_visible(timeout=60_000)
            await expect(page.get_by_text("demo model").first).to_be_visible(timeout=60_000)
            await browser.close()

        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(60) == 130, demo.said
        assert "Stopped." in demo.said
        assert " tokens in " in demo.said
        demo.check_nothing_is_left()
    finally:
        with contextlib.suppress(ProcessLookupError):
            kill_family(demo.process.pid)


async def test_it_ends_by_itself_after_so_many_requests(home: Home) -> None:
    demo = Demo(home, "--requests", "6")
    try:
        assert demo.process.wait(WITHIN_S) == 0, demo.said
        assert " tokens in 6 requests, 0 failed." in demo.said
        assert demo.said.count(" tokens in ") == 7  # a line an answer, and the sum
        demo.check_nothing_is_left()
    finally:
        with contextlib.suppress(ProcessLookupError):
            kill_family(demo.process.pid)
