"""What /proc/<pid>/stat and /proc/<pid>/cgroup say. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_PF_KTHREAD = 0x0020_0000
_HEX_ID = r"([0-9a-f]{12})[0-9a-f]{20,}"
# Where container engines put their processes; the first 12 digits are what `docker ps` shows.
_CONTAINERS = (
    (re.compile(rf"docker[-/]{_HEX_ID}(\.scope)?"), "docker"),
    (re.compile(rf"libpod-{_HEX_ID}(\.scope)?"), "podman"),
    (re.compile(rf"cri-containerd-{_HEX_ID}(\.scope)?"), "containerd"),
    (re.compile(rf"crio-{_HEX_ID}(\.scope)?"), "crio"),
    (re.compile(rf"kubepods.*/{_HEX_ID}"), "kubernetes"),
    (re.compile(r"lxc\.payload\.([^/]+)"), "lxc"),
    (re.compile(r"machine\.slice/systemd-nspawn@([^/]+)\.service"), "nspawn"),
)
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


class Stat(NamedTuple):
    """The part of /proc/<pid>/stat that is used."""

    comm: bytes
    kernel: bool
    ticks: int
    """CPU time of all its threads, in 10 ms."""
    rss_pages: int


def parse_stat(data: bytes) -> Stat:
    """Reads one line of /proc/<pid>/stat; the name may itself hold spaces and brackets."""
    end = data.rindex(b")")
    fields = data[end + 2 :].split(None, 22)
    return Stat(
        data[data.index(b"(") + 1 : end],
        bool(int(fields[6]) & _PF_KTHREAD),
        int(fields[11]) + int(fields[12]),
        int(fields[21]),
    )


def stat_numbers(data: bytes, start: int) -> tuple[int, int]:
    """(ticks, rss_pages) of a line whose name ends before `start`, in a third of the time of `parse_stat`."""
    fields = data[start:].split(None, 22)
    return int(fields[11]) + int(fields[12]), int(fields[21])


def kernel_name(comm: bytes) -> str:
    """Kernel threads by kind: b"kworker/0:1-events" → "[kworker]"."""
    return f"[{comm.decode('utf-8', 'replace').partition('/')[0]}]"


def full_name(comm: bytes, cmdline: bytes) -> str:
    """The name of a process. The kernel keeps 15 bytes; where it cut, the first argument has the rest."""
    if len(comm) == 15:
        program = cmdline.split(b"\0", 1)[0].rsplit(b"/", 1)[-1]
        if program.startswith(comm):
            comm = program[:64]
    return comm.decode("utf-8", "replace")


def parse_io(data: bytes) -> tuple[int, int]:
    """(bytes fetched from storage, bytes sent to it) of a /proc/<pid>/io; what was taken back is not sent."""
    read = data.index(b"\nread_bytes: ") + 13
    write = data.index(b"\nwrite_bytes: ", read) + 14
    cancelled = data.index(b"\ncancelled_write_bytes: ", write) + 24
    return (
        int(data[read : data.index(b"\n", read)]),
        int(data[write : data.index(b"\n", write)]) - int(data[cancelled : data.find(b"\n", cancelled)]),
    )


def parse_pss(data: bytes) -> float:
    """Pss of a /proc/<pid>/smaps_rollup in bytes."""
    start = data.index(b"\nPss:") + 5
    return float(data[start : data.index(b"kB", start)]) * 1024.0


def unit_of(cgroup: str) -> str:
    """systemd unit or container of a /proc/<pid>/cgroup: "ssh.service", "docker:0123456789ab"; "" without."""
    path = ""
    for line in cgroup.splitlines():
        _, controllers, found = line.split(":", 2)
        if controllers == "name=systemd" or (controllers == "" and len(found) > 1):
            path = found
    for pattern, engine in _CONTAINERS:
        if match := pattern.search(path):
            return f"{engine}:{match[1]}"
    for part in reversed(path.split("/")):
        if part.endswith((".service", ".scope")) and part != "init.scope":
            return _ESCAPE.sub(lambda code: chr(int(code[1], 16)), part)
    return ""
