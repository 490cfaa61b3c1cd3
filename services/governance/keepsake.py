"""A copy of the chosen settings beside the database, for the day its file is found broken.

Without it a damaged page of the file would silently turn recording on again for somebody who had turned it off. Only
settings are kept so; consents are not, since a consent must be the person's own word each time it begins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from bus.home import write_private
from bus.settings_catalogue import settings_catalogue, to_json
from services.governance.plan import Plan, Step, in_force


class Keepsake:
    """The copy at `path`, 0600, replaced whole at each change."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, stored: Mapping[str, str]) -> None:
        """Keep these values. Raises OSError where the disk takes no more."""
        write_private(self._path, json.dumps(dict(stored), indent=1, sort_keys=True).encode())

    def plan(self) -> Plan:
        """Return the change that brings the kept values back into a fresh database; empty where nothing was kept.

        What does not fit the catalogue is left out, and so is whatever needs a consent: it stays off.
        """
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Plan()
        if not isinstance(kept, dict):
            return Plan()
        values, _ = in_force({key: value for key, value in kept.items() if isinstance(value, str)})
        return Plan(
            tuple(
                Step(key, values[key], to_json(spec.default))
                for key, spec in settings_catalogue().items()
                if not spec.consent and values[key] != to_json(spec.default)
            )
        )
