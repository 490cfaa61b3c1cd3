"""Finding runtimes: by port, by process, by what they answer; and leaving alone what is none."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.collector.runtime.candidates import Candidate
from services.collector.runtime.finder import Finder, identify
from services.collector.runtime.processes import Processes
from services.collector.samplers.runtime import RUNTIMES
from tests.collector.runtime.standin_runtime import Page, StandIn, never, recorded
from tests.collector.runtime.test_history import Told
from tests.collector.runtime.test_runtimes import Heard
from tests.stack import free_port


def owned(owner: str) -> bytes:
    return b'{"object":"list","data":[{"id":"m","owned_by":"%s"}]}' % owner.encode()


IDENTITIES: list[tuple[str, dict[str, Page | bytes], str]] = [
    ("llama.cpp", {"/v1/models": Page(b"{}", 503, {"Server": "llama.cpp"})}, ""),
    ("llama.cpp", {"/v1/models": owned("llamacpp")}, ""),
    ("vllm", {"/v1/models": owned("vllm")}, ""),
    ("sglang", {"/v1/models": owned("sglang")}, ""),
    ("lm-studio", {"/v1/models": owned("organization_owner")}, ""),
    ("llama-cpp-python", {"/v1/models": owned("me")}, ""),
    ("ollama", {"/v1/models": owned("library"), "/api/version": b'{"version":"0.13.1"}'}, "ollama"),
    ("tgi", {"/info": b'{"model_id":"m","max_total_tokens":10}'}, "tgi"),
    ("litellm", {"/v1/models": Page(b"", 401), "/health/liveliness": b'"I\'m alive!"'}, "litellm"),
    ("vllm", {"/v1/models": Page(b"", 401), "/metrics": recorded("vllm_0.11_1.txt")}, "vllm"),
    ("sglang", {"/v1/models": Page(b"", 401), "/model_info": Page(b"", 401)}, "sglang"),
    ("lm-studio", {"/api/v1/models": recorded("lm_studio_0.4_models.json")}, "lm-studio"),
]


def disturbing(path: str, query: dict[str, str]) -> bool:
    """What any of them might take amiss from a stranger."""
    return path in ("/health", "/slots", "/props") or never(path, query)


@pytest.mark.parametrize(("name", "pages", "hint"), IDENTITIES)
def test_each_is_known_by_its_answers(name: str, pages: dict[str, Page | bytes], hint: str) -> None:
    with StandIn(pages, disturbing) as runtime:
        kind = identify(Candidate(runtime.port, hint=hint), RUNTIMES)
    assert kind is not None
    assert kind.name == name


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data":"text"}', b'{"data":[{"id":"m","owned_by":"openai"}]}'])
def test_other_servers_are_none(body: bytes) -> None:
    with StandIn({"/v1/models": body, "/metrics": b"up 1\n", "/info": b"{}"}, disturbing) as server:
        assert identify(Candidate(server.port, hint="tgi"), RUNTIMES) is None


@pytest.fixture
def finder() -> Iterator[Finder]:
    made = Finder((), lambda now_s: (), lambda: (), Told(), lambda: 2.0)
    yield made
    made.stop()


# At the ports that a test names alone: this machine may run one at a usual port.
UNBOUND = tuple((kind, ()) for kind, _ in RUNTIMES)


def test_server_that_is_no_runtime_is_asked_ever_more_rarely() -> None:
    with StandIn({}, disturbing) as server:
        finder = Finder(UNBOUND[:1], lambda now_s: (), lambda: [server.port], Told(), lambda: 2.0)
        asked = []
        for now_s in range(0, 1200, 10):
            finder.look(float(now_s))
            if server.paths():
                asked.append(now_s)
    assert asked == [0, 30, 90, 210, 450, 930]
    assert finder.watches == ()


def test_runtime_that_ended_may_come_again_at_once() -> None:
    with StandIn({"/v1/models": owned("me")}, disturbing) as runtime:
        finder = Finder(UNBOUND[6:7], lambda now_s: (), lambda: [runtime.port], Told(), lambda: 60.0)
        finder.look(0.0)
        (watch,) = finder.watches
        finder.look(10.0)
        assert finder.watches == (watch,), "one watch a runtime"
        watch.stop()
        watch.gone = True
        finder.look(20.0)
        assert len(finder.watches) == 1
        assert finder.watches[0] is not watch
        finder.stop()


LM_STUDIO = {"/v1/models": owned("organization_owner"), "/api/v1/models": recorded("lm_studio_0.4_models.json")}


@pytest.mark.parametrize(
    ("pages", "was_closed", "began_s", "told"),
    [
        ({"/v1/models": owned("me")}, True, None, "model_load"),
        (LM_STUDIO, True, None, "model_info"),
        (LM_STUDIO, True, 4.0, "model_info"),
        (LM_STUDIO, False, 6.0, "model_load"),
        (LM_STUDIO, False, 4.0, "model_info"),
    ],
    ids=["port opened", "its port says nothing", "older process", "younger process", "there before us"],
)
def test_what_came_since_was_loaded_and_what_was_there_was_not(
    pages: dict[str, Page | bytes], was_closed: bool, began_s: float | None, told: str
) -> None:
    port, heard = free_port(), Heard()
    candidates = [Candidate(port, began_s=began_s)]
    finder = Finder(UNBOUND, lambda now_s: candidates if was_closed or now_s > 5.0 else (), tuple, heard, lambda: 60.0)
    finder.look(5.0)
    with StandIn(dict(pages), disturbing, port):
        finder.look(15.0)
        heard.wait_for(told)
        finder.stop()
    assert {"model_load", "model_info"}.intersection(heard.kinds) == {told}


def test_when_a_process_began_is_read_from_the_kernel() -> None:
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert abs(Processes(Path("/proc")).began_s(child.pid) - began) < 5.0
        child.communicate(b"\n")
    assert Processes(Path("/proc")).began_s(child.pid) is None


class Proc:
    """A /proc made for the occasion."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "net").mkdir()
        self._tables: dict[str, list[str]] = {"tcp": [], "tcp6": []}
        self.names: list[tuple[int, str]] = []

    def process(self, pid: int, comm: str, parent: int = 1, arguments: str = "", **sockets: str) -> None:
        """`sockets`: inode=LOCAL:PORT in the kernel's hexadecimal."""
        home = self.folder / str(pid)
        (home / "fd").mkdir(parents=True)
        (home / "comm").write_text(f"{comm}\n")
        (home / "stat").write_text(f"{pid} ({comm}) S {parent} 1 1 0")
        (home / "cmdline").write_text("\0".join([comm, *arguments.split(), ""]))
        self.names.append((pid, comm))
        for i, (inode, local) in enumerate(sockets.items(), 3):
            os.symlink(f"socket:[{inode[1:]}]", home / "fd" / str(i))
            table = "tcp6" if len(local) > 13 else "tcp"
            row = (
                f"   0: {local} 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 {inode[1:]} 1 0"
            )
            self._tables[table].append(row)
        for table, rows in self._tables.items():
            (self.folder / "net" / table).write_text("\n".join(["  sl  local_address", *rows, ""]))


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_runtimes_are_found_at_whatever_port_they_listen(proc: Proc) -> None:
    proc.process(10, "llama-server", arguments="-m x --sleep-idle-seconds=60", i100="0100007F:270F")
    proc.process(11, "python3.11", arguments="-u -m vllm.entrypoints.openai.api_server --port 1", i101="00000000:2711")
    proc.process(12, "python3", arguments="/usr/local/bin/litellm --config x", i102=f"{'0' * 32}:0FA1")
    proc.process(13, "ollama", arguments="serve", i103=f"{'0' * 24}01000000:2CAA")
    proc.process(14, "python3", arguments="-c import vllm", i104="00000000:2712")
    proc.process(15, "bash", arguments="-c ollama", i105="00000000:2713")
    proc.process(16, "vllm", arguments="serve", i106="0501A8C0:1F40")
    found = Processes(proc.folder).candidates(proc.names)
    assert {(one.hint, one.host, one.port, one.pid) for one in found} == {
        ("llama.cpp", "127.0.0.1", 9999, 10),
        ("vllm", "127.0.0.1", 10001, 11),
        ("litellm", "127.0.0.1", 4001, 12),
        ("ollama", "::1", 11434, 13),
    }, "and nothing that listens at another address than loopback"
    flags = {one.hint: one.argument("--sleep-idle-seconds") for one in found}
    assert flags == {"llama.cpp": True, "vllm": False, "litellm": False, "ollama": False}


def test_llama_server_of_ollama_is_a_part_of_it(proc: Proc) -> None:
    proc.process(20, "ollama", arguments="serve", i200="0100007F:2CAA")
    proc.process(21, "sh", parent=20)
    proc.process(22, "llama-server", parent=21, i201="0100007F:D431")
    found = Processes(proc.folder).candidates(proc.names)
    assert [(one.hint, one.port) for one in found] == [("ollama", 11434)]


def test_process_of_another_user_and_one_that_ended_are_passed_over(proc: Proc) -> None:
    proc.process(30, "ollama", arguments="serve")
    assert Processes(proc.folder).candidates([*proc.names, (31, "llama-server"), (32, "python3")]) == []
    assert Processes(proc.folder).names() == [(30, "ollama")]


TELLS_ITS_START = "import prometheus_client as p; print(p.generate_latest().decode(), flush=True); input()"


def test_one_that_listens_nowhere_to_be_seen_is_known_by_the_start_that_it_tells() -> None:
    """As in a container: a real process, what prometheus_client tells of it, and the real kernel."""
    processes = Processes(Path("/proc"))
    with subprocess.Popen(
        [sys.executable, "-c", TELLS_ITS_START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        started = next(line for line in child.stdout if line.startswith("process_start_time_seconds "))
        wall_s = float(started.split()[1])
        assert processes.begun_at("vllm", wall_s) == 0
        assert processes.candidates([(child.pid, "vllm")]) == []
        assert processes.begun_at("vllm", wall_s) == child.pid
        assert processes.begun_at("vllm", wall_s - 3.0) == processes.begun_at("ollama", wall_s) == 0
        processes.candidates([])
        assert processes.begun_at("vllm", wall_s) == 0
        child.communicate("\n")


def test_of_two_that_began_together_neither_is_taken(proc: Proc) -> None:
    (proc.folder / "stat").write_text("cpu 1 2 3\nbtime 1000\n")
    proc.process(40, "vllm", arguments="serve")
    proc.process(41, "vllm", arguments="serve", i400="0100007F:1F40")
    for pid in (40, 41, 42):
        if pid == 42:
            proc.process(42, "vllm", arguments="serve")
        (proc.folder / str(pid) / "stat").write_text(f"{pid} (vllm) S 1 " + "0 " * 17 + "5000 0")
        processes = Processes(proc.folder)
        processes.candidates(proc.names)
        assert processes.begun_at("vllm", 1050.0) == (0 if pid == 42 else 40), "41 is seen where it listens"


def test_machine_without_proc_finds_them_by_their_ports(tmp_path: Path) -> None:
    assert Processes(tmp_path / "none").candidates(Processes(tmp_path / "none").names()) == []
