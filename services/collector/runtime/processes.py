"""Runtimes among the processes of this machine, and the ports they listen at (Linux).

Only names are looked at, of Python programs the module or script they run, and whether a flag of FLAGS was given.
Arguments are never kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from bus.clock import boot_us, monotonic_s
from bus.runtime_names import LITELLM, LLAMA_CPP, LLAMA_CPP_PYTHON, LM_STUDIO, OLLAMA, SGLANG, TGI, VLLM
from services.collector.runtime.candidates import Candidate

COMMANDS = {
    "llama-server": LLAMA_CPP,
    "ollama": OLLAMA,
    "vllm": VLLM,
    "lms": LM_STUDIO,
    "llmster": LM_STUDIO,
    "lm-studio": LM_STUDIO,
    "text-generation": TGI,  # the kernel keeps 15 bytes of text-generation-router
    "litellm": LITELLM,
    "sglang": SGLANG,
}
MODULES = {
    "vllm.entrypoints.openai.api_server": VLLM,
    "vllm.entrypoints.cli.main": VLLM,
    "sglang.launch_server": SGLANG,
    "llama_cpp.server": LLAMA_CPP_PYTHON,
    "litellm": LITELLM,
}
FLAGS = ("--sleep-idle-seconds",)

_LISTENING = "0A"
_MOST_ANCESTORS = 16
# The time of boot moves when the clock is set; two that began so close to one another are not told apart.
_SAME_START_S = 2.0
_START = 19
"""Where `starttime` stands behind the name in /proc/PID/stat: ticks since boot."""


def runtime_of(comm: str, arguments: Callable[[], list[str]]) -> str:
    """The runtime a process is, by its name; "" where it is none. `arguments` is asked of Python programs only."""
    if comm in COMMANDS:
        return COMMANDS[comm]
    if not comm.startswith("python"):
        return ""
    given = arguments()[1:8]
    for place, word in enumerate(given):
        if word == "-m":
            return MODULES.get(given[place + 1], "") if place + 1 < len(given) else ""
        if not word.startswith("-"):  # a script: what follows is its own
            return COMMANDS.get(os.path.basename(word), "")
    return ""


class Processes:
    """Looks at /proc. What it learned about a process is kept while it lives under the same name."""

    def __init__(self, proc: Path) -> None:
        self._proc = str(proc)
        self._known: dict[tuple[int, str], str] = {}
        self._names: dict[str, str] = {}
        self._turn = 0
        self._unseen: tuple[tuple[int, str], ...] = ()
        """(pid, runtime) of those that listen nowhere that could be seen: in a container, or another user's."""

    def candidates(self, names: Iterable[tuple[int, str]]) -> list[Candidate]:
        """The loopback ports of the runtimes among these (pid, name).

        A child of a runtime is a part of it: Ollama's llama-server, a router's models, vLLM's engines.
        """
        known: dict[tuple[int, str], str] = {}
        for pid, comm in names:
            runtime = self._known.get((pid, comm))
            known[pid, comm] = runtime_of(comm, partial(self.arguments, pid)) if runtime is None else runtime
        self._known = known
        found = {pid: runtime for (pid, _), runtime in known.items() if runtime}
        if not found:
            self._unseen = ()
            return []
        heads = [pid for pid in found if not any(parent in found for parent in self.ancestors(pid))]
        listening = self._listening()
        candidates, unseen = [], []
        for pid in heads:
            inodes = self._sockets(pid)
            if not inodes & listening.keys():
                unseen.append((pid, found[pid]))
            flags, began_s = None, None
            for inode in inodes & listening.keys():
                host, port = listening[inode]
                if flags is None:
                    given = self.arguments(pid)
                    flags = {flag: any(word.partition("=")[0] == flag for word in given) for flag in FLAGS}
                    began_s = self.began_s(pid)
                candidates.append(Candidate(port, host, pid, found[pid], flags, began_s))
        self._unseen = tuple(unseen)
        return candidates

    def begun_at(self, runtime: str, wall_s: float) -> int:
        """The one process of a runtime that listens nowhere to be seen and began then; 0: none, or it may be another.

        `wall_s`: as the process tells it itself, by the same sum: the kernel's time of boot, in whole seconds, and the
        ticks since.
        """
        unseen = [pid for pid, its in self._unseen if its == runtime]
        boot = next((line for line in self._read_whole("stat") if line.startswith("btime ")), "") if unseen else ""
        if not boot:
            return 0
        near = [
            pid
            for pid in unseen
            if len(fields := self._stat(pid, _START + 1)) > _START
            and abs(int(boot[6:]) + int(fields[_START]) / os.sysconf("SC_CLK_TCK") - wall_s) <= _SAME_START_S
        ]
        return near[0] if len(near) == 1 else 0

    def names(self) -> list[tuple[int, str]]:
        """(pid, name) of every process: for machines whose process table nobody else reads.

        A name is read again each sixth time: a process may become another program.
        """
        self._turn += 1
        if self._turn % 6 == 0:
            self._names.clear()
        try:
            living = [entry for entry in os.listdir(self._proc) if entry.isdigit()]
        except OSError:  # not Linux: runtimes are found by their ports
            return []
        self._names = {entry: self._names.get(entry) or self._read(f"{entry}/comm").strip() for entry in living}
        return [(int(entry), comm) for entry, comm in self._names.items() if comm]

    def ancestors(self, pid: int) -> list[int]:
        """Parent, grandparent … without init."""
        found: list[int] = []
        while len(found) < _MOST_ANCESTORS:
            fields = self._stat(pid, 2)
            pid = int(fields[1]) if len(fields) > 1 else 0
            if pid <= 1:
                break
            found.append(pid)
        return found

    def began_s(self, pid: int) -> float | None:
        """When a process began, by the monotonic clock; None where that cannot be seen."""
        fields = self._stat(pid, _START + 1)
        if len(fields) <= _START:
            return None
        return monotonic_s() - (boot_us() / 1e6 - int(fields[_START]) / os.sysconf("SC_CLK_TCK"))

    def arguments(self, pid: int) -> list[str]:
        """How it was started; read for what is asked here, kept nowhere."""
        return self._read(f"{pid}/cmdline").split("\0")

    def _stat(self, pid: int, most: int) -> list[str]:
        """The first fields behind a process's name, which may have blanks; none where it has ended."""
        stat = self._read(f"{pid}/stat")
        return stat[stat.rfind(")") + 2 :].split(None, most)

    def _read(self, path: str) -> str:
        try:
            with open(f"{self._proc}/{path}", encoding="utf-8", errors="replace") as file:
                return file.read(65536)
        except OSError:
            return ""

    def _sockets(self, pid: int) -> set[str]:
        """Inodes of its sockets; none where they are another user's."""
        found: set[str] = set()
        folder = f"{self._proc}/{pid}/fd"
        try:
            for entry in os.listdir(folder):
                try:
                    target = os.readlink(f"{folder}/{entry}")
                except OSError:
                    continue
                if target.startswith("socket:["):
                    found.add(target[8:-1])
        except OSError:
            return found
        return found

    def _listening(self) -> dict[str, tuple[str, int]]:
        """Inode → the loopback address by which a listening socket is reached."""
        found: dict[str, tuple[str, int]] = {}
        for table in ("net/tcp", "net/tcp6"):
            for line in self._read_whole(table)[1:]:
                fields = line.split(None, 10)
                if len(fields) > 9 and fields[3] == _LISTENING:
                    address, _, port = fields[1].rpartition(":")
                    host = _loopback(address)
                    if host:
                        found[fields[9]] = (host, int(port, 16))
        return found

    def _read_whole(self, path: str) -> list[str]:
        try:
            with open(f"{self._proc}/{path}", encoding="ascii", errors="replace") as file:
                return file.read().splitlines()
        except OSError:
            return []


def _loopback(address: str) -> str:
    """The loopback address that reaches a local address of /proc/net/tcp; "" where none does."""
    if address in ("00000000", "0100007F") or address == "0" * 32:
        return "127.0.0.1"
    return "::1" if address == "0" * 24 + "01000000" else ""
