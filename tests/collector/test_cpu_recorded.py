"""The processor's sampler against the recorded text of a laptop: shares, states, what it is switched between."""

from __future__ import annotations

import math

import pytest

from services.collector.samplers.cpu import MOST_CORES_BY_STATE, SHOWN, SOFT_KINDS, Cpu, CpuClock
from tests.collector.recorded import Recorded, read

CPU_0 = "cpu0 600 50 300 4000 200 0 25 25 0 0"
CPU_1 = "cpu1 400 50 200 4000 100 0 25 25 0 0"
CPU = "cpu  1000 100 500 8000 300 0 50 50 0 0"


def test_cpu_is_what_is_neither_idle_nor_waiting_for_a_disk(laptop: Recorded) -> None:
    cpu = Cpu(laptop.machine)
    assert math.isnan(read(cpu, 1.0)["system.cpu.percent"]), "one reading is no span"
    laptop.change("proc/stat", CPU, "cpu  1004 100 502 8008 304 0 50 52 0 0")
    laptop.change("proc/stat", CPU_0, "cpu0 604 50 302 4000 200 0 25 27 0 0")
    laptop.change("proc/stat", CPU_1, "cpu1 400 50 200 4008 104 0 25 25 0 0")
    found = read(cpu, 1.1)
    assert found["system.cpu.percent"] == pytest.approx(100 * 8 / 20)
    assert found["system.cpu.core_percent[core=0]"] == pytest.approx(100.0)
    assert found["system.cpu.core_percent[core=1]"] == pytest.approx(0.0)


def test_cpu_is_averaged_over_100_ms_however_fast_it_is_read(laptop: Recorded) -> None:
    cpu = Cpu(laptop.machine)
    read(cpu, 1.0)
    laptop.change("proc/stat", CPU, "cpu  1001 100 500 8000 300 0 50 50 0 0")
    assert math.isnan(read(cpu, 1.017)["system.cpu.percent"])
    laptop.change("proc/stat", "cpu  1001 100 500 8000", "cpu  1005 100 500 8015")
    assert read(cpu, 1.1)["system.cpu.percent"] == pytest.approx(25.0)


def test_cpu_in_microseconds_where_the_root_group_tells_them(laptop: Recorded) -> None:
    laptop.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
    laptop.write("sys/fs/cgroup/cpu.stat", "usage_usec 16500000\nuser_usec 1\nsystem_usec 1\n")
    cpu = Cpu(laptop.machine)
    read(cpu, 1.0)
    laptop.write("sys/fs/cgroup/cpu.stat", "usage_usec 16523400\nuser_usec 1\nsystem_usec 1\n")
    assert read(cpu, 1.1)["system.cpu.percent"] == pytest.approx(100 * 0.0234 / 0.2)
    laptop.change("proc/stat", CPU, "cpu  1000 100 500 8000 300 0 50 54 0 0")
    assert read(cpu, 1.2)["system.cpu.percent"] == pytest.approx(20.0), "stolen time is in use"


def test_cpu_of_a_container_is_not_taken_for_the_machine(laptop: Recorded) -> None:
    laptop.write("sys/fs/cgroup/cgroup.controllers", "cpu\n")
    laptop.write("sys/fs/cgroup/cgroup.events", "populated 1\n")
    laptop.write("sys/fs/cgroup/cpu.stat", "usage_usec 1\n")
    cpu = Cpu(laptop.machine)
    read(cpu, 1.0)
    laptop.change("proc/stat", CPU, "cpu  1005 100 500 8015 300 0 50 50 0 0")
    assert read(cpu, 1.1)["system.cpu.percent"] == pytest.approx(25.0)


def test_core_that_goes_off_takes_its_column_along(laptop: Recorded) -> None:
    cpu = Cpu(laptop.machine)
    read(cpu, 1.0)
    before = cpu.columns()
    laptop.change("proc/stat", CPU_1 + "\n", "")
    assert "system.cpu.core_percent[core=1]" not in read(cpu, 1.1)
    assert cpu.columns() is not before


def test_states_of_all_cores_and_of_each(laptop: Recorded) -> None:
    cpu = Cpu(laptop.machine)
    read(cpu, 1.0)
    laptop.change("proc/stat", CPU, "cpu  1040 100 520 8010 320 2 57 55 0 0")
    laptop.change("proc/stat", CPU_0, "cpu0 640 50 320 4000 220 2 25 25 0 0")
    laptop.change("proc/stat", CPU_1, "cpu1 400 50 200 4010 100 0 32 30 0 0")
    found = read(cpu, 2.0)
    whole = {state: found[f"system.cpu.state_percent[state={state}]"] for state in SHOWN}
    assert whole == pytest.approx(
        {
            "user": 4000 / 104,
            "nice": 0.0,
            "system": 2000 / 104,
            "iowait": 2000 / 104,
            "irq": 200 / 104,
            "softirq": 700 / 104,
            "steal": 500 / 104,
        }
    )
    assert found["system.cpu.core_state_percent[core=0][state=user]"] == pytest.approx(4000 / 82)
    assert found["system.cpu.core_state_percent[core=1][state=softirq]"] == pytest.approx(700 / 22)


def test_what_the_processor_is_switched_between(laptop: Recorded) -> None:
    cpu = Cpu(laptop.machine)
    first = read(cpu, 1.0)
    assert (first["system.processes_running"], first["system.processes_blocked"]) == (3.0, 1.0)
    assert math.isnan(first["system.forks_s"]), "one reading is no span"
    laptop.change("proc/stat", "intr 417907", "intr 418007")
    laptop.change("proc/stat", "ctxt 673127", "ctxt 673377")
    laptop.change("proc/stat", "processes 4242", "processes 4245")
    laptop.change("proc/stat", "softirq 600000 0 1 2 3 4", "softirq 600040 0 21 2 3 24")
    found = read(cpu, 1.5)
    assert found["system.cpu.interrupts_s"] == 200.0
    assert found["system.cpu.context_switches_s"] == 500.0
    assert found["system.forks_s"] == 6.0
    assert found["system.cpu.softirqs_s"] == 80.0
    kinds = {kind: found[f"system.cpu.softirq_kind_s[type={kind}]"] for kind in SOFT_KINDS}
    assert {kind: rate for kind, rate in kinds.items() if rate} == {"timer": 40.0, "block": 40.0}


def test_state_whose_count_goes_back_is_absent_and_the_others_stay(laptop: Recorded) -> None:
    cpu = Cpu(laptop.machine)
    read(cpu, 1.0)
    laptop.change("proc/stat", CPU, "cpu  1010 100 500 8011 299 0 50 50 0 0")
    found = read(cpu, 1.1)
    assert math.isnan(found["system.cpu.state_percent[state=iowait]"])
    assert found["system.cpu.state_percent[state=user]"] == pytest.approx(50.0)


def test_big_machine_tells_states_of_all_cores_together_only(laptop: Recorded) -> None:
    cores = "".join(f"cpu{core} 400 50 200 4000 100 0 25 25 0 0\n" for core in range(2, MOST_CORES_BY_STATE + 1))
    laptop.change("proc/stat", CPU_1 + "\n", CPU_1 + "\n" + cores)
    names = read(Cpu(laptop.machine), 1.0).keys()
    assert "system.cpu.state_percent[state=user]" in names
    assert f"system.cpu.core_percent[core={MOST_CORES_BY_STATE}]" in names
    assert not any("core_state" in name for name in names)


def test_kernel_that_does_not_tell_a_count_has_none(laptop: Recorded) -> None:
    laptop.change("proc/stat", "procs_blocked 1\n", "")
    laptop.change("proc/stat", "ctxt 673127\n", "")
    cpu = Cpu(laptop.machine)
    read(cpu, 1.0)
    found = read(cpu, 1.1)
    assert math.isnan(found["system.processes_blocked"])
    assert math.isnan(found["system.cpu.context_switches_s"])


def test_software_interrupts_of_unknown_kinds_are_told_as_their_sum_only(laptop: Recorded) -> None:
    laptop.change("proc/stat", "4 5 6 7 8 9", "4 5 6 7 8 9 10")
    names = read(Cpu(laptop.machine), 1.0).keys()
    assert "system.cpu.softirqs_s" in names
    assert not any("softirq_kind" in name for name in names)


def test_clock_is_the_mean_of_the_cores(laptop: Recorded) -> None:
    assert read(CpuClock(laptop.machine), 1.0) == {"system.cpu.frequency_mhz": 2000.0}
