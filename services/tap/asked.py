"""What a prompt says about where it wants to go: the model's name, nothing else is decoded or kept."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from bus.unreadable import UNREADABLE

# A larger body (pictures) is passed on while it comes in; its route is then told by path alone.
LONGEST_PEEK = 16 << 20
_LONGEST_NAME = 256


class _Asked(Struct, gc=False):
    model: str | None = None


_decoder = msgspec.json.Decoder(_Asked)


def model_of(body: bytes) -> str:
    """Return the model a JSON body names; empty where it names none."""
    try:
        model = _decoder.decode(body).model
    except UNREADABLE:
        return ""
    return (model or "")[:_LONGEST_NAME]
