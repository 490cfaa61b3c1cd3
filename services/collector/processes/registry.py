"""Every process of the machine, with its files held open, and a snapshot of their counters."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import NamedTuple

from services.collector.pinned import PinnedFile, text
from services.collector.processes.parse import full_name, kernel_name, parse_io, parse_stat, stat_numbers, unit_of

# Looks without a move until a process is still, and every how many looks a still one is read.
STILL_AFTER = 3
TURNS = 4


class Counters(NamedTuple):
    """What one process had used at a moment."""

    ticks: int
    rss_pages: int
    read_bytes: int
    """-1 where reading is refused: another user's process."""
    write_bytes: int


class Process:
    """One life of one pid."""

    __slots__ = (
        "_head",
        "_io",
        "_raw",
        "_raw_io",
        "_stat",
        "_stat_at",
        "comm",
        "counters",
        "folder",
        "kernel",
        "name",
        "pid",
        "unit",
    )

    def __init__(self, folder: Path, pid: int) -> None:
        """Raises OSError where it ended meanwhile."""
        self.folder = folder
        self.pid = pid
        self.comm = b""
        self.name = ""
        self.kernel = False
        self.unit: str | None = None
        self._head = b"?"
        """How its line begins as long as it stays the same program: b"7 (name) "."""
        self._raw = b""
        self._raw_io = b""
        self._stat = PinnedFile(folder / "stat", 1024)
        self._stat_at = self._stat.descriptor
        self._io: PinnedFile | None = None
        self.counters = Counters(0, 0, -1, -1)
        """As it was last read."""
        self.read()
        if not self.kernel:
            try:
                self._io = PinnedFile(folder / "io", 512)
                self.read()
            except OSError:  # another user's: refused now, refused later
                self._io = None

    def read(self) -> Counters:
        """Its counters now; the same object while they stand.

        Raises OSError when it has ended, also where its pid lives on in another.
        """
        known = self.counters
        data = os.pread(self._stat_at, 1024, 0)
        if data != self._raw:  # most sleep, and their line stays the same
            self._raw = data
            if not data.startswith(self._head):  # new, or it became another program
                self._name(data)
            ticks, rss_pages = stat_numbers(data, len(self._head))
            if ticks != known.ticks or rss_pages != known.rss_pages:
                self.counters = known._replace(ticks=ticks, rss_pages=rss_pages)
        if self._io is not None:
            data = os.pread(self._io.descriptor, 512, 0)
            if data != self._raw_io:
                self._raw_io = data
                read_bytes, write_bytes = parse_io(data)
                if read_bytes != known.read_bytes or write_bytes != known.write_bytes:
                    self.counters = self.counters._replace(read_bytes=read_bytes, write_bytes=write_bytes)
        return self.counters

    def _name(self, data: bytes) -> None:
        stat = parse_stat(data)
        self._head = data[: data.rindex(b")") + 2]
        self.comm, self.kernel = stat.comm, stat.kernel
        self.name = kernel_name(stat.comm) if stat.kernel else full_name(stat.comm, self._cmdline(stat.comm))

    def _cmdline(self, comm: bytes) -> bytes:
        if len(comm) < 15:
            return b""
        try:
            return (self.folder / "cmdline").read_bytes()
        except OSError:
            return b""

    def find_unit(self) -> str:
        """Its systemd unit or container; looked up once."""
        if self.unit is None:
            self.unit = "" if self.kernel else unit_of(text(self.folder / "cgroup"))
        return self.unit


class Snapshot(NamedTuple):
    """All processes at one moment."""

    time_s: float
    counters: dict[Process, Counters]
    read_s: dict[Process, float]
    """When they were read, of those that stand still; all others at `time_s`."""
    whole: bool
    """All were read at `time_s`."""


class Registry:
    """Knows the living processes. Not safe to use from two threads at once.

    A process is lively or still. One whose counters have not moved for `STILL_AFTER` looks is still, and read at every
    `TURNS`th look only, until they move: most processes of a machine sleep for hours, and to read one that has left
    the caches costs 20 µs. What it used meanwhile is found at its turn, over the time since it was last read. A number
    that passed to another process between two turns is noticed at the turn.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._known: dict[str, Process] = {}
        self._other_names: set[str] = set()
        self._counters: dict[Process, Counters] = {}
        self._lively: dict[Process, int] = {}
        """Looks since its counters last moved."""
        self._still: tuple[dict[Process, None], ...] = tuple({} for _ in range(TURNS))
        self._read_s: dict[Process, float] = {}
        self._look = 0
        self._newest = b""
        """The newest number given to a process or thread, which ends /proc/loadavg."""
        try:
            self._loadavg: PinnedFile | None = PinnedFile(proc / "loadavg", 128)
        except OSError:
            self._loadavg = None
        _need_descriptors()

    def snapshot(self, now_s: float, whole: bool = False) -> Snapshot:
        """Reads the lively and those whose turn it is; `whole`: everything."""
        self._look += 1
        turns = range(TURNS) if whole else (self._look % TURNS,)
        still = [process for turn in turns for process in self._still[turn]]
        for process, looks in list(self._lively.items()):
            moved = self._read(process)
            if moved:
                self._lively[process] = 0
            elif moved is not None:
                self._lively[process] = looks + 1
                if looks >= STILL_AFTER:
                    self._rest(process, now_s)
        for process in still:
            moved = self._read(process)
            if moved:
                self._wake(process)
            elif moved is not None:
                self._read_s[process] = now_s
        self._follow(whole)
        return Snapshot(now_s, dict(self._counters), dict(self._read_s), whole)

    def _follow(self, whole: bool) -> None:
        """Who came and who went. To list /proc costs 0.5 ms: not where the kernel has given no number since.

        At every `TURNS`th look it is listed all the same: in a container the number may be one of some seconds ago.
        """
        newest = self._loadavg.read().rsplit(None, 1)[-1] if self._loadavg else b""
        if newest == self._newest and newest and not whole and self._look % TURNS:
            return
        self._newest = newest
        listed = set(os.listdir(self._proc))
        for name in self._known.keys() - listed:
            self._forget(name)
        for name in listed - self._known.keys() - self._other_names:
            self._meet(name)

    def _read(self, process: Process) -> bool | None:
        """True where its counters moved. None where it ended: it is forgotten, and who has its number now is met."""
        before = self._counters[process]
        try:
            now = self._counters[process] = process.read()
        except OSError:
            self._forget(str(process.pid))
            return None
        return now is not before

    def _meet(self, name: str) -> None:
        if not name.isdigit():
            self._other_names.add(name)
            return
        try:
            process = Process(self._proc / name, int(name))
        except OSError:
            return
        self._known[name] = process
        self._counters[process] = process.counters
        self._lively[process] = 0

    def _wake(self, process: Process) -> None:
        del self._still[process.pid % TURNS][process], self._read_s[process]
        self._lively[process] = 0

    def _rest(self, process: Process, now_s: float) -> None:
        del self._lively[process]
        self._still[process.pid % TURNS][process] = None
        self._read_s[process] = now_s

    def _forget(self, name: str) -> None:
        process = self._known.pop(name)
        del self._counters[process]
        self._lively.pop(process, None)
        self._still[process.pid % TURNS].pop(process, None)
        self._read_s.pop(process, None)


def _need_descriptors() -> None:
    """Two files a process stay open: take what the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
