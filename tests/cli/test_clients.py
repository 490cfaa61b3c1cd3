"""Programs are moved to the tap and back, on homes with files as these programs write them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wfmonitor.v1.requests_service_pb2 import Route

from bus.home import Home
from services.cli.clients import setup, shell
from services.cli.clients.address import Tap
from services.cli.clients.files import Unfit
from services.cli.clients.journal import Journal
from services.cli.clients.survey import survey
from services.cli.clients.texts import env_values, json_beside, json_values, yaml_beside, yaml_values

TAP = Tap(9464, frozenset({11434, 8080}))

CONTINUE_YAML = """\
name: Local Assistant
version: 1.0.0
schema: v1
models:
  - name: Llama 3.1 8B   # at home
    provider: ollama
    model: llama3.1:8b
    roles:
      - chat
  - name: Coder
    provider: openai
    model: qwen2.5-coder
    apiBase: "http://localhost:8080/v1"
    apiKey: none
  - name: Other
    model: mixtral
    provider: ollama
    apiBase: http://127.0.0.1:11434
  - name: Cloud
    provider: openai
    apiBase: https://api.example.test/v1
context:
  - provider: code
"""
CONTINUE_JSON = """\
{
  "models": [
    { "title": "Llama", "provider": "ollama", "model": "llama3.1:8b" },
    {
      "title": "Says \\"apiBase\\": \\"http://localhost:8080\\" {",
      "provider": "openai",
      "apiBase": "http://localhost:8080/v1"  // ours
    },
    {
      "title": "Own",
      "provider": "ollama",
      "apiBase": "http://localhost:11434/"
    }
  ],
  "tabAutocompleteModel": {
    "title": "Starcoder",
    "provider": "ollama",
    "model": "starcoder2:3b"
  }
}
"""
LLM = """\
- model_id: local
  model_name: local
  api_base: "http://localhost:8080/v1"
- model_id: far
  model_name: far
  api_base: 'https://api.example.test/v1'
"""
AIDER = (
    "## keys\n#openai-api-base: http://localhost:8080/v1\nopenai-api-base: http://localhost:8080/v1\ndark-mode: true\n"
)
WEBUI = "# Ollama URL\nOLLAMA_BASE_URL='http://localhost:11434'\nOPENAI_API_BASE_URL=''\nOPENAI_API_KEY='sk-x'\n"
FILES = {
    ".continue/config.yaml": CONTINUE_YAML,
    ".continue/config.json": CONTINUE_JSON,
    ".config/io.datasette.llm/extra-openai-models.yaml": LLM,
    ".aider.conf.yml": AIDER,
    "open-webui/.env": WEBUI,
    ".bashrc": "# ~/.bashrc\ncase $- in *i*) ;; *) return;; esac",
    ".profile": "PATH=$HOME/bin:$PATH\r\n",
}


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Each file and link below a folder: its mode, and its bytes or where it leads."""
    return {
        str(path.relative_to(folder)): (
            stat.S_IMODE(path.lstat().st_mode),
            os.readlink(path) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def furnish(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        path.chmod(0o600 if "continue" in name else 0o644)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user with all of these programs, and a monitor in it."""
    folder = tmp_path / "user"
    furnish(folder, FILES)
    for name in list(os.environ):
        if name.startswith(("OPENAI", "OLLAMA", "ANTHROPIC", "CONTINUE", "LLM_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("SHELL", "/bin/bash")
    return folder


@pytest.fixture
def home(user: Path) -> Home:
    root = user / ".wfmon"
    root.mkdir(mode=0o700)
    return Home.resolve(str(root))


ROUTES = [
    Route(prefix="llama3.1:8b", upstream="http://127.0.0.1:11434", runtime="ollama", found=True, answers=True),
    Route(prefix="", upstream="http://127.0.0.1:8080", runtime="llama.cpp", answers=True),
]


def test_setup_moves_what_leads_to_a_runtime_and_undo_leaves_no_trace(
    user: Path, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(user)
    assert setup.setup(home, ROUTES, only_lines=False, yes=True) == 0
    tap = f"http://127.0.0.1:{home.ports.tap}"
    moved = {name: (user / name).read_text() for name in FILES}
    assert moved[".continue/config.yaml"].count(f"apiBase: {tap}/port/11434\n") == 2
    assert f'apiBase: "{tap}/port/8080/v1"' in moved[".continue/config.yaml"]
    assert "https://api.example.test/v1" in moved[".continue/config.yaml"]
    assert moved[".continue/config.json"].count(f'"apiBase": "{tap}/port/11434') == 3
    assert f'"apiBase": "{tap}/port/8080/v1"' in moved[".continue/config.json"]
    assert '\\"apiBase\\": \\"http://localhost:8080\\"' in moved[".continue/config.json"]
    assert f'api_base: "{tap}/port/8080/v1"' in moved[".config/io.datasette.llm/extra-openai-models.yaml"]
    assert f"\nopenai-api-base: {tap}/port/8080/v1\n" in moved[".aider.conf.yml"]
    assert "#openai-api-base: http://localhost:8080/v1" in moved[".aider.conf.yml"]
    assert f"OLLAMA_BASE_URL='{tap}/port/11434'" in moved["open-webui/.env"]
    assert shell.BEGIN in moved[".bashrc"]
    assert {name: mode for name, (mode, _) in tree(user).items() if name in before} == {
        name: mode for name, (mode, _) in before.items()
    }
    told = capsys.readouterr().out
    assert "sk-x" not in told
    assert "ollama serve" in told
    assert setup.setup(home, ROUTES, only_lines=False, yes=True) == 0
    assert "Nothing is left to move" in capsys.readouterr().out
    assert setup.undo(home) == 0
    assert tree(user) == before
    assert setup.undo(home) == 0


def test_without_a_yes_nothing_is_written(user: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(user)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))  # a pipe is no person
    assert setup.setup(home, ROUTES, only_lines=False, yes=False) == 0
    assert setup.setup(home, ROUTES, only_lines=True, yes=False) == 0
    assert tree(user) == before


def test_a_file_that_changed_since_is_left_and_the_way_told(
    user: Path, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(user)
    setup.setup(home, ROUTES, only_lines=False, yes=True)
    with (user / ".bashrc").open("a") as file:
        file.write("alias l=ls\n")
    assert setup.undo(home) == 1
    told = capsys.readouterr().out
    assert f"remove the lines from {shell.BEGIN}" in told
    assert "alias l=ls" in (user / ".bashrc").read_text()
    after = tree(user)
    assert {name: told for name, told in before.items() if name != ".bashrc"} == {
        name: after[name] for name in before if name != ".bashrc"
    }
    (user / ".bashrc").write_text(FILES[".bashrc"])  # by hand
    assert setup.undo(home) == 0
    assert tree(user) == before


def test_links_are_followed_to_the_users_own_files_alone(user: Path, home: Home, tmp_path: Path) -> None:
    dotfiles = user / "dotfiles"
    dotfiles.mkdir()
    shutil.move(user / ".aider.conf.yml", dotfiles / "aider.yml")
    (user / ".aider.conf.yml").symlink_to("dotfiles/aider.yml")
    os.link(user / "open-webui/.env", user / "open-webui/.env.example")
    (user / ".continue/config.json").unlink()
    (user / ".continue/config.json").symlink_to("config.json")  # round and round
    before = tree(user)
    assert setup.setup(home, ROUTES, only_lines=False, yes=True) == 0
    assert (user / ".aider.conf.yml").is_symlink()
    assert ":9" in (dotfiles / "aider.yml").read_text() or str(home.ports.tap) in (dotfiles / "aider.yml").read_text()
    assert (user / "open-webui/.env").read_text() == WEBUI
    assert setup.undo(home) == 0
    assert tree(user) == before


def test_a_file_of_another_user_is_left(user: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    changes = survey(user, {"SHELL": "/bin/bash"}, TAP, tmp_path / "script")
    assert all(change.why_not == "it belongs to another user" for change in changes if change.path.exists())
    with pytest.raises(Unfit, match="another user"):
        Journal(tmp_path / "home").write(user / ".bashrc", b"x", "")


def test_what_leads_elsewhere_stays(user: Path) -> None:
    cloud = {"OPENAI_API_KEY": "sk-1", "OLLAMA_HOST": "gpu-box.example.test:11434", "ANTHROPIC_API_KEY": "x"}
    assert all(line.why_not for line in shell.lines(TAP, cloud))
    local = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "http://localhost:8080/v1", "OLLAMA_HOST": "0.0.0.0"}
    local["ANTHROPIC_BASE_URL"] = "http://127.0.0.1:8080"
    assert not any(line.why_not for line in shell.lines(TAP, local))
    no_ollama = shell.lines(Tap(9464, frozenset({8080})), {})
    assert [line.name for line in no_ollama if line.why_not] == ["OLLAMA_HOST", "OLLAMA_API_BASE", "ANTHROPIC_BASE_URL"]
    assert [line.name for line in shell.lines(TAP, {}) if line.why_not] == ["ANTHROPIC_BASE_URL"]


@pytest.mark.parametrize(
    ("name", "text", "stays"),
    [
        # llm 0.36 and aider 0.86 as they write and read them; without an address they ask where the variables lead.
        (".config/io.datasette.llm/keys.json", '{\n  "// Note": "secret",\n  "openai": "sk-1"\n}', "llm"),
        (".config/io.datasette.llm/keys.json", '{\n  "openai": "none"\n}', ""),
        (".aider.conf.yml", "openai-api-key: sk-1\n", "aider"),
        (".aider.conf.yml", "openai-api-key: sk-1\nopenai-api-base: http://localhost:8080/v1\n", ""),
    ],
)
def test_who_pays_for_a_service_elsewhere_is_not_led_to_a_model_at_home(
    user: Path, home: Home, capsys: pytest.CaptureFixture[str], name: str, text: str, stays: str
) -> None:
    furnish(user, {name: text})
    assert setup.setup(home, ROUTES, only_lines=False, yes=True) == 0
    written = (home.root / "tap.env.sh").read_text()
    assert ("OPENAI" in written) is not bool(stays)
    assert "OLLAMA_HOST" in written
    told = capsys.readouterr().out
    assert "sk-1" not in told + written
    assert not stays or f"stays: {stays} keeps a key of a service elsewhere" in told


def test_an_ollama_at_another_port_has_its_lines_as_well(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    routes = [Route(upstream="http://127.0.0.1:11500", runtime="ollama", found=True, answers=True)]
    assert setup.setup(home, routes, only_lines=True, yes=False) == 0
    assert f"export OLLAMA_HOST=127.0.0.1:{home.ports.tap}\n" in capsys.readouterr().out
    routes = [Route(upstream="http://127.0.0.1:11500", runtime="vllm", found=True, answers=True)]
    assert setup.setup(home, routes, only_lines=True, yes=False) == 0
    assert "OLLAMA" not in capsys.readouterr().out


SEVERAL = (
    "OPENAI_API_BASE_URLS=http://localhost:11434/v1;http://localhost:8080/v1\n"
    "OPENAI_API_BASE_URLS='https://api.example.test/v1; http://localhost:8080/v1 ;;http://localhost:5000/v1' # mine\r\n"
    'export OLLAMA_BASE_URLS=";http://gpu-box.example.test:11434;http://127.0.0.1:11434"\n'
)


def test_each_of_several_addresses_is_moved_for_itself(user: Path, home: Home) -> None:
    furnish(user, {"open-webui/.env": SEVERAL})
    before = tree(user)
    tap = f"http://127.0.0.1:{home.ports.tap}"
    assert setup.setup(home, ROUTES, only_lines=False, yes=True) == 0
    assert (user / "open-webui/.env").read_bytes().decode() == (
        f"OPENAI_API_BASE_URLS={tap}/port/11434/v1;{tap}/port/8080/v1\n"
        f"OPENAI_API_BASE_URLS='https://api.example.test/v1; {tap}/port/8080/v1 ;;http://localhost:5000/v1' # mine\r\n"
        f'export OLLAMA_BASE_URLS=";http://gpu-box.example.test:11434;{tap}/port/11434"\n'
    )
    assert setup.undo(home) == 0
    assert tree(user) == before


@given(text=st.text("OLAMBSEUR_=; '\"#/:.ht80\n\r", max_size=40))
def test_a_list_that_leads_nowhere_near_stays_to_the_byte(text: str) -> None:
    whole = f"OLLAMA_BASE_URLS={text}"
    assert env_values(whole, ("OLLAMA_BASE_URLS",), lambda _: None)[0] == whole


@pytest.mark.parametrize("own", [None, "0.0.0.0:11434"])
def test_ollama_serve_keeps_its_own_address(tmp_path: Path, own: str | None) -> None:
    """The real lines in a real shell, with a program called ollama that says what it was told."""
    program = tmp_path / "ollama"
    program.write_text('#!/bin/sh\necho "$1 ${OLLAMA_HOST-none}"\n')
    program.chmod(0o755)
    script = tmp_path / "lines.sh"
    script.write_text(shell.script(TAP, {"OLLAMA_HOST": own} if own else {}))
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | ({"OLLAMA_HOST": own} if own else {})
    # Twice: a profile may read it through another.
    asked = f". {script}; . {script}; ollama serve; ollama run; ollama; echo $OPENAI_BASE_URL"
    for name in ("sh", "bash"):
        told = subprocess.run([name, "-euc", asked], env=env, capture_output=True, text=True, check=True, timeout=30)
        serve = own or "none"
        assert told.stdout.splitlines() == [
            f"serve {serve}", "run 127.0.0.1:9464", " 127.0.0.1:9464", "http://127.0.0.1:9464/v1"
        ]  # fmt: skip


@settings(deadline=None)
@given(
    lines=st.lists(st.sampled_from([*CONTINUE_YAML.splitlines(), *CONTINUE_JSON.splitlines(), "", "\t-", "}", "{"])),
    end=st.sampled_from(["\n", "\r\n", ""]),
)
def test_only_addresses_change_whatever_the_text(lines: list[str], end: str) -> None:
    text = end.join(lines)
    for values, beside in ((yaml_values, yaml_beside), (json_values, json_beside)):
        moved, found = values(text, ("apiBase",), TAP.moved)
        for value in found:
            if value.now:
                moved = moved.replace(value.now, value.was, 1)
        assert moved.replace("127.0.0.1:11434", "localhost:11434") == text.replace("127.0.0.1:11434", "localhost:11434")
        more, added = beside(text, "provider", "ollama", "apiBase", TAP.url)
        assert more.count(TAP.url) == text.count(TAP.url) + added


@settings(deadline=None, max_examples=40)  # each writes a dozen files to the disk, and waits for it
@given(
    kept=st.sets(st.sampled_from(sorted(FILES))),
    ports=st.sets(st.sampled_from([11434, 8080, 9999])),
    shell_name=st.sampled_from(["bash", "zsh", "sh", "fish"]),
    times=st.integers(1, 3),
)
def test_setup_and_undo_leave_the_tree_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, kept: set[str], ports: set[int], shell_name: str, times: int
) -> None:
    user = tmp_path_factory.mktemp("user")
    furnish(user, {name: FILES[name] for name in kept})
    before = tree(user)
    journal = Journal(user)
    for time in range(times):
        tap = Tap(9464 + time, frozenset(ports))  # moved again, to another port
        for change in survey(user, {"SHELL": f"/bin/{shell_name}"}, tap, user / "script"):
            if change.after is not None:
                journal.write(change.path, change.after, change.mend, change.mode)
    assert not [why for _, why in journal.undo() if why]
    assert tree(user) == before


def test_a_kill_between_journal_and_file_is_undone_as_well(user: Path, tmp_path: Path) -> None:
    before = tree(user)
    journal = Journal(tmp_path / "home")
    (tmp_path / "home").mkdir()
    journal.write(user / ".bashrc", b"changed", "")
    (user / ".bashrc").write_bytes(FILES[".bashrc"].encode())  # as if the file had never been written
    assert [why for _, why in journal.undo()] == [""]
    assert tree(user) == before
    assert not (tmp_path / "home" / "tap-setup").exists()


def test_a_journal_that_is_broken_says_where_the_files_lie(tmp_path: Path) -> None:
    (tmp_path / "tap-setup").mkdir()
    (tmp_path / "tap-setup" / "journal.json").write_text(json.dumps({"written": [{}]}))
    with pytest.raises(Exception, match="lie beside it"):
        Journal(tmp_path).entries()
