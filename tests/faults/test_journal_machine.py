"""The journal and its cursor as a state machine, at full length (SECURITY R12)."""

import os
import subprocess
import sys

import pytest

from bus.home import REPOSITORY

STEPS = 50


def run_machine(runs: int) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "tests/bus/test_journal.py",
            "-k",
            "JournalAndCursor",
            "-p",
            "no:cacheprovider",
        ],
        cwd=REPOSITORY,
        env={**os.environ, "WFMON_JOURNAL_RUNS": str(runs)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    print(f"R12: {runs} runs of {STEPS} steps, 0 failures")


@pytest.mark.timeout(300)
def test_five_hundred_runs() -> None:
    run_machine(500)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_thousand_runs() -> None:
    run_machine(2000)
