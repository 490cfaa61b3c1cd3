"""How pages come and go, against the recorded counters of a kernel."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bus.catalogue import catalogue
from services.collector.sampler import Absent, Machine
from services.collector.samplers.paging import FLOWS, NODE_FLOWS, Paging
from tests.collector.recorded import Recorded, read


def let_grow(laptop: Recorded, **by: int) -> None:
    """Adds to counters of /proc/vmstat."""
    lines = dict(line.split() for line in (laptop.root / "proc/vmstat").read_text().splitlines())
    for name, more in by.items():
        lines[name] = str(int(lines[name]) + more)
    laptop.write("proc/vmstat", "".join(f"{name} {value}\n" for name, value in lines.items()))


def test_pages_become_bytes_and_counts_stay_counts(laptop: Recorded) -> None:
    paging = Paging(laptop.machine)
    assert all(math.isnan(value) for value in read(paging, 1.0).values()), "one reading is no span"
    let_grow(laptop, pswpin=10, pgfault=500, pgmajfault=2, pgpgin=64, workingset_refault_file=5, pgscan_direct=3)
    found = read(paging, 3.0)
    moved = {name: value for name, value in found.items() if value}
    assert moved == {
        "system.swap.in_bytes_s": 10 * 4096 / 2.0,
        "system.mem.faults_s": 250.0,
        "system.mem.major_faults_s": 1.0,
        "system.mem.page_in_bytes_s": 32 * 1024.0,
        "system.mem.refault_bytes_s[type=file]": 5 * 4096 / 2.0,
        "system.mem.scan_bytes_s[type=direct]": 3 * 4096 / 2.0,
    }


def test_zones_are_added_up(laptop: Recorded) -> None:
    paging = Paging(laptop.machine)
    read(paging, 1.0)
    let_grow(laptop, allocstall_normal=2, allocstall_movable=3, pgalloc_dma32=1, pgalloc_movable=7, oom_kill=1)
    found = read(paging, 2.0)
    assert found["system.mem.allocation_stalls_s"] == 5.0
    assert found["system.mem.allocate_bytes_s"] == 8 * 4096.0
    assert found["system.mem.oom_kills_s"] == 1.0, "the columns after sums stand in their places"


def test_counter_that_fell_is_absent(laptop: Recorded) -> None:
    paging = Paging(laptop.machine)
    read(paging, 1.0)
    let_grow(laptop, pgfault=-100, pgmajfault=1)
    found = read(paging, 2.0)
    assert math.isnan(found["system.mem.faults_s"])
    assert found["system.mem.major_faults_s"] == 1.0


def test_counters_that_a_kernel_does_not_have_are_no_columns(laptop: Recorded) -> None:
    assert "system.mem.huge_faults_s" in read(Paging(laptop.machine), 1.0)
    laptop.write("proc/vmstat", "nr_free_pages 250000\npswpin 1010\npgfault 5500\nallocstall 7\n")
    paging = Paging(laptop.machine)
    assert list(read(paging, 1.0)) == [
        "system.swap.in_bytes_s",
        "system.mem.faults_s",
        "system.mem.allocation_stalls_s",
    ]


def test_nodes_of_memory_only_where_there_are_several(laptop: Recorded) -> None:
    assert not any("node" in name for name in read(Paging(laptop.machine), 1.0))
    laptop.write("sys/devices/system/node/node1/cpulist", "4-7\n")
    paging = Paging(laptop.machine)
    read(paging, 1.0)
    let_grow(laptop, numa_other=2)
    assert read(paging, 2.0)["system.mem.node_remote_bytes_s"] == 2 * 4096.0


def test_each_flow_is_in_the_catalogue_in_its_unit() -> None:
    for flow in (*FLOWS, *NODE_FLOWS):
        metric = catalogue()[flow.metric]
        assert metric.unit.startswith("bytes") == (flow.unit != 1.0), flow.metric
        assert {name for name, _ in flow.labels} <= set(metric.labels)


def test_machine_without_the_file_is_absent(tmp_path: Path) -> None:
    with pytest.raises(Absent):
        Paging(Machine(proc=tmp_path))
