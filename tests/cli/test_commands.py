"""wfmon as it is called: exit codes, messages and speed where nothing runs."""

from __future__ import annotations

import json
import os
import resource
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bus.home import Config, Home
from services.cli import page, supervisor
from services.cli.checks import CHECKS, clock, configuration, home_folder, keys_and_token
from services.cli.commands.doctor import findings
from services.cli.errors import CliError
from services.cli.launch import configure, make_token, starting
from services.cli.ports import check_free, holder
from services.cli.registry import COMMANDS
from tests.stack import free_port_base, wait_until


def wfmon(*words: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": ".:proto", "WFMON_HOME": str(home or "/nonexistent/home")}
    command = [sys.executable, "-m", "services.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    Config(port_base=free_port_base()).save(made.config_file)
    return made


def cpu_s(*command: str) -> float:
    """CPU time of a command in seconds: on a busy machine the wall clock measures the others."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, capture_output=True, env={**os.environ, "PYTHONPATH": "."})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_lists_every_command_and_comes_at_once() -> None:
    shown = wfmon("--help")
    assert shown.returncode == 0
    for command in COMMANDS:
        assert f"  {command.name} " in shown.stdout
        assert command.summary in shown.stdout
    ours, bare = (min(cpu_s(*words) for _ in range(5)) for words in (("-m", "services.cli", "--help"), ("-c", "pass")))
    assert ours <= max(0.150, bare * 1.25 + 0.05), f"{ours:.3f} s of CPU time, a bare python {bare:.3f} s"


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_explains_itself(command: str) -> None:
    shown = wfmon(command, "--help")
    assert shown.returncode == 0
    assert "--home" in shown.stdout


@pytest.mark.parametrize(
    "words",
    [("status",), ("open",), ("url",), ("watch", "system.cpu.percent.avg"), ("query", "system.cpu.percent"),
     ("settings",), ("audit",)],
)  # fmt: skip
def test_where_nothing_runs_the_exit_code_is_3_and_the_mend_is_wfmon_up(words: tuple[str, ...], home: Home) -> None:
    make_token(home)
    ended = wfmon(*words, home=home.root)
    assert ended.returncode == 3
    assert "not running" in ended.stderr
    assert "wfmon up" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_down_where_nothing_runs_is_done_already(home: Home) -> None:
    assert wfmon("down", home=home.root).returncode == 0


def test_status_as_json_says_that_nothing_runs(home: Home) -> None:
    ended = wfmon("status", "--json", home=home.root)
    assert (ended.returncode, json.loads(ended.stdout)["running"]) == (3, False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("watch", "system.cpu.percnt.avg"), "system.cpu.percent"),
        (("query", "system.cpu.percent", "--last", "soon"), "as 10m"),
        (("query",), "--list"),
        (("nonsense",), "invalid choice"),
    ],
)
def test_wrong_use_is_exit_code_2_and_says_what_is_right(words: tuple[str, ...], said: str, home: Home) -> None:
    make_token(home)
    ended = wfmon(*words, home=home.root)
    assert ended.returncode == 2
    assert said in ended.stderr


def test_home_may_stand_before_or_after_the_command(home: Home) -> None:
    for words in (("--home", str(home.root), "status"), ("status", "--home", str(home.root))):
        assert str(home.root) in wfmon(*words).stderr


def test_taken_port_names_who_holds_it_and_another_block(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", home.ports.grpc))
        taken.listen()
        ended = wfmon("up", "--no-open", "--detach", home=home.root)
        assert f"(pid {os.getpid()})" in holder(home.ports.grpc)
    assert ended.returncode == 1
    assert f"port {home.ports.grpc}" in ended.stderr
    assert f"(pid {os.getpid()})" in ended.stderr
    assert "--port-base" in ended.stderr
    check_free(home)


def test_home_whose_path_is_too_long_for_sockets_is_refused(tmp_path: Path) -> None:
    ended = wfmon("up", "--detach", "--no-open", home=tmp_path / ("long" * 25))
    assert ended.returncode == 1
    assert "--home" in ended.stderr
    assert not (tmp_path / ("long" * 25)).exists()


def test_supervisord_that_does_not_answer_is_named_and_not_taken_for_absent(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_ANSWER_WITHIN_S", 0.2)
    (home.run / "supervisord.pid").write_text("4711\n")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(home.run / "supervisor.sock"))
        silent.listen()
        with pytest.raises(CliError, match="kill -CONT 4711"):
            supervisor.Supervisor(home).pid()


def test_browser_is_shown_a_file_that_leads_on_and_no_code_in_its_arguments(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {seen}\n')
    browser.chmod(0o700)
    address = "http://127.0.0.1:9460/#code=secret"
    environment = {**os.environ, "PYTHONPATH": ".:proto", "BROWSER": f"{browser} %s", "XDG_RUNTIME_DIR": str(tmp_path)}
    opening = f"from services.cli.page import open_in_browser; assert open_in_browser({address!r})"
    subprocess.run([sys.executable, "-c", opening], check=True, env=environment, timeout=30)
    wait_until(lambda: seen.exists() and seen.read_text().strip() != "", 60, "the browser to be called")
    [shown] = seen.read_text().split()
    assert "secret" not in shown
    assert address in Path(shown.removeprefix("file://")).read_text()


def test_port_base_is_kept_for_the_next_start(home: Home) -> None:
    configure(home, 23450)
    assert Home(home.root).ports.page == 23450
    with pytest.raises(CliError, match="--port-base 80"):
        configure(home, 80)


def test_two_starts_at_once_are_one_start(home: Home) -> None:
    with starting(home), pytest.raises(CliError, match="another start is under way"), starting(home):
        pass


def test_redirect_file_is_private_not_hidden_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    first = page.redirect_file("http://127.0.0.1:9460/#code=one")
    second = page.redirect_file('http://127.0.0.1:9460/#code="><script>')
    assert first == second
    assert stat.S_IMODE(second.stat().st_mode) == 0o600
    assert stat.S_IMODE(second.parent.stat().st_mode) == 0o700
    assert not any(part.startswith(".") for part in second.relative_to(tmp_path).parts)
    content = second.read_text()
    assert "one" not in content
    assert "<script>" not in content


def test_folder_somebody_else_made_first_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / f"wirthforge-monitor-{os.geteuid()}").mkdir(mode=0o777)
    (tmp_path / f"wirthforge-monitor-{os.geteuid()}").chmod(0o777)
    path = page.redirect_file("http://127.0.0.1:9460/#code=one")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("variables", "reason"),
    [({"SSH_CONNECTION": "1"}, "remote"), ({"DISPLAY": ""}, "screen")],
)
def test_where_no_browser_can_open_the_reason_is_said(
    variables: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSH_CONNECTION", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert reason in page.why_no_browser()


def levels(home: Home, check: object) -> list[str]:
    return [finding.level for finding in findings(check, home)]  # type: ignore[arg-type]


def test_doctor_finds_nothing_wrong_with_a_fresh_home(home: Home) -> None:
    make_token(home)
    assert [level for check in CHECKS for level in levels(home, check) if level == "fail"] == []


def test_doctor_names_files_open_to_others_and_how_to_close_them(home: Home) -> None:
    loose = home.data / "loose.db"
    loose.touch(mode=0o644)
    loose.chmod(0o644)
    [finding] = findings(home_folder, home)
    assert finding.level == "fail"
    assert str(loose) in finding.seen
    assert "chmod" in finding.mend


def test_doctor_names_a_wrong_key_of_the_configuration(home: Home) -> None:
    home.config_file.write_text("port_bse = 1\n")
    [finding] = findings(configuration, Home(home.root))
    assert finding.level == "fail"
    assert "port_base" in finding.seen


def test_doctor_names_a_damaged_token(home: Home) -> None:
    home.token_file.write_text("short\n")
    assert "fail" in levels(home, keys_and_token)


def test_doctor_sees_a_clock_that_was_set_back(home: Home) -> None:
    (home.data / "aggregator.db").touch()
    later = time.time() + 7200
    os.utime(home.data / "aggregator.db", (later, later))
    assert levels(home, clock) == ["fail"]


def test_check_that_breaks_down_stops_no_other(home: Home) -> None:
    def broken(_: Home) -> object:
        raise RuntimeError("no such thing")

    [finding] = findings(broken, home)  # type: ignore[arg-type]
    assert finding.level == "fail"
    assert "no such thing" in finding.seen


def test_doctor_ends_with_1_where_something_fails(home: Home) -> None:
    home.token_file.write_text("short\n")
    ended = wfmon("doctor", home=home.root)
    assert ended.returncode == 1
    assert "rm '" in ended.stdout
