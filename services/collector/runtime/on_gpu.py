"""What the driver says of a runtime's processes, by model: memory on the GPUs, and load."""

from __future__ import annotations

from collections.abc import Collection

from bus.model_names import plain_name
from bus.runtime_names import LLAMA_CPP
from bus.series import Series
from services.collector.runtime.candidates import Candidate
from services.collector.runtime.processes import Processes
from services.collector.sampler import GpuShare

_ALIAS = ("--alias", "-a")


class OnGpu:
    """Knows whose a process is: all of a runtime's are its one model's; a llama.cpp router has one for each model.

    Several models in one process are not told apart: of them nothing is said.
    """

    def __init__(self, gpu: GpuShare, processes: Processes) -> None:
        self._gpu, self._processes = gpu, processes
        self._named: dict[int, str] = {}
        """Child of a router → its model; "" where it names none. Kept while it is on a GPU."""

    def of(self, candidate: Candidate, runtime: str, awake: Collection[str]) -> dict[str, dict[Series, float]]:
        """Model → its series, of those whose processes are known."""
        if not awake or (len(awake) > 1 and runtime != LLAMA_CPP):
            return {}  # whose each process is cannot be known: none is looked up
        its = {pid for pid in self._gpu.by_pid if self._is_of(candidate.pid, pid)} if candidate.pid else set()
        whose: dict[str, set[int]] = {}
        if runtime == LLAMA_CPP:
            for pid in its - {candidate.pid}:
                if name := self._model_of(pid):
                    whose.setdefault(name, set()).add(pid)
        if its and not whose and len(awake) == 1:
            whose = dict.fromkeys(awake, its)
        return {name: self._told(name, runtime, pids) for name, pids in whose.items() if name in awake}

    def tidy(self) -> None:
        """Forget processes that are on no GPU any more."""
        if self._named.keys() - self._gpu.by_pid.keys():
            self._named = {pid: name for pid, name in self._named.items() if pid in self._gpu.by_pid}

    def _told(self, model: str, runtime: str, pids: set[int]) -> dict[Series, float]:
        gpu, source, labels = self._gpu, f"model:{model}", (("runtime", runtime),)
        told = {
            Series("model.vram_bytes", source, labels): sum(gpu.by_pid[pid][1] for pid in pids),
            Series("model.gpu_util_percent", source, labels): sum(gpu.by_pid[pid][0] for pid in pids),
        }
        if len(gpu.by_gpu) > 1:  # whose a GPU's time was can be told of each only by itself
            for device, usage in gpu.by_gpu.items():
                each = Series("model.gpu_each_util_percent", source, (("device", device), *labels))
                told[each] = sum(usage[pid][0] for pid in pids & usage.keys())
        return told

    def _is_of(self, head: int, pid: int) -> bool:
        return pid == head or head in self._processes.ancestors(pid)

    def _model_of(self, pid: int) -> str:
        """The alias that a router starts its child with: the model's name in its list."""
        if pid not in self._named:
            given = self._processes.arguments(pid)
            at = next((place for place, word in enumerate(given[:-1]) if word in _ALIAS), None)
            self._named[pid] = plain_name(given[at + 1]) if at is not None else ""
        return self._named[pid]
