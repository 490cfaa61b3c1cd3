"""Reading and replacing a settings file of the user, and nobody else's: whole or not at all, its mode kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

# A settings file beyond this is none.
_LONGEST = 4 << 20


class Unfit(Exception):
    """A file that is left alone; the text says why."""


def read(path: Path) -> tuple[Path, bytes | None]:
    """Return the file that `path` leads to and its bytes; None where there is none. Raises Unfit."""
    try:
        target = path.resolve(strict=False)
        told = target.lstat()
    except FileNotFoundError:
        return target, None
    except (OSError, RuntimeError) as error:
        raise Unfit(f"it cannot be read: {getattr(error, 'strerror', None) or 'its links lead round'}") from None
    if not stat.S_ISREG(told.st_mode):
        raise Unfit("it is no file")
    if told.st_uid != os.geteuid():
        raise Unfit("it belongs to another user")
    if told.st_nlink > 1:
        raise Unfit("it has several names (hard links), of which only one could be replaced")
    if told.st_size > _LONGEST:
        raise Unfit("it is too large for a settings file")
    try:
        return target, target.read_bytes()
    except OSError as error:
        raise Unfit(f"it cannot be read: {error.strerror}") from None


def replace(target: Path, data: bytes, *, mode: int | None = None) -> None:
    """Put `data` in place of a file, at once; a new one gets `mode`. Raises Unfit, with the old one untouched."""
    try:
        if target.parent.stat().st_uid != os.geteuid():
            raise Unfit("its folder belongs to another user")
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".wfmon")
    except OSError as error:
        raise Unfit(f"its folder cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is None:
            shutil.copystat(target, name)  # mode, and what else the file system keeps of it
            os.utime(name)
        else:
            os.chmod(name, mode)
        os.replace(name, target)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise Unfit(f"it cannot be written: {error.strerror}") from None
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest(data: bytes | None) -> str:
    """Return the SHA-256 of a file's bytes; empty for no file."""
    return "" if data is None else hashlib.sha256(data).hexdigest()
