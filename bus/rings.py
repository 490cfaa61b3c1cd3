"""Where ring files lie: on tmpfs where there is one, in a 0700 folder of their own."""

import hashlib
import os
from pathlib import Path

from bus.home import Home, HomeError

_MEMORY_FOLDERS = ("/dev/shm",)  # noqa: S108 (a 0700 folder of ours inside it)


def ring_folder(home: Home) -> Path:
    """`<home>/run/rings`: a link into tmpfs, or a folder on disk where there is no tmpfs.

    Raises HomeError where the folder in tmpfs belongs to somebody else or is open to others.
    """
    link = home.run / "rings"
    name = hashlib.blake2b(str(home.root.resolve()).encode(), digest_size=8).hexdigest()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    for parent in (runtime, *_MEMORY_FOLDERS):
        if not parent or not os.access(parent, os.W_OK):
            continue
        folder = Path(parent) / f"wfmon-{os.geteuid()}-{name}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o077 or folder.is_symlink():
            raise HomeError(f"{folder} is not a private folder of yours. Remove it, then start again.")
        _point(link, folder)
        return folder
    link.mkdir(mode=0o700, exist_ok=True)
    return link


def _point(link: Path, folder: Path) -> None:
    if link.is_symlink() and link.readlink() == folder:
        return
    temporary = link.with_name(f".rings.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder)
    temporary.replace(link)
