"""The real server of llama-cpp-python, found by its process."""

from __future__ import annotations

from pathlib import Path

from services.collector.runtime.door import Door
from services.collector.runtime.finder import identify
from services.collector.runtime.processes import Processes
from services.collector.samplers.runtime import RUNTIMES
from tests.collector.runtime.real_llama import MODEL, PYTHON, needs_llama_cpp, running
from tests.stack import free_port

pytestmark = needs_llama_cpp


def test_found_by_its_module_and_named_without_its_folder() -> None:
    port = free_port()
    command = [PYTHON, "-m", "llama_cpp.server", "--model", MODEL, "--host", "127.0.0.1", "--port", str(port)]
    with running([*command, "--n_threads", "1"], port, "/v1/models") as process:
        processes = Processes(Path("/proc"))
        (candidate,) = (one for one in processes.candidates(processes.names()) if one.pid == process.pid)
        assert (candidate.port, candidate.hint) == (port, "llama-cpp-python")
        kind = identify(candidate, RUNTIMES)
        assert kind is not None
        assert kind.name == "llama-cpp-python"
        assert list(kind(candidate).look(Door(port), 0.0).models) == ["demo-small.gguf"]
