"""Joules as money, at the person's own tariff (CONTRACTS §1): absent without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the command line reads this too, and is not to wait for gRPC
    from bus.settings_mirror import SettingsMirror

JOULES_PER_KWH = 3.6e6


class Tariff(NamedTuple):
    """What a kilowatt-hour costs."""

    per_kwh: float
    currency: str

    def money(self, joules: float) -> float:
        """Return what so many joules cost, in `currency`."""
        return joules / JOULES_PER_KWH * self.per_kwh


def tariff_of(settings: SettingsMirror) -> Tariff | None:
    """Return the tariff that is set; None where none is."""
    per_kwh = settings.number("energy.tariff_per_kwh")
    return Tariff(per_kwh, settings.text("energy.currency")) if per_kwh > 0 else None
