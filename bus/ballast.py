"""A file that only takes up room, so that there is room to act when the disk is full."""

import contextlib
import os
from pathlib import Path
from threading import Lock

BALLAST_BYTES = 16 * 1024 * 1024
# Put back only when this much stays free beside it: else it would fill the disk it is to help.
SPARE_BYTES = 4 * BALLAST_BYTES


class Ballast:
    """16 MiB of real blocks beside the databases (DESIGN §3).

    `release()` gives the blocks back to the file system, so that deletes, a checkpoint and the loss
    records can still be written; `restore()` takes them again once there is room. One file may be shared
    by all services of a home: releasing is one unlink, and the first to need it gets it.
    """

    def __init__(self, path: Path, size_bytes: int = BALLAST_BYTES) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self._lock = Lock()

    @property
    def held(self) -> bool:
        """Whether the file stands at its full size."""
        try:
            return self.path.stat().st_size >= self.size_bytes
        except OSError:
            return False

    def release(self) -> bool:
        """Unlink the file. True when that freed something."""
        with self._lock:
            try:
                freed = self.path.stat().st_blocks > 0
                self.path.unlink()
            except OSError:
                return False
            return freed

    def restore(self) -> bool:
        """Allocate the file where it is missing and the disk has room to spare. True when it stands."""
        with self._lock:
            if self.held:
                return True
            draft = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            try:
                room = os.statvfs(self.path.parent)
                if room.f_bavail * room.f_frsize < self.size_bytes + max(SPARE_BYTES, self.size_bytes):
                    return False
                handle = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
                try:
                    _allocate(handle, self.size_bytes)
                finally:
                    os.close(handle)
                draft.replace(self.path)
            except OSError:
                with contextlib.suppress(OSError):
                    draft.unlink()
                return False
            return True


def _allocate(handle: int, size_bytes: int) -> None:
    # A sparse file would free nothing. macOS has no posix_fallocate: written zeros take real blocks.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size_bytes)
        return
    block = bytes(1024 * 1024)
    for _ in range(size_bytes // len(block)):
        os.write(handle, block)
