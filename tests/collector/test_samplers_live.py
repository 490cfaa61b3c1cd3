"""This machine's own values against an independent reader (psutil, the kernel's other files): within 5 %."""

from __future__ import annotations

import math
import mmap
import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from services.collector.processes.board import Board
from services.collector.sampler import Absent, Machine
from services.collector.samplers import SAMPLERS
from services.collector.samplers.cpu import MOST_CORES_BY_STATE, Cpu
from services.collector.samplers.disk import Disk
from services.collector.samplers.filesystem import Filesystem
from services.collector.samplers.load import Load
from services.collector.samplers.memory import Memory, MemoryTrend
from services.collector.samplers.network import Network
from services.collector.samplers.own_cost import OwnCost
from services.collector.samplers.paging import Paging
from services.collector.samplers.storage import Storage
from tests.collector.recorded import read

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="hardware absent: no Linux /proc on this machine")

HERE = Machine()


class Bracket:
    """Another reader's counters just before and just after each of our two readings.

    Others use this machine as well, so ours must lie between the inner and the outer difference.
    """

    def __init__(self, read: Callable[[], dict[str, int]]) -> None:
        self._read = read
        self._at: list[dict[str, int]] = []

    def __enter__(self) -> Bracket:
        self._at = [self._read()]
        return self

    def begun(self) -> None:
        self._at.append(self._read())

    ending = begun

    def __exit__(self, *failure: object) -> None:
        self._at.append(self._read())

    def holds(self, name: str, ours: float) -> None:
        first, begun, ending, last = (at[name] for at in self._at)
        assert ending - begun - 1 <= ours <= last - first + 1


@pytest.fixture
def busy() -> Iterator[psutil.Process]:
    """A program that keeps one core busy and holds 64 MiB."""
    code = "held = bytearray(64 << 20); print('up', flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        yield psutil.Process(program.pid)
        program.kill()


def test_cpu_agrees_with_psutil(busy: psutil.Process) -> None:
    cpu = Cpu(HERE)
    psutil.cpu_percent()
    cpu.read(time.monotonic())
    time.sleep(2.0)  # the span that is measured
    theirs = psutil.cpu_percent()
    ours = read(cpu, time.monotonic())
    assert ours["system.cpu.percent"] == pytest.approx(theirs, rel=0.05, abs=2.0)
    cores = [value for name, value in ours.items() if "core_percent" in name]
    assert len(cores) == psutil.cpu_count()
    assert sum(cores) / len(cores) == pytest.approx(theirs, rel=0.05, abs=2.0)


def test_cpu_states_agree_with_psutil(busy: psutil.Process) -> None:
    cpu = Cpu(HERE)
    psutil.cpu_times_percent(percpu=True)
    psutil.cpu_times_percent()
    cpu.read(time.monotonic())
    time.sleep(2.0)  # the span that is measured
    theirs, each = psutil.cpu_times_percent(), psutil.cpu_times_percent(percpu=True)
    ours = read(cpu, time.monotonic())
    for state in ("user", "system", "iowait", "softirq", "steal"):
        assert ours[f"system.cpu.state_percent[state={state}]"] == pytest.approx(
            getattr(theirs, state), rel=0.05, abs=2.0
        )
        for core, times in enumerate(each[:MOST_CORES_BY_STATE]):
            name = f"system.cpu.core_state_percent[core={core}][state={state}]"
            assert ours[name] == pytest.approx(getattr(times, state), rel=0.05, abs=2.0), name


def test_switches_and_interrupts_agree_with_psutil() -> None:
    cpu = Cpu(HERE)
    with Bracket(lambda: psutil.cpu_stats()._asdict()) as bracket:
        cpu.read(100.0)
        bracket.begun()
        for _ in range(200):
            time.sleep(0.0005)  # a switch each
        bracket.ending()
        ours = read(cpu, 110.0)
    bracket.holds("ctx_switches", ours["system.cpu.context_switches_s"] * 10.0)
    bracket.holds("interrupts", ours["system.cpu.interrupts_s"] * 10.0)
    bracket.holds("soft_interrupts", ours["system.cpu.softirqs_s"] * 10.0)


def test_memory_agrees_with_psutil() -> None:
    ours = read(Memory(HERE), 1.0) | read(MemoryTrend(HERE), 1.0)
    theirs = psutil.virtual_memory()
    assert ours["system.mem.total_bytes"] == theirs.total
    assert ours["system.mem.used_bytes"] == pytest.approx(theirs.total - theirs.available, rel=0.05, abs=32 << 20)
    assert ours["system.mem.percent"] == pytest.approx(theirs.percent, rel=0.05, abs=0.5)
    assert ours["system.mem.cache_bytes"] == pytest.approx(theirs.cached + theirs.buffers, rel=0.05, abs=32 << 20)
    for field in ("available", "free", "buffers", "shared", "slab"):
        assert ours[f"system.mem.{field}_bytes"] == pytest.approx(getattr(theirs, field), rel=0.05, abs=32 << 20), field
    assert ours["system.swap.used_bytes"] == pytest.approx(psutil.swap_memory().used, rel=0.05, abs=1 << 20)


def test_page_faults_are_at_least_those_of_one_program() -> None:
    paging = Paging(HERE)
    paging.read(100.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = mmap.mmap(-1, 16 << 20)
    for at in range(0, len(held), mmap.PAGESIZE):
        held[at] = 1
    ours = read(paging, 110.0)["system.mem.faults_s"] * 10.0
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    held.close()
    assert taken > 0
    # The kernel folds the counts of a core into the sum it tells a little later.
    assert ours >= 0.9 * taken


def test_load_and_uptime_agree_with_the_system() -> None:
    before, ours, after = os.getloadavg()[0], read(Load(HERE), 1.0), os.getloadavg()[0]
    # The kernel tells a new mean every five seconds.
    assert min(before, after) - 0.01 <= ours["system.load1"] <= max(before, after) + 0.01
    assert ours["system.uptime_s"] == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=1.0)


def test_file_systems_agree_with_shutil() -> None:
    ours = read(Filesystem(HERE), 1.0)
    assert ours["system.disk.total_bytes[mount=/]"] == pytest.approx(shutil.disk_usage("/").total)
    assert ours["system.disk.free_bytes[mount=/]"] == pytest.approx(shutil.disk_usage("/").free, rel=0.05)


def test_loopback_counts_each_byte_once() -> None:
    network = Network(HERE)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        drain = threading.Thread(target=lambda: [None for _ in iter(lambda: peer.recv(1 << 20), b"")])
        drain.start()
        with Bracket(lambda: {"lo": psutil.net_io_counters(pernic=True)["lo"].bytes_recv}) as bracket:
            network.read(100.0)
            bracket.begun()
            client.sendall(bytes(32 << 20))
            client.close()
            drain.join()
            peer.close()
            bracket.ending()
            moved = read(network, 110.0)["system.net.lo_bytes_s"] * 10.0
    assert moved >= 32 << 20
    bracket.holds("lo", moved)


def test_disk_agrees_with_psutil(tmp_path: Path) -> None:
    def theirs() -> dict[str, int]:
        disks = psutil.disk_io_counters(perdisk=True).items()
        return {
            f"{name} {field}": getattr(row, field) for name, row in disks for field in ("write_bytes", "write_count")
        }

    disk = Disk(HERE)
    with Bracket(theirs) as bracket:
        disk.read(100.0)
        bracket.begun()
        with (tmp_path / "written").open("wb") as file:
            file.write(os.urandom(24 << 20))
            file.flush()
            os.fsync(file.fileno())
        bracket.ending()
        ours = read(disk, 110.0)
    for name in {series.labels[0][1] for series in disk.columns()}:
        bracket.holds(f"{name} write_bytes", ours[f"system.disk.write_bytes_s[device={name}]"] * 10.0)
        bracket.holds(f"{name} write_count", ours[f"system.disk.writes_s[device={name}]"] * 10.0)


def test_packets_agree_with_psutil() -> None:
    def theirs() -> dict[str, int]:
        return {name: row.packets_recv for name, row in psutil.net_io_counters(pernic=True).items()}

    network = Network(HERE)
    with Bracket(theirs) as bracket, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker:
        network.read(100.0)
        bracket.begun()
        for _ in range(100):
            speaker.sendto(b"one packet", ("127.0.0.1", 9))
        bracket.ending()
        ours = read(network, 110.0)
    assert ours["system.net.lo_packets_s"] * 10.0 >= 100 - 1e-6
    bracket.holds("lo", ours["system.net.lo_packets_s"] * 10.0)
    for name in {series.labels[0][1] for series in network.columns() if series.labels}:
        bracket.holds(name, ours[f"system.net.rx_packets_s[iface={name}]"] * 10.0)


def test_process_agrees_with_psutil(busy: psutil.Process) -> None:
    board = Board()
    with Bracket(lambda: {"ticks": round(sum(busy.cpu_times()[:2]) * 100)}) as bracket:
        old = board.scan(time.monotonic())
        bracket.begun()
        time.sleep(2.0)  # the span that is measured
        bracket.ending()
        new = board.scan(time.monotonic())
    name = busy.name()
    usage = next(usage for usage in board.compare(old, new) if usage.name == name)
    (mine,) = (process for process in usage.members if process.pid == busy.pid)
    bracket.holds("ticks", new.counters[mine].ticks - old.counters[mine].ticks)
    ours = (new.counters[mine].ticks - old.counters[mine].ticks) / 100.0
    assert usage.cpu_percent >= 100.0 * ours / (new.time_s - old.time_s) - 1e-6
    assert new.counters[mine].rss_pages * os.sysconf("SC_PAGE_SIZE") == pytest.approx(busy.memory_info().rss, rel=0.05)


def test_proportional_memory_agrees_with_psutil(busy: psutil.Process, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/busy.pid").write_text(str(busy.pid))
    cost = OwnCost(Machine(home=tmp_path))
    for second in range(13):
        ours = read(cost, float(second))
    theirs = busy.memory_full_info()
    assert ours["monitor.pss_bytes"] == pytest.approx(theirs.pss, rel=0.05)
    assert ours["monitor.rss_bytes"] == pytest.approx(theirs.rss, rel=0.05)


def test_process_that_ended_leaves_and_its_number_is_not_followed() -> None:
    board = Board()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as program:
        old = board.scan(1.0)
        assert program.pid in {process.pid for process in old.counters}
        program.communicate(b"\n")
    assert program.pid not in {process.pid for process in board.scan(2.0).counters}


def test_storage_of_a_home(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/aggregator.db").write_bytes(bytes(5000))
    (tmp_path / "data/aggregator.db-wal").write_bytes(bytes(700))
    (tmp_path / "data/aggregator.db-shm").write_bytes(bytes(32768))
    ours = read(Storage(Machine(home=tmp_path)), 1.0)
    assert (ours["storage.db_bytes"], ours["storage.wal_bytes"]) == (5000.0, 700.0)
    assert ours["storage.disk_free_bytes"] == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)
    assert math.isnan(ours["storage.write_bytes_s"]), "no process of ours runs there"


def test_every_sampler_of_this_machine_reads_or_says_why_not(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "run").mkdir()
    there, reasons = 0, list[str]()
    for factories in SAMPLERS.values():
        for factory in factories:
            try:
                sampler = factory(Machine(home=tmp_path))
            except Absent as absent:
                reasons.append(absent.reason)
                continue
            for now_s in (1.0, 2.0):
                values = sampler.read(now_s)
                assert len(values) == len(sampler.columns())
                assert all(isinstance(value, float) for value in values)
                assert not any(math.isinf(value) for value in values)
            there += 1
    assert there >= 10
    assert all(reasons)
