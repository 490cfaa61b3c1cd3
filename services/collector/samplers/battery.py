"""Battery: charge, direction, and the power it gives while it discharges (CONTRACTS §1)."""

from __future__ import annotations

from pathlib import Path

from bus.series import Series
from services.collector.pinned import text
from services.collector.sampler import NAN, Absent, Machine


def _number(path: Path) -> float:
    try:
        return float(text(path))
    except ValueError:
        return NAN


def power_w(folder: Path) -> float:
    """Watts that flow in or out of one battery; NaN where it tells neither power nor current and voltage."""
    power = _number(folder / "power_now") / 1e6
    if power == power:
        return abs(power)
    return abs(_number(folder / "current_now") / 1e6 * _number(folder / "voltage_now") / 1e6)


class Battery:
    """battery.percent (mean over batteries, by size), battery.charging, power_w and energy_j {type=battery}.

    Power is absent on external power: what flows then is the charger's, not the machine's.
    """

    name = "battery"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        supplies = sorted((machine.sys / "class/power_supply").glob("*"))
        self._batteries = [
            supply for supply in supplies if text(supply / "type") == "Battery" and text(supply / "scope") != "Device"
        ]
        if not self._batteries:
            raise Absent("no battery in /sys/class/power_supply", "Machines without one have nothing to measure here")
        by_type = (("type", "battery"),)
        self._columns = (
            Series("system.battery.percent", "system"),
            Series("system.battery.charging", "system"),
            Series("system.power_w", "system", by_type),
            Series("system.energy_j", "system", by_type),
        )
        self._energy_j = 0.0
        self._last = (NAN, NAN)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        charges = [_number(battery / "capacity") for battery in self._batteries]
        sizes = [_size(battery) for battery in self._batteries]
        known = all(size == size for size in sizes) and sum(sizes) > 0
        weights = sizes if known else [1.0] * len(charges)
        percent = sum(c * w for c, w in zip(charges, weights, strict=True)) / sum(weights)
        states = {text(battery / "status") for battery in self._batteries}
        discharging = "Discharging" in states
        power = sum(power_w(battery) for battery in self._batteries) if discharging else NAN
        before_s, before_w = self._last
        self._last = (now_s, power)
        step_j = (power + before_w) / 2.0 * (now_s - before_s)
        if step_j == step_j:
            self._energy_j += step_j
        charging = NAN if states <= {"Unknown", ""} else float(not discharging)
        return [percent, charging, power, self._energy_j]


def _size(battery: Path) -> float:
    energy = _number(battery / "energy_full")
    return energy if energy == energy else _number(battery / "charge_full")
