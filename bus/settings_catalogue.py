"""The settings catalogue: every key once, and the one judgement of what it may be set to.

Read from `settings_catalogue.toml` beside this file. Pure: no clock, no socket, no state. Governance judges
each change by it, every service starts from its defaults, `wfmon settings` and the page explain by it.

    >>> spec = find("collector.rate.resource_hz")
    >>> spec.default, spec.unit, spec.target
    (10.0, 'Hz', 'collector')
    >>> spec.check(20)
    20.0
"""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

SettingValue = bool | int | float | str
SettingType = Literal["bool", "int", "float", "text", "choice"]

_PATH = Path(__file__).with_suffix(".toml")
_TEXT_LIMIT = 1024
_FIELDS = frozenset(
    {
        "type",
        "default",
        "unit",
        "minimum",
        "maximum",
        "choices",
        "meaning",
        "live",
        "target",
        "strict",
        "consent",
        "wording",
    }
)
_WANTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "text": "a text",
    "choice": "one of its choices",
}


class SettingError(ValueError):
    """A key or value that cannot be set. The message names it, the reason and the mend."""


class UnknownSetting(SettingError):
    """No such key; `nearest` is the known key most like it, or None."""

    def __init__(self, key: str) -> None:
        known = list(settings_catalogue())
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        self.key = key
        self.nearest = close[0] if close else None
        mend = f"did you mean {self.nearest}?" if self.nearest else "`wfmon settings list` shows them all"
        super().__init__(f"there is no setting {_quoted(key)}; {mend}")


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """One setting, as `settings_catalogue.toml` states it."""

    key: str
    type: SettingType
    default: SettingValue
    meaning: str
    live_effect: str
    target: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    strict: SettingValue | None = None
    consent: str | None = None
    wording: str = ""

    def check(self, value: object) -> SettingValue:
        """Return `value` as this setting's own type (10 becomes 10.0 for a float).

        Raises SettingError naming key, value, reason and mend. A bool is never a number, a number never a
        bool, and NaN or an infinity is no number to set.
        """
        converted = self._converted(value)
        if converted is None:
            raise self._refusal(value, f"it must be {_WANTED[self.type]}")
        if self.type == "choice" and converted not in self.choices:
            raise self._refusal(value, "it must be one of " + ", ".join(self.choices))
        if isinstance(converted, str) and len(converted) > _TEXT_LIMIT:
            raise self._refusal(value, f"it must be at most {_TEXT_LIMIT} characters long")
        if isinstance(converted, int | float) and not isinstance(converted, bool):
            if self.minimum is not None and converted < self.minimum:
                raise self._refusal(value, self._range())
            if self.maximum is not None and converted > self.maximum:
                raise self._refusal(value, self._range())
        return converted

    def parse(self, text: str) -> SettingValue:
        """Return the value a JSON text states (`true`, `10`, `"strict"`), checked. Raises SettingError."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise self._refusal(text, f"it must be {_WANTED[self.type]}, as JSON") from None
        return self.check(value)

    def _converted(self, value: object) -> SettingValue | None:
        if self.type == "bool":
            return value if isinstance(value, bool) else None
        if self.type in ("text", "choice"):
            return value if isinstance(value, str) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            raise self._refusal(value, self._range() or "it is too large") from None
        if not math.isfinite(number):
            return None
        if self.type == "int":
            return int(value) if number.is_integer() else None
        return number

    def _range(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if self.minimum is not None and self.maximum is not None:
            return f"it must be from {self.minimum:.15g} to {self.maximum:.15g}{unit}"
        if self.minimum is not None:
            return f"it must be at least {self.minimum:.15g}{unit}"
        return f"it must be at most {self.maximum:.15g}{unit}" if self.maximum is not None else ""

    def _refusal(self, value: object, reason: str) -> SettingError:
        return SettingError(f"{self.key} cannot be {_quoted(value)}: {reason} (default {to_json(self.default)})")


def to_json(value: SettingValue) -> str:
    """Return the one JSON spelling of a value, as it travels in ControlChange and stands in the database."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


@cache
def settings_catalogue() -> Mapping[str, SettingSpec]:
    """Return every setting by key, in the order of the file."""
    return load(_PATH.read_text(encoding="utf-8"))


def find(key: str) -> SettingSpec:
    """Return the setting called `key`. Raises UnknownSetting with the nearest known key."""
    try:
        return settings_catalogue()[key]
    except KeyError:
        raise UnknownSetting(key) from None


def defaults() -> dict[str, SettingValue]:
    """Return the default of every setting: what is in force on a fresh machine (CONTRACTS §11)."""
    return {key: spec.default for key, spec in settings_catalogue().items()}


def profile_values(profile: str) -> dict[str, SettingValue]:
    """Return what `privacy.profile` = `profile` sets: key → value, for the settings that follow it."""
    followers = {key: spec for key, spec in settings_catalogue().items() if spec.strict is not None}
    if profile == "strict":
        return {key: spec.strict for key, spec in followers.items() if spec.strict is not None}
    return {key: spec.default for key, spec in followers.items()}


def consent_specs() -> dict[str, SettingSpec]:
    """Return the settings that need a consent, by the consent's name."""
    return {spec.consent: spec for spec in settings_catalogue().values() if spec.consent}


def load(text: str) -> Mapping[str, SettingSpec]:
    """Read a catalogue from TOML. Raises SettingError naming the key where it contradicts itself."""
    specs: dict[str, SettingSpec] = {}
    for key, entry in tomllib.loads(text).items():
        if not isinstance(entry, dict):
            raise SettingError(f"settings catalogue: {key} must be a table")
        if unknown := sorted(entry.keys() - _FIELDS):
            raise SettingError(f"settings catalogue: {key} has the unknown field {unknown[0]}")
        if missing := [name for name in ("type", "default", "meaning", "live", "target") if name not in entry]:
            raise SettingError(f"settings catalogue: {key} lacks {missing[0]}")
        if entry["type"] not in _WANTED:
            raise SettingError(f"settings catalogue: {key} has the unknown type {entry['type']}")
        spec = SettingSpec(
            key=key,
            type=entry["type"],
            default=entry["default"],
            meaning=entry["meaning"],
            live_effect=entry["live"],
            target=entry["target"],
            unit=entry.get("unit", ""),
            minimum=entry.get("minimum"),
            maximum=entry.get("maximum"),
            choices=tuple(entry.get("choices", ())),
            strict=entry.get("strict"),
            consent=entry.get("consent"),
            wording=entry.get("wording", ""),
        )
        for stated in (spec.default, spec.strict):
            if stated is not None and spec.check(stated) != stated:
                raise SettingError(f"settings catalogue: {key} states a value of another type")
        if spec.consent and (spec.type != "bool" or spec.default or spec.strict or not spec.wording):
            raise SettingError(f"settings catalogue: {key} needs a consent: a bool, off, with its wording")
        specs[key] = spec
    return MappingProxyType(specs)


def _quoted(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=True)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
