"""supervisord sees a child's end when it comes, and what that causes in the same breath."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from bus.prompt_poller import PromptPoller


@pytest.fixture
def poller() -> Iterator[PromptPoller]:
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    made = PromptPoller(SimpleNamespace())
    yield made
    made.close()
    signal.signal(signal.SIGCHLD, before)


def waited_s(poller: PromptPoller, timeout_s: float) -> float:
    began_s = time.monotonic()
    poller.poll(timeout_s)
    return time.monotonic() - began_s


def test_the_end_of_a_child_ends_the_wait(poller: PromptPoller) -> None:
    assert waited_s(poller, 0) < 5
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    child.kill()
    assert waited_s(poller, 20) < 10
    child.wait()
    # It was heard: the next wait is a whole one.
    assert waited_s(poller, 0.2) >= 0.2


def test_what_it_caused_is_not_waited_for(poller: PromptPoller) -> None:
    poller.again = True
    assert waited_s(poller, 20) < 10
    assert waited_s(poller, 0.2) >= 0.2


def test_its_own_descriptor_is_none_of_supervisords(poller: PromptPoller) -> None:
    readable, writable = os.pipe()
    poller.register_readable(readable)
    os.write(writable, b"x")
    subprocess.run(["true"], check=True)
    assert poller.poll(1) == ([readable], [])
    for number in (readable, writable):
        os.close(number)
