"""Who asked, by consent: a keyed hash of what a client sends of itself. Neither of it is kept, and off it is not read.

    client = BLAKE2b(user agent ‖ API key; key = 16 random bytes of this machine), 8 bytes as hex

Without the key, which never leaves tap.db, nobody can find out by trying which program or API key stands behind a hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

RawHeaders = Sequence[tuple[bytes, bytes]]

_DIGEST_BYTES = 8
# A hostile header is not worth hashing a megabyte.
_MOST_BYTES = 4096
_API_KEYS = (b"authorization", b"x-api-key", b"api-key")


class Clients:
    """Names clients while `on()`; `key()` is asked for once, when it is first needed."""

    def __init__(self, on: Callable[[], bool], key: Callable[[], bytes]) -> None:
        self._on = on
        self._new_key = key
        self._key = b""

    def follow(self) -> None:
        """Have the key ready; to be called at the start and when the consent changes, since it waits for the disk."""
        if self._on() and not self._key:
            self._key = self._new_key()

    def of(self, headers: RawHeaders) -> str:
        """Return the hash of who sent these headers; "" without consent, or where they say nothing."""
        if not self._on() or not self._key:
            return ""
        told = {name.lower(): value[:_MOST_BYTES] for name, value in headers}
        parts = [told.get(b"user-agent", b""), next((told[name] for name in _API_KEYS if name in told), b"")]
        if not any(parts):
            return ""
        digest = hashlib.blake2b(digest_size=_DIGEST_BYTES, key=self._key)
        for part in parts:  # lengths in front, so that no two pairs share one byte string
            digest.update(len(part).to_bytes(4, "little") + part)
        return digest.hexdigest()
