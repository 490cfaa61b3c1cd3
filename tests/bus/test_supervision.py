"""The configuration of supervisord."""

import configparser
import os
import shlex
from pathlib import Path

import pytest

from bus.home import REPOSITORY, Home, HomeError
from bus.supervision import (
    LISTENER,
    SERVICES,
    SUPERVISORD_PID,
    render_for_clone,
    render_supervisor_conf,
    supervisord_pid,
)


def test_the_file_in_the_root_is_what_the_code_gives() -> None:
    assert (REPOSITORY / "supervisor.conf").read_text() == render_for_clone()


def test_every_service_is_a_program_and_a_percent_sign_in_a_path_is_literal(tmp_path: Path) -> None:
    conf = configparser.RawConfigParser()
    conf.read_string(render_supervisor_conf(Home(tmp_path / "50%"), "/usr/bin/python3"))
    programs = {name.removeprefix("program:") for name in conf.sections() if name.startswith("program:")}
    assert programs == set(SERVICES)
    assert conf.has_section(f"eventlistener:{LISTENER}")
    assert "50%%" in conf.get("supervisord", "logfile")
    assert not conf.has_section("inet_http_server")


def test_path_with_blanks_and_quotes_stays_one_word(tmp_path: Path) -> None:
    home = Home(tmp_path / "it's my $home")
    conf = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)  # as supervisord reads it
    conf.read_string(render_supervisor_conf(home, "/opt/my python/bin/python3"))
    words = shlex.split(conf.get("program:collector", "command"))
    assert words == ["/opt/my python/bin/python3", "-m", "services.collector", "--home", str(home.root)]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a ;b", "a #b", "a\nb", "a\udcffb"])
def test_path_that_supervisord_cannot_be_told_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    with pytest.raises(HomeError, match="--home DIR"):
        render_supervisor_conf(Home(tmp_path / name), "/usr/bin/python3")


def test_supervisord_that_told_its_number_is_known_even_when_it_was_gone_before_we_looked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SUPERVISOR_ENABLED", raising=False)
    monkeypatch.delenv(SUPERVISORD_PID, raising=False)
    assert supervisord_pid(Home(tmp_path)) is None
    monkeypatch.setenv("SUPERVISOR_ENABLED", "1")
    assert supervisord_pid(Home(tmp_path)) == os.getppid()
    monkeypatch.setenv(SUPERVISORD_PID, "4711")
    assert supervisord_pid(Home(tmp_path)) == 4711


def test_plain_supervisord_that_was_gone_before_we_looked_is_known_by_its_pid_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    home.prepare()
    monkeypatch.setenv("SUPERVISOR_ENABLED", "1")
    monkeypatch.delenv(SUPERVISORD_PID, raising=False)
    kept = home.pid_file("supervisord")
    for parent, text, expected in (
        (1, "4711\n", 4711),  # given to init: not the one who watched over us
        (1, "1\n", 1),  # it is init itself
        (1, "", 1),
        (50, "4711\n", 50),  # a pid file of its own elsewhere: this one is an earlier one's
    ):
        kept.write_text(text)
        monkeypatch.setattr(os, "getppid", lambda parent=parent: parent)
        assert supervisord_pid(home) == expected
    kept.unlink()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert supervisord_pid(home) == 1
