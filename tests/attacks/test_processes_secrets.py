"""The token and the keys stand in their 0600 files and nowhere else (SECURITY S8)."""

import os
import pwd
from pathlib import Path

import psutil

from bus.keys import load_or_make
from tests.attacks.test_processes_sockets import own_processes
from tests.stack import Stack


def secrets_of(stack: Stack) -> dict[str, bytes]:
    keys = load_or_make(stack.home.keys)
    return {
        "token": stack.token().encode(),
        "service key": keys.service.secret,
        "forwarder key": keys.forwarder.secret,
    }


def test_no_secret_is_in_an_argument_or_an_environment(stack: Stack) -> None:
    secrets = secrets_of(stack)
    hits, seen = [], 0
    for process in psutil.process_iter():
        for part in ("cmdline", "environ"):
            try:
                content = Path(f"/proc/{process.pid}/{part}").read_bytes()
            except OSError:
                continue
            seen += 1
            hits += [f"{name} in {part} of {process.pid}" for name, secret in secrets.items() if secret in content]
    print(f"S8: {seen} command lines and environments of all processes, {len(hits)} with a secret")
    assert seen > 2 * len(own_processes(stack))
    assert hits == []


def test_no_secret_is_in_a_log_a_database_or_any_other_file(stack: Stack) -> None:
    secrets = secrets_of(stack)
    allowed = {
        stack.home.token_file: {"token"},
        stack.home.keys / "service.key": {"service key"},
        stack.home.keys / "forwarder.key": {"forwarder key"},
    }
    hits, seen = [], 0
    for folder, _, files in os.walk(stack.home.root, followlinks=True):
        for file in files:
            path = Path(folder) / file
            if not path.is_file():
                continue
            seen += 1
            content = path.read_bytes()
            hits += [
                f"{name} in {path}"
                for name, secret in secrets.items()
                if secret in content and name not in allowed.get(path, set())
            ]
    print(f"S8: {seen} files of the home, {len(hits)} with a secret that is not theirs")
    assert hits == []


def test_no_secret_is_in_a_shell_history_or_a_temporary_folder(stack: Stack) -> None:
    secrets = secrets_of(stack)
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    places = [*home.glob(".*history"), *home.glob(".python_history"), *Path("/tmp").glob("wf*")]
    hits = [
        f"{name} in {path}"
        for path in places
        if path.is_file()
        for name, secret in secrets.items()
        if secret in path.read_bytes()
    ]
    print(f"S8: {len(places)} histories and temporary files, {len(hits)} with a secret")
    assert hits == []


def test_a_core_of_a_service_is_not_readable_by_others(stack: Stack) -> None:
    """The token lives in the gateway's memory: its /proc is its user's."""
    open_to_others = [
        name
        for pid, name in own_processes(stack).items()
        if os.stat(f"/proc/{pid}/mem").st_mode & 0o077 or os.stat(f"/proc/{pid}/environ").st_mode & 0o077
    ]
    assert open_to_others == []
