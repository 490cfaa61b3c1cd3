"""Temperatures and fans, from hwmon, else from the thermal zones (CONTRACTS §1)."""

from __future__ import annotations

from pathlib import Path

from bus.series import Series
from services.collector.pinned import PinnedFile, text
from services.collector.sampler import NAN, Absent, Machine

_LOOK_EVERY_S = 30.0


def _hwmon(sys: Path) -> list[tuple[str, str, Path]]:
    """(metric, sensor, file) of every hwmon chip; sensors of equal name get their number."""
    found = []
    for chip in sorted((sys / "class/hwmon").glob("hwmon*")):
        title = text(chip / "name") or chip.name
        for kind, metric in (("temp", "system.temp_c"), ("fan", "system.fan_rpm")):
            for path in sorted(chip.glob(f"{kind}[0-9]*_input")):
                stem = path.name.removesuffix("_input")
                found.append((metric, f"{title}/{text(chip / f'{stem}_label') or stem}", path))
    return found


def _zones(sys: Path) -> list[tuple[str, str, Path]]:
    zones = sorted((sys / "class/thermal").glob("thermal_zone*"))
    return [("system.temp_c", text(zone / "type") or zone.name, zone / "temp") for zone in zones]


def find_sensors(sys: Path) -> list[tuple[Series, Path]]:
    """Series and file of each sensor. Thermal zones repeat hwmon's chips, so they count only without hwmon."""
    taken: dict[tuple[str, str], int] = {}
    sensors = []
    for metric, name, path in _hwmon(sys) or _zones(sys):
        seen = taken[metric, name] = taken.get((metric, name), 0) + 1
        label = name if seen == 1 else f"{name}#{seen}"
        sensors.append((Series(metric, "system", (("sensor", label),)), path))
    return sensors


class Temperature:
    """temp_c and fan_rpm a sensor; sensors that came are found within 30 s."""

    name = "temperature"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        self._sys = machine.sys
        self._files: list[PinnedFile | None] = []
        self._scales: list[float] = []
        self._columns: tuple[Series, ...] = ()
        self._looked_s = 0.0
        self._look()
        if not self._columns:
            raise Absent(
                "no sensor in /sys/class/hwmon or /sys/class/thermal",
                "Virtual machines have none; on a real one load its driver (`sensors-detect`)",
            )

    def _look(self) -> None:
        sensors = find_sensors(self._sys)
        columns = tuple(series for series, _ in sensors)
        if columns == self._columns:
            return
        self._columns = columns
        self._scales = [0.001 if series.metric == "system.temp_c" else 1.0 for series in columns]
        self._files = []
        for _, path in sensors:
            try:
                self._files.append(PinnedFile(path, 64))
            except OSError:
                self._files.append(None)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        if now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            self._look()
        values = []
        for file, scale in zip(self._files, self._scales, strict=True):
            try:
                values.append(NAN if file is None else file.number() * scale)
            except (OSError, ValueError):  # a sensor that is asleep or was taken out
                values.append(NAN)
        return values
