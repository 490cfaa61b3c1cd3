"""Why a process ended, as supervisord keeps it and as people read it."""

from __future__ import annotations

import os
import signal

import pytest

from bus.crash import end_of
from bus.supervisord import exit_status


def _wait_status(command: str) -> int:
    """What waitpid says of a shell that ends so."""
    return os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", command], os.environ), 0)[1]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_signal_is_kept_and_named(number: signal.Signals) -> None:
    status, _ = exit_status(_wait_status(f"kill -{number.value} $$"))
    assert end_of(status) == f"killed by {number.name}"


@pytest.mark.parametrize("code", [0, 1, 78])
def test_an_exit_status_stays_what_it_was(code: int) -> None:
    status, words = exit_status(_wait_status(f"exit {code}"))
    assert (status, words) == (code, f"exit status {code}")
    assert end_of(status) == words


def test_a_signal_that_nobody_kept_is_not_guessed() -> None:
    assert end_of(-1) == "killed by a signal"
