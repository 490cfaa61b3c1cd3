"""Each sampler against the recorded text of a laptop: what is read, what is left out, what is absent."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from bus.catalogue import catalogue
from services.collector.sampler import Absent, Machine
from services.collector.samplers import SAMPLERS
from services.collector.samplers.battery import Battery
from services.collector.samplers.disk import Disk
from services.collector.samplers.filesystem import Filesystem
from services.collector.samplers.load import Load
from services.collector.samplers.memory import Memory, MemoryTrend
from services.collector.samplers.network import Network
from services.collector.samplers.power import Power
from services.collector.samplers.psi import Pressure, Stall
from services.collector.samplers.temperature import Temperature
from tests.collector.recorded import Recorded, read


def test_every_series_is_in_the_catalogue_with_its_labels(laptop: Recorded) -> None:
    seen = set()
    for factories in SAMPLERS.values():
        for factory in factories:
            try:
                sampler = factory(laptop.machine)
            except Absent:
                continue
            sampler.read(1.0)
            for series in sampler.columns():
                metric = catalogue()[series.metric]
                assert {name for name, _ in series.labels} <= set(metric.labels)
                seen.add(series.metric)
    assert len(seen) > 60


def test_memory_in_use_is_what_is_not_available(laptop: Recorded) -> None:
    found = read(Memory(laptop.machine), 1.0)
    assert found["system.mem.percent"] == 75.0
    assert found["system.mem.used_bytes"] == 12_000_000 * 1024.0
    assert found["system.mem.cache_bytes"] == 2_500_000 * 1024.0, "SwapCached is no cache of files"


def test_what_memory_is_used_for(laptop: Recorded) -> None:
    memory = Memory(laptop.machine)
    read(memory, 1.0)
    found = read(memory, 1.1)
    wanted = {
        "available": 4_000_000,
        "free": 1_000_000,
        "cached": 2_000_000,
        "buffers": 100_000,
        "dirty": 1_200,
        "writeback": 40,
        "slab": 600_000,
        "shared": 300_000,
        "anonymous": 9_000_000,
        "mapped": 700_000,
        "page_table": 50_000,
        "committed": 20_000_000,
    }
    assert {name: found[f"system.mem.{name}_bytes"] / 1024.0 for name in wanted} == wanted


def test_lines_that_come_and_go_in_meminfo_are_found_again(laptop: Recorded) -> None:
    memory = Memory(laptop.machine)
    before = read(memory, 1.0)
    laptop.change("proc/meminfo", "Dirty:              1200 kB\n", "")
    without = read(memory, 1.1)
    assert math.isnan(without.pop("system.mem.dirty_bytes"))
    assert without["system.mem.committed_bytes"] == before["system.mem.committed_bytes"]
    laptop.change("proc/meminfo", "Slab: ", "NewHere:              1 kB\nDirty:               10 kB\nSlab: ")
    again = read(memory, 1.2)
    assert again["system.mem.mapped_bytes"] == before["system.mem.mapped_bytes"]
    assert again["system.mem.slab_bytes"] == before["system.mem.slab_bytes"]


def test_lines_that_an_older_kernel_does_not_have_are_no_columns(laptop: Recorded) -> None:
    assert "system.mem.locked_bytes" not in read(Memory(laptop.machine), 1.0)
    laptop.change("proc/meminfo", "Dirty: ", "Mlocked:          4096 kB\nDirty: ")
    assert read(Memory(laptop.machine), 1.0)["system.mem.locked_bytes"] == 4096 * 1024.0


def test_swap(laptop: Recorded) -> None:
    assert read(MemoryTrend(laptop.machine), 1.0) == {
        "system.mem.total_bytes": 16_000_000 * 1024.0,
        "system.swap.percent": 25.0,
        "system.swap.used_bytes": 2_000_000 * 1024.0,
        "system.swap.total_bytes": 8_000_000 * 1024.0,
    }


def test_share_of_swap_is_absent_without_swap(laptop: Recorded) -> None:
    laptop.change("proc/meminfo", "SwapTotal:       8000000", "SwapTotal:             0")
    laptop.change("proc/meminfo", "SwapFree:        6000000", "SwapFree:              0")
    assert math.isnan(read(MemoryTrend(laptop.machine), 1.0)["system.swap.percent"])


def test_load_threads_and_uptime(laptop: Recorded) -> None:
    assert list(read(Load(laptop.machine), 1.0).values()) == [0.61, 0.43, 0.20, 1234.0, 12345.67]


def test_pressure(laptop: Recorded) -> None:
    assert read(Pressure(laptop.machine), 1.0) == {
        "system.psi.cpu.some_avg10": 12.5,
        "system.psi.cpu.some_avg60": 6.0,
        "system.psi.mem.some_avg10": 1.25,
        "system.psi.mem.some_avg60": 0.5,
        "system.psi.mem.full_avg10": 0.75,
        "system.psi.mem.full_avg60": 0.3,
        "system.psi.io.some_avg10": 3.0,
        "system.psi.io.some_avg60": 2.0,
        "system.psi.io.full_avg10": 2.0,
        "system.psi.io.full_avg60": 1.0,
    }


def test_stall_is_the_share_of_the_last_span(laptop: Recorded) -> None:
    stall = Stall(laptop.machine)
    assert all(math.isnan(value) for value in read(stall, 1.0).values())
    laptop.change("proc/pressure/cpu", "avg300=2.00 total=1000", "avg300=2.00 total=26000")
    laptop.change("proc/pressure/io", "total=500", "total=150500")
    laptop.change("proc/pressure/memory", "total=500", "total=400")
    found = read(stall, 1.1)
    assert found["system.psi.cpu.some_percent"] == pytest.approx(25.0)
    assert found["system.psi.io.full_percent"] == 100.0
    assert found["system.psi.mem.some_percent"] == 0.0
    assert math.isnan(found["system.psi.mem.full_percent"]), "a sum that went back"


def test_kernel_without_pressure_is_absent_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(Absent, match="psi=1"):
        Pressure(Machine(proc=tmp_path))


def test_whole_disks_only(laptop: Recorded) -> None:
    disk = Disk(laptop.machine)
    read(disk, 1.0)
    laptop.change(
        "proc/diskstats", "2000000 9000 30000 2000 1000000 8000 0 12000", "2000200 9000 30000 2000 1000020 8000 0 12050"
    )
    found = read(disk, 1.1)
    assert {name.split("=")[1] for name in found} == {"nvme0n1]", "sda]"}
    assert found["system.disk.read_bytes_s[device=nvme0n1]"] == pytest.approx(200 * 512 / 0.1)
    assert found["system.disk.write_bytes_s[device=nvme0n1]"] == pytest.approx(20 * 512 / 0.1)
    assert found["system.disk.busy_percent[device=nvme0n1]"] == pytest.approx(50.0)


def test_requests_of_a_disk_and_how_long_they_took(laptop: Recorded) -> None:
    disk = Disk(laptop.machine)
    read(disk, 1.0)
    laptop.change(
        "proc/diskstats",
        "40000 1000 2000000 9000 30000 2000 1000000 8000 0 12000 17000",
        "40010 1000 2000000 9025 30002 2000 1000000 8014 0 12000 17150",
    )
    found = read(disk, 1.1)
    assert found["system.disk.reads_s[device=nvme0n1]"] == pytest.approx(100.0)
    assert found["system.disk.writes_s[device=nvme0n1]"] == pytest.approx(20.0)
    assert found["system.disk.read_latency_ms[device=nvme0n1]"] == pytest.approx(2.5)
    assert found["system.disk.write_latency_ms[device=nvme0n1]"] == pytest.approx(7.0)
    assert found["system.disk.queue_depth[device=nvme0n1]"] == pytest.approx(1.5)
    assert math.isnan(found["system.disk.read_latency_ms[device=sda]"]), "nothing was read, so nothing took any time"
    assert found["system.disk.queue_depth[device=sda]"] == 0.0


def test_merges_discards_and_flushes_of_a_disk(laptop: Recorded) -> None:
    disk = Disk(laptop.machine)
    read(disk, 1.0)
    laptop.change(
        "proc/diskstats",
        "40000 1000 2000000 9000 30000 2000 1000000 8000 0 12000 17000 0 0 0 0 0 0",
        "40000 1003 2000000 9000 30000 2001 1000000 8000 0 12000 17000 5 0 800 6 2 9",
    )
    found = read(disk, 1.5)
    figures = ("read_merges_s", "write_merges_s", "discards_s", "discard_bytes_s", "flushes_s", "flush_latency_ms")
    assert [found[f"system.disk.{figure}[device=nvme0n1]"] for figure in figures] == [
        6.0, 2.0, 10.0, 800 * 512 / 0.5, 4.0, 4.5,
    ]  # fmt: skip
    assert math.isnan(found["system.disk.flush_latency_ms[device=sda]"])


def test_disk_of_an_older_kernel_has_no_discards_and_no_flushes(laptop: Recorded) -> None:
    lines = (laptop.root / "proc/diskstats").read_text().splitlines()
    laptop.write("proc/diskstats", "".join(" ".join(line.split()[:14]) + "\n" for line in lines))
    disk = Disk(laptop.machine)
    read(disk, 1.0)
    found = read(disk, 1.1)
    assert found["system.disk.reads_s[device=sda]"] == 0.0
    assert not any("flush" in name or "discard" in name for name in found)


def test_disks_that_stand_still_have_the_rates_of_what_did_not_change(laptop: Recorded) -> None:
    disk = Disk(laptop.machine)
    read(disk, 1.0)
    laptop.change("proc/diskstats", "40000 1000 2000000", "40010 1000 2000000")
    assert read(disk, 1.1)["system.disk.reads_s[device=nvme0n1]"] == pytest.approx(100.0)
    for now_s in (1.2, 1.3):
        assert read(disk, now_s)["system.disk.reads_s[device=nvme0n1]"] == 0.0
    laptop.change("proc/diskstats", "40010 1000 2000000", "40020 1000 2000000")
    assert read(disk, 1.5)["system.disk.reads_s[device=nvme0n1]"] == pytest.approx(50.0), "over the last span alone"


def test_disk_that_is_pulled_and_put_back_makes_no_spike(laptop: Recorded) -> None:
    disk = Disk(laptop.machine)
    read(disk, 1.0)
    text = (laptop.root / "proc/diskstats").read_text()
    laptop.write("proc/diskstats", "".join(line for line in text.splitlines(True) if " sda " not in line))
    assert all(math.isnan(value) for value in read(disk, 1.1).values())
    laptop.write("proc/diskstats", text)
    assert all(math.isnan(value) for value in read(disk, 1.2).values())
    found = read(disk, 1.3)
    assert all(math.isnan(value) if "latency" in name else value == 0.0 for name, value in found.items())


def test_loopback_is_apart_and_containers_insides_are_left_out(laptop: Recorded) -> None:
    network = Network(laptop.machine)
    read(network, 1.0)
    laptop.change("proc/net/dev", "lo:  500000", "lo:  501000")
    laptop.change("proc/net/dev", "wlp2s0: 7000000", "wlp2s0: 7000500")
    found = read(network, 1.5)
    assert found["system.net.lo_bytes_s"] == 2000.0
    assert found["system.net.rx_bytes_s[iface=wlp2s0]"] == 1000.0
    assert found["system.net.tx_bytes_s[iface=wlp2s0]"] == 0.0
    assert {name.partition("=")[2] for name in found} == {"", "wlp2s0]"}


def test_packets_errors_and_drops_of_an_interface(laptop: Recorded) -> None:
    network = Network(laptop.machine)
    read(network, 1.0)
    laptop.change("proc/net/dev", "wlp2s0: 7000000    7462    5   30 ", "wlp2s0: 7000000    7472    6   33 ")
    laptop.change("proc/net/dev", "900000    2768    2    9 ", "900000    2773    2    8 ")
    laptop.change("proc/net/dev", "lo:  500000    3900", "lo:  500000    3907")
    found = read(network, 1.5)
    assert found["system.net.lo_packets_s"] == 14.0
    figures = ("rx_packets", "tx_packets", "rx_errors", "tx_errors", "rx_drops")
    assert [found[f"system.net.{figure}_s[iface=wlp2s0]"] for figure in figures] == [20.0, 10.0, 2.0, 0.0, 6.0]
    assert math.isnan(found["system.net.tx_drops_s[iface=wlp2s0]"]), "a counter that went back"


def test_each_local_file_system_once_and_no_remote_one(laptop: Recorded) -> None:
    asked = []

    def statvfs(mount: str) -> os.statvfs_result:
        asked.append(mount)
        return os.statvfs_result((4096, 1024, 1000, 500, 400, 0, 0, 0, 0, 255))

    found = read(Filesystem(laptop.machine, statvfs), 1.0)
    assert asked == ["/", "/boot/efi", "/media/my disk"]
    assert found["system.disk.free_bytes[mount=/media/my disk]"] == 400 * 1024.0
    assert found["system.disk.total_bytes[mount=/]"] == 1000 * 1024.0


def test_mount_that_went_away_is_absent_until_the_next_look(laptop: Recorded) -> None:
    def statvfs(mount: str) -> object:
        raise OSError("gone")

    found = read(Filesystem(laptop.machine, statvfs), 1.0)  # type: ignore[arg-type]
    assert all(math.isnan(value) for value in found.values())


def test_sensors_have_the_names_of_their_chip(laptop: Recorded) -> None:
    assert read(Temperature(laptop.machine), 1.0) == {
        "system.temp_c[sensor=coretemp/Package id 0]": 54.0,
        "system.temp_c[sensor=coretemp/temp2]": 52.0,
        "system.fan_rpm[sensor=thinkpad/fan1]": 2870.0,
    }


def test_battery_gives_power_only_while_it_discharges(laptop: Recorded) -> None:
    battery = Battery(laptop.machine)
    found = read(battery, 10.0)
    assert found["system.battery.percent"] == 87.0
    assert found["system.battery.charging"] == 0.0
    assert found["system.power_w[type=battery]"] == 7.5
    assert read(battery, 12.0)["system.energy_j[type=battery]"] == pytest.approx(15.0)
    laptop.write("sys/class/power_supply/BAT0/status", "Charging\n")
    found = read(battery, 14.0)
    assert found["system.battery.charging"] == 1.0
    assert math.isnan(found["system.power_w[type=battery]"])
    assert found["system.energy_j[type=battery]"] == pytest.approx(15.0)


def test_power_by_domain_through_the_end_of_the_counter(laptop: Recorded) -> None:
    power = Power(laptop.machine)
    read(power, 1.0)
    laptop.write("sys/class/powercap/intel-rapl:0/energy_uj", "3000000\n")
    found = read(power, 1.1)
    assert found["system.power_w[type=package-0]"] == pytest.approx(20.0)
    assert found["system.power_w[type=package-0/core]"] == pytest.approx(0.0)
    laptop.write("sys/class/powercap/intel-rapl:0/energy_uj", "262143328000\n")
    read(power, 1.2)
    laptop.write("sys/class/powercap/intel-rapl:0/energy_uj", "999150\n")
    assert read(power, 1.3)["system.power_w[type=package-0]"] == pytest.approx(10.0)


@pytest.mark.parametrize("factory", [Temperature, Battery, Power])
def test_virtual_machine_has_no_sensors_and_says_so(factory: type, tmp_path: Path) -> None:
    with pytest.raises(Absent) as absent:
        factory(Machine(proc=tmp_path, sys=tmp_path))
    assert absent.value.reason
    assert absent.value.mend
