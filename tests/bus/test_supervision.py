"""The configuration of supervisord."""

import configparser
from pathlib import Path

from bus.home import REPOSITORY, Home
from bus.supervision import LISTENER, SERVICES, render_for_clone, render_supervisor_conf


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
