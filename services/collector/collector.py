"""The collector: samplers into groups, settings obeyed live, cost kept, what happens to the machine told."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from bus.clock import boot_us, until_beat_s, wall_us
from services.collector.assembly import TableRow
from services.collector.budget import Budget
from services.collector.clockwork import Clockwork
from services.collector.groups import Group, Write
from services.collector.guard import Guard
from services.collector.inventory import Inventory
from services.collector.pace import Pace
from services.collector.placement import choose
from services.collector.sampler import GROUPS, Factory, Machine
from services.collector.timeline import ClockStep, Instant, Timeline

DEFAULT_RATES_HZ = {"render": 60.0, "resource": 10.0, "trend": 1.0}

# A change of settings is obeyed at once; what a sampler costs, and what it found, changes slowly.
_THOROUGH_EVERY_S = 5.0

Setting = Callable[[str, object], object]
"""Called as `setting(key, default)`; the default stands in for keys that governance does not know."""


class Voice(Protocol):
    """What the collector says besides numbers."""

    def event(self, kind: str, source: str, title: str, **attributes: str) -> None:
        """Something happened just now that is to be marked on charts."""

    def event_at(self, time_us: int, boot_us: int, kind: str, source: str, title: str) -> None:
        """Something happened before now."""

    def warn(self, text: str, sampler: str, error: str) -> None:
        """One line for the log."""

    def degraded(self, reason: str | None) -> None:
        """What is lost while the collector works on; None: nothing."""


class Collector:
    """Owns the groups and one thread that keeps house: settings, cost, placement, clocks, inventory."""

    def __init__(
        self,
        machine: Machine,
        factories: Iterable[tuple[str, Factory]],
        setting: Setting,
        write: Write,
        voice: Voice,
        watch: Callable[[str, float, list[TableRow]], None] = lambda group, now_s, rows: None,
    ) -> None:
        self._setting = setting
        self._voice = voice
        self.inventory = Inventory(machine, factories)
        self._write, self._watch = write, watch
        self.groups: dict[tuple[str, str], Group] = {}
        """By rate group and lane; the lane of most samplers is ""."""
        self.budget = Budget(self._budget(), os.cpu_count() or 1)
        self._timeline = Timeline()
        self._places: dict[Guard, str] = {}
        self._errors_before = 0
        self._clockwork = Guard(Clockwork(self.paces, self.errors), voice.warn)
        self.failures = 0
        """Rows lost and threads that stumbled since the start."""
        self._told: dict[str, str] = {}
        self._news = threading.Event()
        self._thorough_at_s = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._keep_house, name="house", daemon=True)

    def start(self) -> None:
        """Makes the samplers that the machine has, and begins to read them."""
        self.house(time.monotonic())
        self._thread.start()

    def stop(self) -> None:
        """Ends after the ticks in hand."""
        self._stopping = True
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(1.0)
        for group in self.groups.values():
            group.stop()

    def settings_changed(self) -> None:
        """Obeys changed settings at once; returns before it has."""
        self._news.set()

    def paces(self) -> list[Pace]:
        """The grids in use."""
        return [group.pace for group in list(self.groups.values())]

    def _group(self, name: str, lane: str) -> Group:
        if (name, lane) not in self.groups:
            self.groups[name, lane] = Group(name, lane, self._rate(name), self._write, self._watch, self._failed)
        return self.groups[name, lane]

    def _failed(self, thread: str, error: Exception) -> None:
        """A row was lost, or a thread stumbled: said at the first, second, fourth … time."""
        self.failures += 1
        if self.failures & (self.failures - 1) == 0:
            text = f"rows of {thread} were lost; failure {self.failures}"
            self._voice.warn(text, thread, f"{type(error).__name__}: {error}")

    def errors(self) -> int:
        """Reads that failed since the start."""
        return self._errors_before + sum(guard.errors for guard in list(self._places))

    def costs(self) -> dict[str, float]:
        """CPU of each sampler in percent of one core at its present rate, by subject."""
        costs: dict[str, float] = {}
        for guard, place in list(self._places.items()):
            cost = 100.0 * guard.cpu_s * self._rate(place) if place else 0.0
            costs[guard.subject] = costs.get(guard.subject, 0.0) + cost
        return costs

    def _keep_house(self) -> None:
        while not self._stopping:
            if news := self._news.wait(until_beat_s()):
                self._news.clear()  # never after a wait in vain: what came since then stays for the next look
            if not self._stopping:
                now_s = time.monotonic()
                thorough = news or now_s >= self._thorough_at_s
                if thorough:
                    self._thorough_at_s = now_s + _THOROUGH_EVERY_S
                try:
                    self.house(now_s, thorough)
                except Exception as error:  # the house is kept again in a second
                    self._failed("house", error)

    def house(self, now_s: float, thorough: bool = True) -> None:
        """One look at everything but the numbers; `thorough`: also at where each sampler belongs and what is there."""
        self._look_at_clocks()
        self.budget.limit_percent = self._budget()
        if self.budget.observe(now_s, time.process_time()):
            self._say_divisor()
        for (name, _), group in self.groups.items():
            group.retime(self._rate(name) / (self.budget.divisor if name != "trend" else 1))
        for entry in self.inventory.probe(now_s, self._wanted):
            if entry.sampler is not None:
                guard = Guard(entry.sampler, self._voice.warn, entry.subject)
                self._places[guard] = ""
                thorough = True
        if thorough:
            self._place()
            self._tell_inventory()

    def _place(self) -> None:
        self._places.setdefault(self._clockwork, "")
        rates = {name: self._rate(name) for name in GROUPS}
        held: dict[tuple[str, str], list[Guard]] = {}
        for guard, place in self._places.items():
            subject = guard.subject
            forced = str(self._setting(f"collector.sampler.{subject}.group", "auto"))
            self._places[guard] = chosen = choose(guard, place, forced, rates)
            if self._wanted(subject):
                held.setdefault((chosen, getattr(guard.sampler, "lane", "")), []).append(guard)
        # First out, then in: no sampler is ever read by two threads. What hangs stays where it is.
        stuck: set[Guard] = set()
        for key, group in self.groups.items():
            if not group.hold([guard for guard in group.guards if guard in held.get(key, ())]):
                stuck.update(group.guards)
                self._failed(f"{key[0]} {key[1]}".strip(), TimeoutError("a reading does not come back"))
        for guard in list(self._places):
            if not (self._wanted(guard.subject) or guard is self._clockwork or guard in stuck):
                self._let_go(guard)
        for key in held.keys() | self.groups.keys():
            group = self._group(*key)
            if not stuck.intersection(group.guards):
                group.hold(guard for guard in held.get(key, ()) if guard not in stuck)
                group.run()

    def _let_go(self, guard: Guard) -> None:
        """A sampler that was switched off keeps nothing open; switched on, it begins anew."""
        del self._places[guard]
        self._errors_before += guard.errors
        self.inventory.release(guard.sampler)
        rest = getattr(guard.sampler, "rest", None)
        if rest is not None:
            rest()

    def _look_at_clocks(self) -> None:
        instant = Instant(wall_us(), boot_us(), time.monotonic_ns() // 1000)
        for found in self._timeline.observe(instant):
            if isinstance(found, ClockStep):
                by = found.by_us / 1e6
                self._voice.event(
                    "clock_step", "system", f"The wall clock was set by {by:+.3f} s", by_us=str(found.by_us)
                )
            else:
                self._voice.event_at(
                    found.from_wall_us, found.from_boot_us, "suspend", "system", "The machine fell asleep"
                )
                seconds = f"{found.for_us / 1e6:.1f}"
                self._voice.event("resume", "system", f"The machine woke up after {seconds} s", asleep_s=seconds)

    def _say_divisor(self) -> None:
        budget = self.budget
        if budget.divisor == 1:
            self._voice.degraded(None)
            self._voice.event("rates", "monitor:collector", "Measuring is back to its full rates")
            return
        text = (
            f"measuring costs {budget.cost_percent:.1f} % of the machine, more than its budget of "
            f"{budget.limit_percent:g} %: rates are divided by {budget.divisor}"
        )
        self._voice.degraded(f"{text}. Raise collector.budget_percent or switch off a sampler")
        self._voice.event("rates", "monitor:collector", text[0].upper() + text[1:], divisor=str(budget.divisor))

    def _tell_inventory(self) -> None:
        told = self.inventory.describe()
        if told != self._told:
            self._told = told
            there = sum(state.startswith("there") for state in told.values())
            title = f"{there} of {len(told)} subjects can be measured here"
            self._voice.event("inventory", "system", title, **told)

    def _wanted(self, subject: str) -> bool:
        return bool(self._setting(f"collector.sampler.{subject}.enabled", True))

    def _rate(self, group: str) -> float:
        return float(str(self._setting(f"collector.rate.{group}_hz", DEFAULT_RATES_HZ[group])))

    def _budget(self) -> float:
        return float(str(self._setting("collector.budget_percent", 2.0)))
