"""Stands in for the driver's library: the part of `pynvml` that is used, over GPUs made of plain values.

Error numbers and the shape of answers are those of nvidia-ml-py. It proves our handling of many GPUs, of MIG
and of loss; that the numbers are right is proven on a real GPU (test_gpu_real.py).
"""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

SUCCESS, UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 0, 1, 2, 3, 4, 6
DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, FUNCTION_NOT_FOUND, GPU_IS_LOST, MISMATCH, GPU_NOT_FOUND = 9, 12, 13, 15, 18, 28


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"error {value}")
        self.value = value


class Card:
    """One GPU. `broken` maps a question to the error it is answered with; None as key: every question."""

    def __init__(self, name: str = "Stand-in A", **values: Any) -> None:
        self.name = name
        self.util, self.mem_util = 40, 20
        self.used, self.total = 6 << 30, 24 << 30
        self.milliwatts: int = 150_000
        self.energy_mj: int | None = 5_000_000
        self.sm, self.mem_clock, self.temp = 1800, 9500, 61
        self.throttle = 0x1 | 0x4
        self.processes: list[tuple[int, int | None]] = []
        self.samples: list[tuple[int, int, int]] = []
        self.pcie = (1_000_000, 2_000_000)
        self.slices: dict[int, Card] = {}
        self.mig = False
        self.broken: dict[str | None, int] = {}
        self.__dict__.update(values)

    def ask(self, question: str) -> None:
        error = self.broken.get(question, self.broken.get(None))
        if error:
            raise NVMLError(error)


class StandIn(ModuleType):
    """The module itself. `cards` are what nvmlInit finds; `init_error` fails it."""

    NVMLError = NVMLError
    NVML_SUCCESS = SUCCESS
    NVML_ERROR_UNINITIALIZED = UNINITIALIZED
    NVML_ERROR_INVALID_ARGUMENT = INVALID_ARGUMENT
    NVML_ERROR_NOT_SUPPORTED = NOT_SUPPORTED
    NVML_ERROR_NO_PERMISSION = NO_PERMISSION
    NVML_ERROR_NOT_FOUND = NOT_FOUND
    NVML_ERROR_DRIVER_NOT_LOADED = DRIVER_NOT_LOADED
    NVML_ERROR_LIBRARY_NOT_FOUND = LIBRARY_NOT_FOUND
    NVML_ERROR_FUNCTION_NOT_FOUND = FUNCTION_NOT_FOUND
    NVML_ERROR_GPU_IS_LOST = GPU_IS_LOST
    NVML_ERROR_LIB_RM_VERSION_MISMATCH = MISMATCH
    NVML_ERROR_GPU_NOT_FOUND = GPU_NOT_FOUND
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
    NVML_PCIE_UTIL_TX_BYTES, NVML_PCIE_UTIL_RX_BYTES = 0, 1
    NVML_FI_DEV_PCIE_COUNT_TX_BYTES, NVML_FI_DEV_PCIE_COUNT_RX_BYTES = 197, 198
    nvmlClocksThrottleReasonSwPowerCap = 0x4
    nvmlClocksThrottleReasonHwSlowdown = 0x8
    nvmlClocksThrottleReasonSwThermalSlowdown = 0x20
    nvmlClocksThrottleReasonHwThermalSlowdown = 0x40
    nvmlClocksThrottleReasonHwPowerBrakeSlowdown = 0x80

    def __init__(self, *cards: Card) -> None:
        super().__init__("pynvml")
        self.cards = list(cards)
        self.init_error = 0
        self.users = 0
        self.inits = 0
        self.seen: list[Card] = []

    def nvmlInit(self) -> None:
        if self.init_error:
            raise NVMLError(self.init_error)
        self.inits += 1
        self.users += 1
        if self.users == 1:  # devices are looked for by the first user only, as the real library does
            self.seen = [card for card in self.cards if None not in card.broken]

    def nvmlShutdown(self) -> None:
        if self.users == 0:
            raise NVMLError(UNINITIALIZED)
        self.users -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.seen)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:
        return self.seen[index]

    def nvmlDeviceGetName(self, card: Card) -> str:
        return card.name

    def nvmlDeviceGetMigMode(self, card: Card) -> list[int]:
        card.ask("mig")
        return [int(card.mig), int(card.mig)]

    def nvmlDeviceGetMaxMigDeviceCount(self, card: Card) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, card: Card, place: int) -> Card:
        if place not in card.slices:
            raise NVMLError(NOT_FOUND)
        return card.slices[place]

    def nvmlDeviceGetClockInfo(self, card: Card, kind: int) -> int:
        card.ask("clock")
        return card.sm if kind == self.NVML_CLOCK_SM else card.mem_clock

    def nvmlDeviceGetUtilizationRates(self, card: Card) -> SimpleNamespace:
        card.ask("util")
        return SimpleNamespace(gpu=card.util, memory=card.mem_util)

    def nvmlDeviceGetMemoryInfo(self, card: Card) -> SimpleNamespace:
        card.ask("memory")
        return SimpleNamespace(used=card.used, total=card.total, free=card.total - card.used)

    def nvmlDeviceGetPowerUsage(self, card: Card) -> int:
        card.ask("power")
        return card.milliwatts

    def nvmlDeviceGetTotalEnergyConsumption(self, card: Card) -> int:
        card.ask("energy")
        if card.energy_mj is None:
            raise NVMLError(NOT_SUPPORTED)
        return card.energy_mj

    def nvmlDeviceGetTemperature(self, card: Card, sensor: int) -> int:
        card.ask("temperature")
        return card.temp

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, card: Card) -> int:
        card.ask("throttle")
        return card.throttle

    def nvmlDeviceGetEncoderUtilization(self, card: Card) -> list[int]:
        card.ask("encoder")
        return [3, 100_000]

    def nvmlDeviceGetDecoderUtilization(self, card: Card) -> list[int]:
        card.ask("decoder")
        return [4, 100_000]

    def nvmlDeviceGetFieldValues(self, card: Card, fields: list[int]) -> list[SimpleNamespace]:
        card.ask("fields")
        by_field = {198: card.pcie[0], 197: card.pcie[1]}
        code = card.broken.get("counters", SUCCESS)
        return [SimpleNamespace(nvmlReturn=code, value=SimpleNamespace(ullVal=by_field[field])) for field in fields]

    def nvmlDeviceGetPcieThroughput(self, card: Card, way: int) -> int:
        card.ask("throughput")
        return 100 if way == self.NVML_PCIE_UTIL_RX_BYTES else 200

    def nvmlDeviceGetComputeRunningProcesses(self, card: Card) -> list[SimpleNamespace]:
        card.ask("processes")
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in card.processes]

    def nvmlDeviceGetGraphicsRunningProcesses(self, card: Card) -> list[SimpleNamespace]:
        card.ask("graphics")
        return []

    def nvmlDeviceGetProcessUtilization(self, card: Card, since: int) -> list[SimpleNamespace]:
        card.ask("usage")
        found = [
            SimpleNamespace(pid=pid, timeStamp=when, smUtil=util) for pid, when, util in card.samples if when > since
        ]
        if not found:
            raise NVMLError(NOT_FOUND)
        return found
