"""Values of settings as people type and read them: on, off, 4GB, 20Hz, 36h."""

from __future__ import annotations

import json

from bus.settings_catalogue import SettingSpec, SettingValue
from services.cli.text import scaled, seconds, size

_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


def typed(spec: SettingSpec, text: str) -> SettingValue:
    """Return what `text` means for a setting, checked. Raises SettingError naming key, value and mend."""
    plain = text.strip()
    if spec.type == "bool":
        return spec.check(_SWITCH.get(plain.lower(), plain))
    if spec.type in ("text", "choice"):
        return spec.check(plain.strip('"'))
    return spec.check(_number(spec, plain))


def _number(spec: SettingSpec, text: str) -> object:
    try:
        if spec.unit == "bytes":
            return size(text)
        if spec.unit == "hours" and text[-1:].isalpha():
            return seconds(text) / 3600.0
        return json.loads(text.lower().removesuffix("hz").removesuffix("%").strip())
    except ValueError:
        return text  # not a number: the check says what it must be


def shown(value: str, unit: str) -> str:
    """Return a JSON value for people: on, 2.0 GB, 10 Hz."""
    parsed = json.loads(value)
    if isinstance(parsed, bool):
        return "on" if parsed else "off"
    if isinstance(parsed, str):
        return parsed
    if unit == "bytes":
        return scaled(float(parsed))
    return f"{parsed:.15g} {unit}".strip()
