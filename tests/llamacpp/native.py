"""llama.cpp's own llama-server with one of the demonstration's models."""

from __future__ import annotations

import contextlib
import subprocess
import urllib.request
from pathlib import Path

from demo.runtime import Runtime
from demo.serve import model_file
from tests.stack import wait_until


class Native:
    """A process of llama-server on a loopback port."""

    def __init__(self, runtime: Runtime, model: str, port: int, log: Path) -> None:
        self.model = model
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        command = [str(runtime.llama_server), "--model", str(model_file(runtime, model)), "--alias", model]
        command += ["--host", "127.0.0.1", "--port", str(port), "--ctx-size", "12288", "--parallel", "1"]
        command += ["--threads", "1", "--threads-batch", "1", "--metrics", "--offline"]
        # As llama-cpp-python computes, so that the same logits can be held against both.
        command += ["--flash-attn", "off"]
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=runtime.environment)

    def wait_ready(self) -> None:
        """Returns once it is healthy."""
        wait_until(self._healthy, 60.0, f"llama-server; it says: {self._log}")

    def _healthy(self) -> bool:
        assert self.process.poll() is None, self._log.read_text(errors="replace")[-1500:]
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=2.0) as answer:
            return bool(answer.status == 200)
        return False

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
