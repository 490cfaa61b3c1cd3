"""GPUs: load, memory, power, clocks, throttling, PCIe, energy, and what each process uses (CONTRACTS §1)."""

from __future__ import annotations

from typing import Any

from bus.series import Series
from services.collector.nvml.probes import CLOCKS, LOAD, THROTTLE, TREND, Probe
from services.collector.nvml.session import Device, lost, shared
from services.collector.nvml.totals import RULES, total
from services.collector.nvml.usage import by_gpu, by_process, utilisation_of
from services.collector.sampler import NAN, Machine

TOTAL = "gpu:total"
PROCESSES = "gpu.process_util_percent"


class _Gpus:
    """Asks every device the same questions; those a device does not answer are no columns of it."""

    name = "gpu"
    group = "trend"
    lane = "gpu"
    probes: tuple[Probe, ...] = ()

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._session = shared(machine)
        self._asked: list[tuple[Device, list[Probe]]] = []
        self._columns: tuple[Series, ...] = ()
        self._totals: list[tuple[str, list[int]]] = []
        self._known: list[Device] = []

    @property
    def detail(self) -> str:
        """What was found: for the inventory."""
        names = [device.name for device in self._session.devices if not device.slice_of]
        return ", ".join(f"{names.count(name)} × {name}" for name in dict.fromkeys(names))

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        self._session.look_again(now_s)
        if self._known is not self._session.devices:
            self._choose(now_s)
        nvml = self._session.nvml
        values: list[float] = []
        gone: list[Device] = []
        for device, probes in self._asked:
            for probe in probes:
                try:
                    values += probe.read(nvml, device, now_s)
                except nvml.NVMLError as error:
                    values += [NAN] * len(probe.fields)
                    if lost(nvml, error) and device not in gone:
                        gone.append(device)
        for device in gone:
            self._session.lose(device, now_s)
        values += [total(field, [values[place] for place in places]) for field, places in self._totals]
        return values

    def rest(self) -> None:
        """Switched off: the driver is let go, so that it can be unloaded; processes use nothing of it any more."""
        self._machine.gpu.by_pid, self._machine.gpu.by_gpu = {}, {}
        if self._machine.gpu.session is self._session:
            self._machine.gpu.session = None
            self._session.close()

    def _choose(self, now_s: float) -> None:
        """Asks each device each question once, and keeps what it answers."""
        self._known = self._session.devices
        self._asked = []
        columns: list[Series] = []
        places: dict[str, list[int]] = {}
        for device in self._known:
            answered = [probe for probe in self.probes if self._answers(probe, device, now_s)]
            self._asked.append((device, answered))
            for field in (field for probe in answered for field in probe.fields):
                if field in RULES and not device.slice_of:
                    places.setdefault(field, []).append(len(columns))
                columns.append(Series(f"gpu.{field}", device.source))
        columns = _name_reasons(columns)
        whole = sum(not device.slice_of for device in self._known)
        self._totals = [(field, found) for field, found in places.items() if whole > 1 and len(found) == whole]
        self._columns = (*columns, *(Series(f"gpu.{field}", TOTAL) for field, _ in self._totals))

    def _answers(self, probe: Probe, device: Device, now_s: float) -> bool:
        nvml: Any = self._session.nvml
        try:
            probe.read(nvml, device, now_s)
        except nvml.NVMLError as error:
            # What it cannot ever tell is left out; anything else may pass, and is absent until then.
            return error.value not in (
                nvml.NVML_ERROR_NOT_SUPPORTED,
                nvml.NVML_ERROR_FUNCTION_NOT_FOUND,
                nvml.NVML_ERROR_INVALID_ARGUMENT,
                nvml.NVML_ERROR_NO_PERMISSION,
            )
        return True


def _name_reasons(columns: list[Series]) -> list[Series]:
    reasons = list(THROTTLE)
    named, turn = [], 0
    for series in columns:
        if series.metric == "gpu.throttle_reasons":
            series = Series(series.metric, series.source, (("reason", reasons[turn % len(reasons)]),))
            turn += 1
        named.append(series)
    return named


class GpuClocks(_Gpus):
    """sm_clock_mhz: drawn each frame where the driver answers fast enough."""

    group = "resource"
    may_rise = True
    probes = CLOCKS


class GpuLoad(_Gpus):
    """util_percent, mem_util_percent, mem_used_bytes, power_w."""

    group = "resource"
    probes = LOAD


class GpuTrend(_Gpus):
    """Everything slower, and what each process uses."""

    probes = TREND

    def columns(self) -> tuple[Series, ...]:
        return super().columns() + tuple(Series(PROCESSES, device.source) for device in self._several())

    def read(self, now_s: float) -> list[float]:
        values, shared_ = super().read(now_s), self._machine.gpu
        nvml = self._session.nvml
        try:
            shared_.by_gpu = by_gpu(nvml, self._session.devices)
        except nvml.NVMLError:  # a device went meanwhile; the next reading tells which
            shared_.by_gpu = {}
        shared_.by_pid = by_process(shared_.by_gpu)
        for device in self._several():
            usage = shared_.by_gpu.get(device.source)
            tells = device.memory.get("usage_tells", False)
            values.append(NAN if usage is None else utilisation_of(usage, tells))
        return values

    def _several(self) -> list[Device]:
        """The whole GPUs where there are several; of a single one the processes' own sum says the same."""
        whole = [device for device in self._known if not device.slice_of]
        return whole if len(whole) > 1 else []
