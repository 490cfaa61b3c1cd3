"""GPUs against a stand-in for the driver's library: many, sliced, mute, lost, come back."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from services.collector.inventory import Inventory
from services.collector.sampler import Absent, Machine
from services.collector.samplers import SAMPLERS
from services.collector.samplers.gpu import GpuClocks, GpuLoad, GpuTrend
from tests.collector.standin_pynvml import (
    DRIVER_NOT_LOADED,
    GPU_IS_LOST,
    LIBRARY_NOT_FOUND,
    NOT_SUPPORTED,
    Card,
    StandIn,
)

Read = dict[tuple[str, str, str], float]


class Events(list[tuple[str, str]]):
    def hear(self, kind: str, source: str, title: str, **attributes: str) -> None:
        self.append((kind, source))


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def machine(tmp_path: Path, events: Events) -> Machine:
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text("NVRM version: stand-in\n")
    return Machine(proc=tmp_path / "proc", dev=tmp_path / "dev", event=events.hear)


def standin(monkeypatch: pytest.MonkeyPatch, *cards: Card) -> StandIn:
    module = StandIn(*cards)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return module


def read(sampler: Any, now_s: float) -> Read:
    values = sampler.read(now_s)
    columns = sampler.columns()
    assert len(values) == len(columns) == len(set(columns))
    return {
        (series.metric.removeprefix("gpu."), series.source, dict(series.labels).get("reason", "")): value
        for series, value in zip(columns, values, strict=True)
    }


def test_one_standin_gpu_tells_everything(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    standin(monkeypatch, Card())
    load, clocks, trend = read(GpuLoad(machine), 1.0), read(GpuClocks(machine), 1.0), read(GpuTrend(machine), 1.0)
    assert load["util_percent", "gpu:0", ""] == 40.0
    assert load["mem_used_bytes", "gpu:0", ""] == 6 << 30
    assert load["power_w", "gpu:0", ""] == 150.0
    assert clocks["sm_clock_mhz", "gpu:0", ""] == 1800.0
    assert trend["temp_c", "gpu:0", ""] == 61.0
    assert trend["throttle_reasons", "gpu:0", "power_cap"] == 1.0
    assert trend["throttle_reasons", "gpu:0", "hw_thermal"] == 0.0
    assert not any(source == "gpu:total" for _, source, _ in load), "one GPU is its own total"


def test_energy_and_pcie_of_the_standin_are_counted_from_its_counters(
    monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    card = Card()
    standin(monkeypatch, card)
    trend = GpuTrend(machine)
    first = read(trend, 1.0)
    assert first["energy_j", "gpu:0", ""] == 0.0
    assert math.isnan(first["pcie_rx_bytes_s", "gpu:0", ""])
    card.energy_mj = 5_300_000
    card.pcie = (3_000_000, 2_000_000)
    second = read(trend, 3.0)
    assert second["energy_j", "gpu:0", ""] == 300.0
    assert second["pcie_rx_bytes_s", "gpu:0", ""] == 1_000_000.0
    assert second["pcie_tx_bytes_s", "gpu:0", ""] == 0.0


def test_old_standin_gpu_integrates_power_and_measures_pcie(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    card = Card(energy_mj=None, milliwatts=100_000, broken={"counters": NOT_SUPPORTED, "encoder": NOT_SUPPORTED})
    standin(monkeypatch, card)
    trend = GpuTrend(machine)
    first = read(trend, 10.0)
    card.milliwatts = 200_000
    second = read(trend, 12.0)
    assert second["energy_j", "gpu:0", ""] - first["energy_j", "gpu:0", ""] == pytest.approx(300.0)
    assert second["pcie_rx_bytes_s", "gpu:0", ""] == 102400.0
    assert ("encoder_percent", "gpu:0", "") not in second, "what it never tells is no column"


def test_two_standin_gpus_have_totals(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    standin(monkeypatch, Card(util=100, temp=80), Card(util=50, temp=60, milliwatts=50_000))
    load, trend = read(GpuLoad(machine), 1.0), read(GpuTrend(machine), 1.0)
    assert load["util_percent", "gpu:total", ""] == 75.0
    assert load["mem_used_bytes", "gpu:total", ""] == 12 << 30
    assert load["power_w", "gpu:total", ""] == 200.0
    assert trend["temp_c", "gpu:total", ""] == 80.0


def test_value_that_fails_once_on_a_standin_is_absent_and_not_the_gpu(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, events: Events
) -> None:
    card = Card()
    standin(monkeypatch, card, Card())
    sampler = GpuLoad(machine)
    read(sampler, 1.0)
    card.broken = {"power": 999}
    found = read(sampler, 2.0)
    assert math.isnan(found["power_w", "gpu:0", ""])
    assert math.isnan(found["power_w", "gpu:total", ""]), "part of a sum is not the sum"
    assert found["util_percent", "gpu:0", ""] == 40.0
    assert events == []


def test_mig_slices_of_a_standin_are_sources_of_their_own(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    mute = {"util": NOT_SUPPORTED, "power": NOT_SUPPORTED}
    parent = Card("Sliced", mig=True, slices={0: Card(used=1 << 30, broken=mute), 3: Card(used=2 << 30, broken=mute)})
    parent.broken = {"util": NOT_SUPPORTED}
    standin(monkeypatch, parent)
    load = read(GpuLoad(machine), 1.0)
    assert load["mem_used_bytes", "gpu:0/mig:0", ""] == 1 << 30
    assert load["mem_used_bytes", "gpu:0/mig:3", ""] == 2 << 30
    assert ("util_percent", "gpu:0", "") not in load
    assert not any(source == "gpu:total" for _, source, _ in load), "slices are part of their GPU"


def test_lost_standin_gpu_is_told_once_and_comes_back(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, events: Events
) -> None:
    lost, well = Card("Lost"), Card("Well")
    module = standin(monkeypatch, lost, well)
    load, clocks = GpuLoad(machine), GpuClocks(machine)
    read(load, 1.0), read(clocks, 1.0)
    lost.broken = {None: GPU_IS_LOST}
    assert math.isnan(read(load, 2.0)["util_percent", "gpu:0", ""])
    read(clocks, 2.0)
    assert events == [("device_gone", "gpu:0")]
    inits = module.inits
    for second in range(3, 32):
        assert read(load, float(second)).keys() == {
            (field, "gpu:1", "") for field in ("util_percent", "mem_util_percent", "mem_used_bytes", "power_w")
        }
    assert module.inits == inits, "no look before its time"
    lost.broken = {}
    assert ("util_percent", "gpu:0", "") in read(load, 33.0)
    assert ("sm_clock_mhz", "gpu:0", "") in read(clocks, 33.0)
    assert events == [("device_gone", "gpu:0"), ("device_come", "gpu:0")]


def test_standin_driver_that_goes_is_looked_for_ever_more_rarely(
    monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    card = Card()
    module = standin(monkeypatch, card)
    load = GpuLoad(machine)
    read(load, 0.0)
    card.broken, module.init_error = {None: GPU_IS_LOST}, DRIVER_NOT_LOADED
    tries = 0
    original = module.nvmlInit

    def counted() -> None:
        nonlocal tries
        tries += 1
        original()

    module.nvmlInit = counted  # type: ignore[method-assign]
    for second in range(1, 3600):
        assert load.read(float(second)) == [] or second == 1
    assert 6 <= tries <= 11


def test_standin_driver_is_let_go_when_gpus_are_switched_off(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    module = standin(monkeypatch, Card())
    samplers = [GpuLoad(machine), GpuClocks(machine), GpuTrend(machine)]
    assert module.users == 1
    for sampler in samplers:
        sampler.rest()
    assert module.users == 0
    assert read(GpuLoad(machine), 1.0)["util_percent", "gpu:0", ""] == 40.0


def test_processes_of_standin_gpus_are_added_up(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    first = Card(processes=[(100, 1 << 30), (200, None)], samples=[(100, 1, 30), (100, 2, 50)])
    second = Card(processes=[(100, 1 << 30)], samples=[(100, 5, 20)])
    standin(monkeypatch, first, second)
    trend = GpuTrend(machine)
    first_read = read(trend, 1.0)
    assert first_read["process_util_percent", "gpu:0", ""] == 40.0
    assert first_read["process_util_percent", "gpu:1", ""] == 20.0
    assert machine.gpu.by_gpu["gpu:1"] == {100: (20.0, 1 << 30)}
    util, vram = machine.gpu.by_pid[100]
    assert (util, vram) == (60.0, 2 << 30)
    util, vram = machine.gpu.by_pid[200]
    assert util == 0.0
    assert math.isnan(vram)
    read(trend, 2.0)  # no newer sample: they did nothing
    assert machine.gpu.by_pid[100][0] == 0.0


def test_of_one_standin_gpu_the_processes_are_told_by_themselves_alone(
    monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    standin(monkeypatch, Card(processes=[(100, 1 << 30)], samples=[(100, 1, 30)]))
    assert not any(metric == "process_util_percent" for metric, _, _ in read(GpuTrend(machine), 1.0))
    assert machine.gpu.by_pid == machine.gpu.by_gpu["gpu:0"] == {100: (30.0, 1 << 30)}


@pytest.mark.parametrize(("error", "mend"), [(LIBRARY_NOT_FOUND, "libnvidia-ml"), (DRIVER_NOT_LOADED, "modprobe")])
def test_standin_driver_that_does_not_start_is_absent_with_the_mend(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, error: int, mend: str
) -> None:
    standin(monkeypatch, Card()).init_error = error
    with pytest.raises(Absent) as absent:
        GpuLoad(machine)
    assert mend in absent.value.mend


def test_machine_without_driver_never_loads_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # importing it would fail
    inventory = Inventory(Machine(proc=tmp_path, dev=tmp_path), [("gpu", factory) for factory in SAMPLERS["gpu"]])
    for second in range(0, 3600, 10):
        assert inventory.probe(float(second), lambda subject: True) == []
    assert inventory.describe()["gpu"].startswith("absent: no NVIDIA driver is loaded. With an NVIDIA GPU: install")
