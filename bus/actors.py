"""Who does something, as the audit chain names it: "person:page", "service:alert"."""

from __future__ import annotations

import re

_ACTOR = re.compile(r"[a-z]{1,16}:[\w.:@/-]{1,64}")


def is_actor(text: str) -> bool:
    """Whether a text has the shape kind:name."""
    return _ACTOR.fullmatch(text) is not None
