"""Where ring files lie: on tmpfs where there is one, in a 0700 folder of their own."""

import fcntl
import hashlib
import os
import secrets
import shutil
from pathlib import Path

from bus.home import Home, HomeError

_MEMORY_FOLDERS = ("/dev/shm",)  # noqa: S108 (a 0700 folder of ours inside it)


def ring_folder(home: Home) -> Path:
    """`<home>/run/rings`: a link into tmpfs, or a folder on disk where there is no tmpfs.

    A home that was removed takes its rings along: one made anew at the same place starts with none.
    Raises HomeError where the folder in tmpfs belongs to somebody else or is open to others.
    """
    link = home.run / "rings"
    lock = os.open(home.run / ".rings.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # all services start at once
        if not link.is_symlink() and not link.exists():
            _make(link, home)
    finally:
        os.close(lock)
    if not link.is_symlink():
        return link
    folder = link.readlink()
    folder.mkdir(mode=0o700, exist_ok=True)  # tmpfs is empty after a reboot
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise HomeError(f"{folder} is not a private folder of yours. Remove it, then start again.")
    return folder


def _make(link: Path, home: Home) -> None:
    place = hashlib.blake2b(str(home.root.resolve()).encode(), digest_size=8).hexdigest()
    mine = f"wfmon-{os.geteuid()}-{place}-"
    for parent in (os.environ.get("XDG_RUNTIME_DIR"), *_MEMORY_FOLDERS):
        if parent and os.access(parent, os.W_OK):
            for left in Path(parent).glob(f"{mine}*"):
                shutil.rmtree(left, ignore_errors=True)
            link.symlink_to(Path(parent) / (mine + secrets.token_hex(8)))
            return
    link.mkdir(mode=0o700)
