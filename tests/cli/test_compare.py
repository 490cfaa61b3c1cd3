"""`wfmon compare` against a running tap: its table, what was measured before, the question, exit codes, Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator

import grpc
import pytest
from wfmonitor.v1.compare_service_pb2 import ListComparesRequest
from wfmonitor.v1.compare_service_pb2_grpc import CompareServiceStub

from services.cli.errors import FAILED, INTERRUPTED, OK, USAGE
from tests.cli.test_running import ENVIRONMENT, command
from tests.stack import Stack, wait_until
from tests.tap.conftest import Runtime, set_value
from tests.tap.runtime_shapes import MODEL

SHORT = ("--prompt-tokens", "16", "--output-tokens", "4", "--concurrency", "1,2", "--rounds", "2")
# Some hundred requests, so that it lasts until it is interrupted.
LONG = ("--prompt-tokens", "16,32,48,64", "--concurrency", "16", "--rounds", "20")
GONE = "gone"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A tap, the door to it, and a runtime behind it; another model's runtime is not there."""
    runtime = Runtime(owner="me")  # llama-cpp-python, which does not tell what is in memory
    with Stack(services=("forwarder", "governance", "gateway", "tap")) as running:
        set_value(running, "tap.find", False)
        set_value(running, "tap.routes", json.dumps({MODEL: runtime.url, GONE: "http://127.0.0.1:9"}))
        yield running
    runtime.kill()


def compare(stack: Stack, *words: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
    """One call; with `typed` its input is a terminal where that was typed."""
    ours, theirs = pty.openpty()
    try:
        if typed is not None:
            os.write(ours, f"{typed}\n".encode())
        return subprocess.run(
            command(stack.home, ("compare", *words)),
            stdin=subprocess.DEVNULL if typed is None else theirs,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)


def rows(printed: str) -> list[list[str]]:
    """The lines of a table that are about our model, as words."""
    return [line.split() for line in printed.splitlines() if MODEL in line]


def test_a_table_and_what_was_measured_before(stack: Stack) -> None:
    ended = compare(stack, MODEL, *SHORT, "--load")
    assert (ended.returncode, ended.stderr) == (OK, "")
    assert ended.stdout.startswith("MODEL")
    first, second = rows(ended.stdout)
    assert first[:4] == [MODEL, "16", "(12)", "1"]
    assert second[:4] == [MODEL, "16", "(12)", "2"]
    low, high = float(first[5].strip("[")), float(first[7].strip("]"))
    assert 0 < low <= float(first[4]) <= high
    assert first[-3:] == ["–", "–", "2"]  # nobody measures power or video memory here
    assert "median [p25 to p75]" in ended.stdout

    for named in ((), (MODEL,), (f"{MODEL}:latest",), (MODEL, "another")):
        before = compare(stack, "--history", *named)
        assert before.returncode == OK
        assert before.stdout.startswith("WHEN")
        assert [row[2:] for row in rows(before.stdout)] == [first, second], named
    told = [json.loads(line) for line in compare(stack, "--history", "--json").stdout.splitlines()]
    assert [cell["joules_per_token"] for cell in told[0]["cells"]] == [None, None]
    nothing = compare(stack, "--history", "another")
    assert (nothing.returncode, nothing.stdout) == (
        OK,
        "Nothing was compared yet of another: wfmon compare another\n",
    )


def test_what_does_not_answer_stands_in_the_table_and_in_the_exit_code(stack: Stack) -> None:
    ended = compare(stack, GONE, *SHORT, "--load")
    assert ended.returncode == FAILED
    assert "1 failed: " in ended.stdout


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        ((), USAGE, "name the models to compare"),
        ((MODEL, "--prompt-tokens", "many"), USAGE, "whole numbers"),
        ((MODEL, "--rounds", "-1"), USAGE, "below zero"),
        ((MODEL, "--rounds", "99"), FAILED, "rounds: 99 is not within 1 to 20"),
        ((MODEL,), FAILED, "agree with --load"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_mend(stack: Stack, words: tuple[str, ...], code: int, why: str) -> None:
    ended = compare(stack, *words)
    assert ended.returncode == code
    assert why in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_person_is_asked_before_a_model_is_loaded(stack: Stack) -> None:
    no = compare(stack, MODEL, *SHORT, typed="n")
    assert no.returncode == FAILED
    assert "takes memory and time" in no.stderr
    assert "nothing was loaded or measured" in no.stderr
    yes = compare(stack, MODEL, *SHORT, typed="y")
    assert yes.returncode == OK
    assert len(rows(yes.stdout)) == 2


def test_ctrl_c_ends_the_run_and_says_what_was_measured(stack: Stack) -> None:
    with (
        grpc.insecure_channel(f"unix:{stack.home.socket('tap')}") as channel,
        subprocess.Popen(
            command(stack.home, ("compare", MODEL, *LONG, "--load")),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        ) as process,
    ):
        tap = CompareServiceStub(channel)

        def measures() -> bool:
            run = tap.ListCompares(ListComparesRequest(limit=1), timeout=5).runs[0]
            return run.state == "running" and run.requests_done > 16

        wait_until(measures, 30, "the comparison to be under way")
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=30)
        assert process.returncode == INTERRUPTED, complained
        assert "It was ended before its end." in said
        assert rows(said)
        assert tap.ListCompares(ListComparesRequest(limit=1), timeout=5).runs[0].state == "cancelled"
