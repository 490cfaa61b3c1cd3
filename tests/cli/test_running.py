"""wfmon with the real stack: up, everything that asks it, down. One start for all of them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bus.home import Home
from bus.supervision import LISTENER, SERVICES
from services.cli.supervisor import Supervisor
from tests.stack import free_port_base, kill_family, wait_until

ENVIRONMENT = {**os.environ, "PYTHONPATH": ".:proto", "TERM": "xterm-256color"}


def command(home: Home, words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "services.cli", "--home", str(home.root), *words]


def wfmon(home: Home, *words: str, code: int = 0) -> str:
    """What a command prints; fails the test where its exit code is another than `code`."""
    ended = subprocess.run(
        command(home, words), capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False
    )
    assert ended.returncode == code, f"{words}: exit code {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    assert "Traceback" not in ended.stderr
    return ended.stdout if code == 0 else ended.stdout + ended.stderr


@contextlib.contextmanager
def temporary_home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="wf-", dir="/tmp", ignore_cleanup_errors=True) as name:
        home = Home(Path(name) / "my 50% home")
        try:
            yield home
        finally:
            if (pid := Supervisor(home).pid()) is not None:
                kill_family(pid)


@pytest.fixture(scope="module")
def running() -> Iterator[Home]:
    with temporary_home() as home:
        wfmon(home, "up", "--detach", "--no-open", "--port-base", str(free_port_base()))
        yield home


def test_home_is_private_to_the_last_file(running: Home) -> None:
    wide = [path for path in running.root.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077]
    assert wide == []


def test_status_says_that_all_is_ready(running: Home) -> None:
    said = json.loads(wfmon(running, "status", "--json"))
    assert said["running"]
    states = {service["name"]: (service["process"], service["health"]) for service in said["services"]}
    assert set(states.values()) == {("running", "ready")}
    assert set(states) == {*SERVICES, LISTENER}
    assert "ready" in wfmon(running, "status")


def test_second_up_says_that_it_runs_and_where(running: Home) -> None:
    said = wfmon(running, "up", "--detach", "--no-open")
    assert "already running" in said
    assert f"http://127.0.0.1:{running.ports.page}/#code=" in said
    assert "wfmon down" in wfmon(running, "up", "--port-base", "23450", code=1)


def exchange(home: Home, code: str) -> int:
    address = f"http://127.0.0.1:{home.ports.page}"
    request = urllib.request.Request(
        f"{address}/api/v1/session",
        data=json.dumps({"code": code}).encode(),
        headers={"Content-Type": "application/json", "Origin": address},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_printed_address_opens_the_page_once(running: Home) -> None:
    address = wfmon(running, "url").strip()
    page, _, code = address.partition("#code=")
    assert page == f"http://127.0.0.1:{running.ports.page}/"
    assert exchange(running, code) == 200
    assert exchange(running, code) == 401


def test_watch_prints_one_object_a_value_as_it_comes(running: Home) -> None:
    words = ["watch", "system.cpu.percent.avg", "system.mem.percent.last", "--json"]
    watching = subprocess.Popen(
        command(running, words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    assert watching.stdout is not None
    seen = [json.loads(watching.stdout.readline()) for _ in range(20)]
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert errors == b""
    assert {(value["metric"], value["stat"]) for value in seen} == {
        ("system.cpu.percent", "avg"),
        ("system.mem.percent", "last"),
    }
    times = sorted({value["time_us"] for value in seen})
    assert all(later - earlier == 100_000 for earlier, later in itertools.pairwise(times))


def test_watch_ends_without_a_word_when_its_reader_goes(running: Home) -> None:
    watching = subprocess.Popen(
        command(running, ["watch", "system.cpu.percent.avg"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert watching.stdout is not None
    assert watching.stderr is not None
    watching.stdout.readline()
    watching.stdout.close()
    assert watching.wait(60) == 141
    assert watching.stderr.read() == b""
    watching.stderr.close()


def test_watch_goes_on_when_the_aggregator_is_killed_and_started_again(running: Home) -> None:
    words = ["watch", "system.cpu.percent.last", "--json"]
    watching = subprocess.Popen(
        command(running, words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    assert watching.stdout is not None
    before = json.loads(watching.stdout.readline())
    os.kill(int(running.pid_file("aggregator").read_text()), signal.SIGKILL)
    killed_us = time.time_ns() // 1000
    after = before
    while after["time_us"] < killed_us + 1_000_000:
        after = json.loads(watching.stdout.readline())
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert errors.count(b"Waiting for it") <= 1


def test_query_gives_the_same_rows_in_every_form(running: Home) -> None:
    wait_until(lambda: bool(wfmon(running, "query", "system.mem.percent", "--last", "5s").strip()), 60, "recorded rows")
    [head, *lines] = wfmon(running, "query", "system.mem.percent", "--last", "5s", "--csv").splitlines()
    assert head == "time_us,metric,source,labels,value"
    assert len(lines) >= 2
    series = json.loads(wfmon(running, "query", "system.mem.percent", "--last", "5s", "--json").splitlines()[0])
    assert (series["metric"], series["source"], series["unit"]) == ("system.mem.percent", "system", "percent")
    assert len(series["times_us"]) == len(series["values"]) >= 2
    both = {(int(line.split(",")[0]), float(line.split(",")[4])) for line in lines}
    assert both & set(zip(series["times_us"], series["values"], strict=True))


def test_query_of_a_statistic_without_a_step_says_what_is_missing(running: Home) -> None:
    for words in (("system.mem.percent", "--stat", "p95"), ("system.mem.percent.p95",)):
        assert "--step" in wfmon(running, "query", *words, code=2)
    assert wfmon(running, "query", "system.mem.percent.p95", "--step", "1s", "--last", "5s")


def test_setting_is_changed_undone_and_both_stand_in_the_audit_chain(running: Home) -> None:
    key = "collector.rate.trend_hz"
    changed = json.loads(wfmon(running, "settings", "set", key, "2", "--json"))
    assert (changed["from"], changed["to"], changed["outcome"]) == (1.0, 2.0, "applied")
    assert wfmon(running, "settings", "get", key, "--json").strip() == "2.0"
    assert "* 2 Hz" in wfmon(running, "settings", "list", key)
    wfmon(running, "settings", "undo", changed["id"])
    assert wfmon(running, "settings", "get", key, "--json").strip() == "1.0"
    assert "taken back already" in wfmon(running, "settings", "undo", changed["id"], code=1)
    rows = [json.loads(line) for line in wfmon(running, "audit", "--all", "--json").splitlines()]
    mine = [row for row in rows if row["type"] == "setting.changed" and row["details"]["key"] == key]
    assert [(row["details"]["from"], row["details"]["to"]) for row in mine] == [("1.0", "2.0"), ("2.0", "1.0")]
    assert "whole" in wfmon(running, "audit", "--verify")


def test_home_may_stand_behind_the_last_word(running: Home) -> None:
    words = [sys.executable, "-m", "services.cli", "settings", "get", "energy.profile", "--home", str(running.root)]
    said = subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=True).stdout
    assert said == wfmon(running, "settings", "get", "energy.profile")


def test_names_of_processes_are_recorded_only_by_agreement(running: Home) -> None:
    key = "privacy.record.process_names"
    assert "--agree" in wfmon(running, "settings", "set", key, "on", code=1)
    assert wfmon(running, "settings", "get", key, "--json").strip() == "false"
    wfmon(running, "settings", "set", key, "on", "--agree")
    assert wfmon(running, "settings", "get", key, "--json").strip() == "true"
    wfmon(running, "settings", "set", key, "off")
    types = [json.loads(line)["type"] for line in wfmon(running, "audit", "--all", "--json").splitlines()]
    assert {"consent.given", "consent.withdrawn"} <= set(types)


def test_wrong_setting_names_the_nearest(running: Home) -> None:
    assert "collector.rate.trend_hz" in wfmon(running, "settings", "set", "collector.rate.tend_hz", "2", code=2)
    assert "from 0.01 to 10 Hz" in wfmon(running, "settings", "set", "collector.rate.trend_hz", "50", code=2)


def test_token_of_another_home_is_refused_with_the_mend(running: Home) -> None:
    with temporary_home() as other:
        other.prepare()
        other.config_file.write_text(running.config_file.read_text())
        other.token_file.write_text("x" * 43 + "\n")
        other.token_file.chmod(0o600)
        assert "--home" in wfmon(other, "settings", code=1)


def test_doctor_finds_nothing_to_fail(running: Home) -> None:
    findings = [json.loads(line) for line in wfmon(running, "doctor", "--json").splitlines()]
    assert [finding for finding in findings if finding["level"] == "fail"] == []
    assert {"services", "audit", "keys", "home", "disk"} <= {finding["subject"] for finding in findings}


def test_top_draws_this_machine_on_a_terminal_and_q_ends_it(running: Home) -> None:
    master, slave = pty.openpty()
    drawing = subprocess.Popen(command(running, ["top"]), stdin=slave, stdout=slave, stderr=slave, env=ENVIRONMENT)
    os.close(slave)
    drawn = b""
    deadline_s = time.monotonic() + 60
    while not (b"CPU" in drawn and b"aggregator" in drawn) and time.monotonic() < deadline_s:
        if select.select([master], [], [], 1.0)[0]:
            drawn += os.read(master, 65536)
    os.write(master, b"q")
    while drawing.poll() is None and time.monotonic() < deadline_s:
        if select.select([master], [], [], 0.1)[0]:
            with contextlib.suppress(OSError):
                os.read(master, 65536)
    os.close(master)
    assert drawing.returncode == 0
    assert b"CPU" in drawn
    assert b"aggregator" in drawn


def test_top_into_a_pipe_points_to_watch(running: Home) -> None:
    assert "wfmon watch" in wfmon(running, "top", code=1)


def test_up_in_the_foreground_tells_changes_and_stops_all_at_ctrl_c() -> None:
    with temporary_home() as home:
        words = ["up", "--no-open", "--port-base", str(free_port_base())]
        staying = subprocess.Popen(
            command(home, words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT
        )
        assert staying.stdout is not None
        lines: list[str] = []

        def read_until(wanted: str) -> None:
            assert staying.stdout is not None
            while wanted not in (lines[-1] if lines else ""):
                line = staying.stdout.readline()
                assert line, "".join(lines)
                lines.append(line)

        read_until("Ctrl-C")
        assert any("#code=" in line for line in lines)
        token = home.token_file
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        assert token.read_text().strip() not in "".join(lines)
        pid = int(home.pid_file("collector").read_text())
        os.kill(pid, signal.SIGKILL)
        read_until("collector ended and is started again (killed by SIGKILL)")
        supervisord = Supervisor(home).pid()
        assert supervisord is not None
        staying.send_signal(signal.SIGINT)
        staying.send_signal(signal.SIGTERM)  # impatience breaks nothing off
        staying.communicate(timeout=60)
        assert staying.returncode == 130
        assert Supervisor(home).pid() is None
        assert not Path(f"/proc/{supervisord}").exists()
        assert "not running" in wfmon(home, "status", code=3)


def test_down_stops_everything_and_up_finds_what_was_recorded() -> None:
    with temporary_home() as home:
        wfmon(home, "up", "--detach", "--no-open", "--port-base", str(free_port_base()))
        wfmon(home, "settings", "set", "storage.raw.max_age_h", "48")
        pids = [service["pid"] for service in json.loads(wfmon(home, "status", "--json"))["services"]]
        wfmon(home, "down")
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        wfmon(home, "up", "--detach", "--no-open")
        assert wfmon(home, "settings", "get", "storage.raw.max_age_h", "--json").strip() == "48.0"


def test_up_on_a_home_with_a_wrong_configuration_names_the_key() -> None:
    with temporary_home() as home:
        home.prepare()
        home.config_file.write_text("port_bse = 9000\n")
        assert "port_base" in wfmon(home, "up", "--detach", "--no-open", code=1)
