"""JSON as our doors send it."""

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """JSON bytes; NaN and the infinities become null, so that no client has to parse "NaN"."""
    return _encoder.encode(value)
