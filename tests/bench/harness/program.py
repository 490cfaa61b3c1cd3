"""Programs that the bench starts beside ours: in a scratch folder, on loopback, stopped at the end."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.harness.figure import Unmeasurable


def find(*names: str) -> str:
    """The program's path; raises Unmeasurable "not installed"."""
    for name in names:
        if path := shutil.which(name, path="/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin") or shutil.which(name):
            return path
    raise Unmeasurable("not installed")


@contextmanager
def running(
    command: Sequence[str | Path], folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The program with its output in `<folder>/output.log`; SIGTERM at the end, SIGKILL 10 s later."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "output.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def get(url: str, timeout_s: float = 10.0, data: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url, data=data, timeout=timeout_s) as answer:
        body: bytes = answer.read()
        return body


def wait_for(url: str, process: subprocess.Popen[bytes], folder: Path, timeout_s: float = 20.0) -> None:
    """Returns when the URL answers; raises Unmeasurable with the end of the program's output."""

    def answers() -> bool:
        try:
            get(url, 1.0)
        except (urllib.error.URLError, OSError):
            return False
        return True

    _wait(answers, process, folder, timeout_s)


def wait_until_there(file: Path, process: subprocess.Popen[bytes], folder: Path, timeout_s: float = 20.0) -> None:
    """Returns when the program has written the file; raises Unmeasurable with the end of its output."""
    _wait(lambda: file.exists() and file.stat().st_size > 0, process, folder, timeout_s)


def _wait(done: Callable[[], bool], process: subprocess.Popen[bytes], folder: Path, timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not done():
        if process.poll() is not None or time.monotonic() > deadline_s:
            said = (folder / "output.log").read_text(errors="replace")[-300:]
            raise Unmeasurable(f"did not start: {said}")
        time.sleep(0.1)
