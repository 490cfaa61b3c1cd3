"""What a sampler is: the one shape all of them have, third parties' included (docs/samplers.md)."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bus.series import Series
from services.collector.own_processes import OwnProcesses
from services.collector.runtime.asked import Asked

if TYPE_CHECKING:
    from services.collector.processes.board import Board, Table

NAN = math.nan
GROUPS = ("render", "resource", "trend")


class Sampler(Protocol):
    """Reads one subject. Knows no clock and no schedule: time comes in as an argument.

    It may also have `rest()`, called when it is switched off and read no more, and `detail`, one line
    for the inventory; `may_rise = True` lets it up to the render group while its reads are fast; `lane`
    names a thread of its own for readings that may block, such as those of a driver.
    """

    name: str
    """The subject: its switch is the setting `collector.sampler.<name>.enabled`. Several may share one."""
    group: str
    """The rate group it asks for: "render" (60 Hz), "resource" (10 Hz) or "trend" (1 Hz)."""

    def columns(self) -> tuple[Series, ...]:
        """The series that the last `read` returned, in its order. The same tuple while nothing changed."""

    def read(self, now_s: float) -> Sequence[float]:
        """One value a column at monotonic time `now_s`, in the metric's unit; NaN where absent."""


class Absent(Exception):
    """Raised by a factory whose subject this machine does not have: the reason, and how to get it."""

    def __init__(self, reason: str, mend: str = "") -> None:
        self.reason = reason
        self.mend = mend
        super().__init__(f"{reason}. {mend}".strip())


def _ignore(*args: object, **attributes: object) -> None:
    """Hears what nobody listens to."""


def _default(key: str, default: object) -> object:
    return default


class GpuShare:
    """What the samplers of the GPUs and of the processes share."""

    def __init__(self) -> None:
        self.session: object = None
        """The one use of the driver's library."""
        self.by_pid: dict[int, tuple[float, float]] = {}
        """pid → (utilisation in percent, bytes of GPU memory), added over the GPUs; NaN where unknown."""
        self.by_gpu: dict[str, dict[int, tuple[float, float]]] = {}
        """The same by GPU: "gpu:0" → pid → …"""


@dataclass(frozen=True)
class Machine:
    """Where a sampler finds what it reads; tests put recorded folders in place of the live ones."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    dev: Path = Path("/dev")
    home: Path | None = None
    """The monitor's own home: its databases, and the pid files of its services."""
    event: Callable[..., None] = _ignore
    """Called as `event(kind, source, title, **attributes)`, for what is to be marked on charts."""
    setting: Callable[[str, object], object] = _default
    """Called as `setting(key, default)`: the value in force."""
    board: Board | None = None
    """The process table that a spike keeps; without it the process sampler has its own."""
    show: Callable[[Table], None] = _ignore
    """Gets each process table, for the page."""
    gpu: GpuShare = field(default_factory=GpuShare)
    runtimes: Callable[[Collection[int]], None] = _ignore
    """Gets the ports at which model runtimes listen, whenever they change."""
    asked: Asked = field(default_factory=Asked)
    """What the tap tells of requests to models."""
    own: OwnProcesses | None = None
    """The monitor's processes; without it each sampler looks for itself."""

    def own_processes(self) -> OwnProcesses:
        """The shared look-up of our own processes."""
        return self.own or OwnProcesses(self.proc, self.home)


Factory = Callable[[Machine], Sampler]
"""Makes a sampler, or raises `Absent`."""
