"""How many samples a store's file holds, told beside it: so that a file that cannot be read is a counted loss."""

import contextlib
import os
import struct
import zlib
from pathlib import Path

_ENTRY = struct.Struct("<QI")  # samples, checksum of them


class Ledger:
    """One number in a file of its own, written after each commit and never synced: it survives a kill.

    After a kill between a commit and the number it is one flush behind, after a power cut it may be some more.
    """

    def __init__(self, path: Path) -> None:
        """Opens or makes the file; where that fails (a full disk), the number is not kept."""
        self._handle = -1
        with contextlib.suppress(OSError):
            self._handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    @property
    def samples(self) -> int:
        """The number written last; 0 where there is none."""
        try:
            samples, check = _ENTRY.unpack(os.pread(self._handle, _ENTRY.size, 0))
        except (OSError, struct.error):
            return 0
        return int(samples) if check == zlib.crc32(samples.to_bytes(8, "little")) else 0

    @samples.setter
    def samples(self, samples: int) -> None:
        with contextlib.suppress(OSError):
            os.pwrite(self._handle, _ENTRY.pack(samples, zlib.crc32(samples.to_bytes(8, "little"))), 0)

    def close(self) -> None:
        """Twice is once."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
