"""Where the demonstration keeps its llama.cpp; it is built where it is missing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.runtime import Runtime
from tests.built_llama import BUILD_S

_KEPT = Runtime()
MODEL = _KEPT.root / "models/demo-small.gguf"
SERVER = _KEPT.llama_server
PYTHON = _KEPT.python

needs_llama_cpp = [pytest.mark.llamacpp, pytest.mark.usefixtures("real_llama"), pytest.mark.timeout(BUILD_S)]


@contextlib.contextmanager
def running(command: list[str | Path], port: int, ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server until the block ends; begins when it answers at `ready`."""
    libraries = str(_KEPT.libraries)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "LLAMA_CPP_LIB_PATH": libraries,
        "LD_LIBRARY_PATH": libraries,
    }
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + 60.0
        while get(port, ready)[0] != 200:
            assert process.poll() is None, "it ended before it was ready"
            assert time.monotonic() < deadline_s, "it was not ready within a minute"
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait(10.0)


def get(port: int, path: str) -> tuple[int, bytes]:
    """(status, body); status 0 where nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10.0)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


def complete(port: int, **asked: Any) -> dict[str, Any]:
    """One completion, not streamed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60.0)
    try:
        body = json.dumps({"prompt": "a b c d e f", **asked})
        connection.request("POST", "/completion", body, {"Content-Type": "application/json"})
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        return found
    finally:
        connection.close()
