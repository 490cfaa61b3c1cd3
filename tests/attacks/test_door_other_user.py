"""Another user of the machine hears no data at the TCP doors (SECURITY S7)."""

import json
import os
import subprocess
import sys

import pytest

from bus.home import REPOSITORY
from tests.stack import Stack


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_s7_another_user_hears_nothing_at_the_doors(stack: Stack) -> None:
    ports = stack.home.ports
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks.door_stranger", str(ports.page), str(ports.grpc)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/proto"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    print(f"S7: {answer['tried']} requests and calls by another user, {len(answer['heard'])} with data")
    assert answer["tried"] > 80
    assert answer["heard"] == []
