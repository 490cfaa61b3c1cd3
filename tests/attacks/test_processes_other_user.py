"""Another user of the machine gets at nothing of ours (SECURITY S6, S7, S21)."""

import json
import os
import subprocess
import sys
from typing import TypedDict

import pytest

from bus.home import REPOSITORY
from tests.attacks.other_user import NOBODY
from tests.stack import Stack

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")


class Attempt(TypedDict):
    tried: int
    successes: list[str]


def attempt(stack: Stack, what: str) -> Attempt:
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks.other_user", str(stack.home.root), str(NOBODY), what],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/proto"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer: Attempt = json.loads(done.stdout)
    return answer


def test_no_file_can_be_read_written_listed_or_linked(stack: Stack) -> None:
    answer = attempt(stack, "files")
    print(f"S6: {answer['tried']} tries at files by another user, {len(answer['successes'])} successes")
    assert answer["tried"] > 100
    assert answer["successes"] == []


def test_no_socket_can_be_connected_to(stack: Stack) -> None:
    answer = attempt(stack, "sockets")
    print(f"S6, S21: {answer['tried']} Unix sockets tried by another user, {len(answer['successes'])} opened")
    assert answer["tried"] >= len(stack.services)
    assert answer["successes"] == []


def test_the_bus_says_nothing_and_hears_nothing(stack: Stack) -> None:
    answer = attempt(stack, "bus")
    assert not any(b"another user" in payload for _, payload in stack.ear.messages)
    print(f"S6, S7: {answer['tried']} tries at the bus by another user, {len(answer['successes'])} successes")
    assert answer["successes"] == []


def test_every_folder_is_0700_and_every_file_0600(stack: Stack) -> None:
    wide = []
    seen = 0
    for folder, folders, files in os.walk(stack.home.root, followlinks=True):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            seen += 1
            if not os.path.islink(path) and os.stat(path).st_mode & 0o077:
                wide.append(f"{os.stat(path).st_mode & 0o777:o} {path}")
    print(f"S6: {seen} files and folders of the home, {len(wide)} open to others")
    assert wide == []


def test_supervisord_refuses_another_user(stack: Stack) -> None:
    """With the very client, should the folder's mode ever be lost: the socket's own mode protects it as well."""
    mode = (stack.home.run / "supervisor.sock").stat().st_mode & 0o777
    print(f"S21: supervisord's socket has mode {mode:04o}; inet servers: 0")
    assert mode == 0o700
    assert "inet_http_server" not in (stack.home.root / "supervisor.conf").read_text()


def test_a_home_that_others_can_enter_is_refused_with_the_mend(stack: Stack) -> None:
    """On a home of its own, so that the running one stays as it is."""
    other = Stack()
    other.prepare()
    refused = 0
    for folder in (other.home.root, other.home.data, other.home.keys, other.home.run):
        folder.chmod(0o755)
        for service in stack.services:
            done = subprocess.run(
                [sys.executable, "-m", f"services.{service}", "--home", str(other.home.root)],
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/proto"},
                capture_output=True,
                text=True,
                timeout=20,
            )
            assert done.returncode == 78
            assert f"chmod 700 {folder}" in done.stderr
            refused += 1
        folder.chmod(0o700)
    other.remove()
    print(f"S6: {refused} starts on a home open to others, {refused} refused with the mend")
