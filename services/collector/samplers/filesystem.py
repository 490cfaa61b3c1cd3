"""File systems: free space and size of each mount on a disk of this machine (CONTRACTS §1)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.sampler import NAN, Absent, Machine

# A dead server of a network file system would hold up every reading behind it, so only local ones are asked.
LOCAL = frozenset(
    (
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "nilfs2", "ufs"),
        *("vfat", "exfat", "msdos", "ntfs", "ntfs3", "hfsplus", "apfs"),
    )
)
_REMOUNT_EVERY_S = 10.0
_ESCAPE = re.compile(r"\\([0-7]{3})")


def parse_mountinfo(data: bytes) -> list[str]:
    """Mount points of local file systems, each device once, by its shortest path.

    The root is there whatever its type (an overlay in a container).
    """
    by_device: dict[str, str] = {}
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ", 1)[0]
        mount = _ESCAPE.sub(lambda code: chr(int(code[1], 8)), fields[4])
        if kind not in LOCAL and mount != "/":
            continue
        known = by_device.get(fields[2])
        if known is None or len(mount) < len(known):
            by_device[fields[2]] = mount
    return sorted(by_device.values())


class Filesystem:
    """disk.free_bytes (for ordinary users) and disk.total_bytes a mount; mounts are looked up each 10 s."""

    name = "filesystem"
    group = "trend"

    def __init__(self, machine: Machine, statvfs: Callable[[str], os.statvfs_result] = os.statvfs) -> None:
        self._statvfs = statvfs
        self._mounts: list[str] = []
        self._columns: tuple[Series, ...] = ()
        self._looked_s = -_REMOUNT_EVERY_S
        try:
            self._mountinfo = PinnedFile(machine.proc / "self/mountinfo", 8192)
        except OSError as error:
            raise Absent(f"{machine.proc}/self/mountinfo: {error.strerror}") from error

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        if now_s - self._looked_s >= _REMOUNT_EVERY_S or not self._columns:
            self._looked_s = now_s
            self._name(parse_mountinfo(self._mountinfo.read()))
        values: list[float] = []
        for mount in self._mounts:
            try:
                found = self._statvfs(mount)
            except OSError:  # unmounted since the last look
                values += [NAN, NAN]
            else:
                values += [float(found.f_bavail * found.f_frsize), float(found.f_blocks * found.f_frsize)]
        return values

    def _name(self, mounts: list[str]) -> None:
        if mounts != self._mounts or not self._columns:
            self._mounts = mounts
            self._columns = tuple(
                # A name that is no UTF-8 is shown with its bytes escaped, not refused.
                Series(
                    f"system.disk.{field}", "system", (("mount", mount.encode("utf-8", "backslashreplace").decode()),)
                )
                for mount in mounts
                for field in ("free_bytes", "total_bytes")
            )
