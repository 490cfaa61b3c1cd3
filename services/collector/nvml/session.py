"""One use of NVML: opened where there is a driver, the devices it found, and what becomes of them."""

from __future__ import annotations

import contextlib
import math
import threading
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from services.collector.sampler import Absent, Machine

_FIRST_RETRY_S = 30.0
_LONGEST_RETRY_S = 600.0


class Lost(Exception):
    """A device, or the whole driver, does not answer any more."""


@dataclass
class Device:
    """One GPU or one MIG slice of it."""

    source: str
    """"gpu:0", "gpu:0/mig:1"."""
    name: str
    """As the driver calls it: "NVIDIA H100 80GB HBM3"."""
    handle: Any
    slice_of: str = ""
    """The source of the GPU it is a slice of; empty for a whole one."""
    memory: dict[str, Any] = field(default_factory=dict)
    """What the probes keep between readings."""


def load(machine: Machine) -> ModuleType:
    """Initialises NVML. Raises `Absent` with the mend where there is no driver, library or right to use it."""
    signs = (machine.proc / "driver/nvidia/version", machine.dev / "nvidiactl", machine.dev / "dxg")
    if not any(sign.exists() for sign in signs):
        raise Absent(
            "no NVIDIA driver is loaded", "With an NVIDIA GPU: install its driver; it brings the library this reads"
        )
    try:
        import pynvml
    except ImportError as error:
        raise Absent("the Python package nvidia-ml-py is missing", "pip install nvidia-ml-py") from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        mends = {
            pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "Install the driver's library (libnvidia-ml.so.1)",
            pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "Load the driver: `modprobe nvidia`",
            pynvml.NVML_ERROR_NO_PERMISSION: "Let your user read /dev/nvidiactl",
            pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "Driver and library differ: restart after the update",
        }
        raise Absent(f"NVML: {error}", mends.get(error.value, "See `nvidia-smi`")) from error
    module: ModuleType = pynvml
    return module


def shared(machine: Machine) -> Session:
    """The machine's one session, begun where there is none. Raises `Absent`.

    One, because NVML counts its users and looks for devices anew only after the last has gone.
    """
    session = machine.gpu.session
    if not isinstance(session, Session):
        session = machine.gpu.session = Session(machine)
    return session


class Session:
    """The devices of one initialisation. After a loss it is begun anew, at first after 30 s."""

    def __init__(self, machine: Machine) -> None:
        """Raises `Absent`."""
        self._machine = machine
        self.nvml: Any = load(machine)
        self.devices: list[Device] = self._find()
        """Another list object whenever something came or went."""
        if not self.devices:
            self.nvml.nvmlShutdown()
            raise Absent("the NVIDIA driver is loaded, and names no GPU", "See `nvidia-smi`")
        self._most = len(self.devices)
        self._lock = threading.Lock()
        self._due_s = math.inf
        self._after_s = _FIRST_RETRY_S

    def _find(self) -> list[Device]:
        nvml, found = self.nvml, []
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                device = Device(f"gpu:{index}", _text(nvml.nvmlDeviceGetName(handle)), handle)
            except nvml.NVMLError:  # lost, or not ours to use: the others still count
                continue
            found.append(device)
            found += self._slices(device)
        return found

    def _slices(self, device: Device) -> list[Device]:
        nvml, found = self.nvml, []
        try:
            if not nvml.nvmlDeviceGetMigMode(device.handle)[0]:
                return []
            for place in range(nvml.nvmlDeviceGetMaxMigDeviceCount(device.handle)):
                try:
                    handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(device.handle, place)
                except nvml.NVMLError:  # the place is empty
                    continue
                name = _text(nvml.nvmlDeviceGetName(handle))
                found.append(Device(f"{device.source}/mig:{place}", name, handle, device.source))
        except nvml.NVMLError:  # a GPU without MIG
            return []
        return found

    def lose(self, device: Device, now_s: float) -> None:
        """Leaves a device and its slices out, says so, and plans the next look."""
        with self._lock:
            if not any(one is device for one in self.devices):
                return  # another sampler was first
            self.devices = [one for one in self.devices if device.source not in (one.source, one.slice_of)]
            self._due_s = now_s + self._after_s
            self._after_s = min(2.0 * self._after_s, _LONGEST_RETRY_S)
        title = f"{device.name} does not answer any more"
        self._machine.event("device_gone", device.source, title, name=device.name)

    def look_again(self, now_s: float) -> None:
        """After a loss, when the time has come: initialises anew and says which devices came back."""
        if now_s < self._due_s:
            return
        with self._lock:
            known = {device.source for device in self.devices}
            with contextlib.suppress(self.nvml.NVMLError):  # the driver may have gone with the device
                self.nvml.nvmlShutdown()
            try:
                self.nvml = load(self._machine)
                self.devices = self._find()
            except (Absent, self.nvml.NVMLError):
                self.devices = []
            came = [device for device in self.devices if device.source not in known]
            self._most = max(self._most, len(self.devices))
            self._after_s = _FIRST_RETRY_S if came else min(2.0 * self._after_s, _LONGEST_RETRY_S)
            self._due_s = now_s + self._after_s if len(self.devices) < self._most else math.inf
        for device in came:
            self._machine.event("device_come", device.source, f"{device.name} is back", name=device.name)

    def close(self) -> None:
        """Lets the driver go."""
        with contextlib.suppress(self.nvml.NVMLError):
            self.nvml.nvmlShutdown()


def _text(name: str | bytes) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def lost(nvml: Any, error: Exception) -> bool:
    """Whether an NVML error means that the device or the driver has gone, and not that a value is not told."""
    return getattr(error, "value", None) in (
        nvml.NVML_ERROR_GPU_IS_LOST,
        nvml.NVML_ERROR_UNINITIALIZED,
        nvml.NVML_ERROR_DRIVER_NOT_LOADED,
        nvml.NVML_ERROR_GPU_NOT_FOUND,
    )
