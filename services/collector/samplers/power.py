"""Electric power of the processor's domains, from RAPL's energy counters (CONTRACTS §1, "Joules")."""

from __future__ import annotations

import re
from pathlib import Path

from bus.series import Series
from services.collector.pinned import PinnedFile, text
from services.collector.rates import Trail
from services.collector.sampler import NAN, Absent, Machine

# The counter moves about once a millisecond; over 100 ms that is 1 %.
AVERAGE_S = 0.1
_ZONE = re.compile(r"(intel-rapl|amd-rapl):\d+(:\d+)?")


class Wrapping:
    """A counter of µJ that starts again at its range: gives what it counted since the first reading."""

    def __init__(self, file: PinnedFile, range_uj: int) -> None:
        self._file = file
        self._range_uj = range_uj
        self._last_uj = file.number()
        self._sum_uj = 0

    def joules(self) -> float:
        """Joules since the collector started; exact as long as it is asked once a turn (a minute or more)."""
        now_uj = self._file.number()
        step = now_uj - self._last_uj
        self._sum_uj += step if step >= 0 else step + self._range_uj
        self._last_uj = now_uj
        return self._sum_uj / 1e6


def find_zones(sys: Path) -> list[tuple[str, Path]]:
    """(type, folder) of each RAPL domain: "package-0", "package-0/core", "package-0/dram", "psys" …"""
    folders = sorted(p for p in (sys / "class/powercap").glob("*-rapl:*") if _ZONE.fullmatch(p.name))
    names = {folder.name: text(folder / "name") for folder in folders}
    zones = []
    for folder in folders:
        parent = names.get(folder.name.rpartition(":")[0]) if folder.name.count(":") == 2 else None
        zones.append((f"{parent}/{names[folder.name]}" if parent else names[folder.name], folder))
    return zones


class Power:
    """power_w and energy_j by domain. The kernel lets root alone read them, since they can leak secrets."""

    name = "power"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        zones = find_zones(machine.sys)
        if not zones:
            raise Absent(
                "no RAPL domain in /sys/class/powercap", "Virtual machines have none; see `modprobe intel_rapl_msr`"
            )
        self._counters: list[Wrapping] = []
        columns: list[Series] = []
        for name, folder in zones:
            try:
                file = PinnedFile(folder / "energy_uj", 64)
                self._counters.append(Wrapping(file, int(text(folder / "max_energy_range_uj") or 0)))
            except OSError:
                continue
            columns += [Series(f"system.{field}", "system", (("type", name),)) for field in ("power_w", "energy_j")]
        if not columns:
            raise Absent(
                f"{zones[0][1] / 'energy_uj'} is readable by root only",
                "Let your group read it by a udev rule, if you trust everybody in it (docs/samplers.md)",
            )
        self._columns = tuple(columns)
        self._trail = Trail(AVERAGE_S)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        joules = [counter.joules() for counter in self._counters]
        found = self._trail.update(now_s, joules)
        values = []
        for i, energy in enumerate(joules):
            values += [NAN if found is None else (energy - found[1][i]) / found[0], energy]
        return values
