"""The sampler of model runtimes: puts what their watches read into rows. It asks nobody itself, and waits for nobody.

Looking for them costs a machine without any 0.1 ms each 10 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bus.runtime_ports import SETTING, named_ports
from bus.series import Series
from services.collector.runtime.candidates import Candidate
from services.collector.runtime.finder import Finder
from services.collector.runtime.idleness import Held, Idleness
from services.collector.runtime.on_gpu import OnGpu
from services.collector.runtime.processes import Processes
from services.collector.runtime.reading import Reading
from services.collector.runtime.watch import Watch
from services.collector.sampler import NAN, Machine
from services.collector.samplers.runtime import RUNTIMES

EVERY_S = 2.0
IDLE_MIN = 15.0
# The process sampler's table is used while it is fresh: it has every name already.
_FRESH_S = 5.0
_HIDDEN = "its processes are not known (a container, or another user's), and so not what they take of a GPU"


class Runtimes:
    """model.* of every runtime found, with the label `runtime`; what it does not tell is no column."""

    name = "runtime"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._processes = Processes(machine.proc)
        self._on_gpu = OnGpu(machine.gpu, self._processes)
        self._finder = Finder(RUNTIMES, self._candidates, self._ports, machine.event, self._every_s, machine.asked)
        self._columns: tuple[Series, ...] = ()
        self._known: dict[Watch, dict[str, dict[Series, None]]] = {}
        """Watch → model → the series it once told: a column stays while its model does."""
        self._idleness = Idleness(machine.event, self._idle_s)
        self._listening: tuple[int, ...] = ()
        self._heads: dict[Watch, int] = {}
        """Watch → its process, where no socket told which it is; 0: nothing does."""
        self._finder.start()

    @property
    def detail(self) -> str:
        """What was found: for the inventory."""
        found = []
        for watch in self._finder.watches:
            if watch.gone:
                continue
            notes = [watch.note, _HIDDEN if self._heads.get(watch) == 0 else ""]
            found.append(", ".join([f"{watch.runtime.name} at port {watch.candidate.port}", *filter(None, notes)]))
        return "; ".join(found) or self._finder.fault or "no runtime listens now"

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        values: dict[Series, float] = {}
        models: list[Held] = []
        watches = [watch for watch in self._finder.watches if not watch.gone]
        self._say_where(watches)
        for watch in watches:
            reading = watch.reading(now_s)
            known = self._known.setdefault(watch, {})
            if reading is None:
                values |= {series: NAN for of_model in known.values() for series in of_model if series not in values}
                continue
            told = self._told(watch, reading)
            models += [self._held(reading, name, told[name]) for name in reading.models]
            for gone in known.keys() - told.keys():
                del known[gone]
            for name, found in told.items():
                columns = known.setdefault(name, {})
                columns |= {series: None for series, value in found.items() if value == value}
                for series in columns:  # two runtimes with one model: the first has the series
                    values.setdefault(series, found.get(series, NAN))
        self._on_gpu.tidy()
        self._idleness.observe(models, now_s)
        if len(self._known) > len(watches):
            self._known = {watch: known for watch, known in self._known.items() if watch in watches}
            self._heads = {watch: pid for watch, pid in self._heads.items() if watch in watches}
        if values.keys() != set(self._columns):
            self._columns = tuple(values)
        return [values[series] for series in self._columns]

    def rest(self) -> None:
        """Switched off: nobody is asked any more."""
        self._finder.stop()
        self._say_where(())

    def _say_where(self, watches: Sequence[Watch]) -> None:
        listening = tuple(watch.candidate.port for watch in watches)
        if listening != self._listening:
            self._machine.runtimes(listening)
            self._listening = listening

    def _told(self, watch: Watch, reading: Reading) -> dict[str, dict[Series, float]]:
        told = {name: model.values for name, model in reading.models.items()}
        awake = [name for name, model in reading.models.items() if not model.asleep]
        if reading.loads and awake and self._machine.gpu.by_pid:
            for name, values in self._on_gpu.of(self._seen(watch, reading), watch.runtime.name, awake).items():
                told[name] = values | told[name]
        return told

    def _seen(self, watch: Watch, reading: Reading) -> Candidate:
        """Where it listens, with its process: behind a container's proxy the one that began when it says it did."""
        if watch.candidate.pid:
            return watch.candidate
        pid = self._heads.get(watch, 0)
        if not pid and reading.began_wall_s is not None:
            pid = self._processes.begun_at(watch.runtime.name, reading.began_wall_s)
        self._heads[watch] = pid
        return replace(watch.candidate, pid=pid)

    def _held(self, reading: Reading, name: str, values: dict[Series, float]) -> Held:
        return Held(
            reading.runtime,
            reading.models[name],
            bytes=_of(values, "model.vram_bytes"),
            asked=self._machine.asked.count(name),
            busy=_of(values, "model.gpu_util_percent") > 0.0,
        )

    def _candidates(self, now_s: float) -> Iterable[Candidate]:
        board = self._machine.board
        last = board.last if board else None
        if last is not None and now_s - last.time_s < _FRESH_S:
            names = [(process.pid, process.comm.decode("utf-8", "replace")) for process in list(last.counters)]
        else:
            names = self._processes.names()
        own = set(self._machine.own_processes().at(now_s).values())
        return [one for one in self._processes.candidates(names) if one.pid not in own]

    def _every_s(self) -> float:
        return float(str(self._machine.setting("collector.sampler.runtime.every_s", EVERY_S)))

    def _idle_s(self) -> float:
        return 60.0 * float(str(self._machine.setting("collector.sampler.runtime.idle_min", IDLE_MIN)))

    def _ports(self) -> list[int]:
        return named_ports(str(self._machine.setting(SETTING, "")))


def _of(values: dict[Series, float], metric: str) -> float:
    """A value of a model; 0 where it is not known."""
    found = next((value for series, value in values.items() if series.metric == metric), 0.0)
    return found if found == found else 0.0
