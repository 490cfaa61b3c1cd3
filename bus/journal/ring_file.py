"""The sample journal: a bounded log in a file mapped into memory.

It survives kill -9 of its writer, since the pages belong to the kernel, and costs no commits. One process
writes (the service holds its lock); the same process answers Replay from it.

Layout: two header slots written in turn, then a circular area of records. A record is committed by the
header that names the new end; until then it is not there. Old records are given up in the header before
their bytes are overwritten, so that at every instant header and bytes agree.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MAGIC = b"WFRING01"
_SLOT = struct.Struct("<8sQQQQI")  # magic, generation, capacity, tail, end (both grow for ever), crc
_RECORD = struct.Struct("<IIQQH")  # size with this header, crc of what follows it, epoch, seq, topic length
_AREA_AT = 4096
_SLOT_STRIDE = 64
_PAD = 0xFFFFFFFF  # the rest up to the end of the area is unused


class Row(NamedTuple):
    epoch: int
    seq: int
    topic: str
    payload: bytes


class RingFile:
    """A ring of `capacity` bytes. Opening finds what an earlier process wrote; a damaged file starts empty."""

    def __init__(self, path: Path, capacity: int) -> None:
        self._capacity = capacity
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            size = _AREA_AT + capacity
            if os.fstat(descriptor).st_size != size:
                os.ftruncate(descriptor, 0)
                os.ftruncate(descriptor, size)
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self._generation, self._tail, self._end = self._newest_slot()
        self.heads = self._recover()

    def _newest_slot(self) -> tuple[int, int, int]:
        best = (0, 0, 0)
        for index in range(2):
            raw = self._map[index * _SLOT_STRIDE : index * _SLOT_STRIDE + _SLOT.size]
            magic, generation, capacity, tail, end, crc = _SLOT.unpack(raw)
            sound = magic == _MAGIC and capacity == self._capacity and crc == zlib.crc32(raw[:-4])
            if sound and generation > best[0] and 0 <= end - tail <= self._capacity:
                best = (generation, tail, end)
        return best

    def _recover(self) -> dict[int, int]:
        """epoch → newest seq of the rows held; what no longer reads as a row is dropped with all before it."""
        heads: dict[int, int] = {}
        try:
            for row in self._rows(self._tail):
                heads[row.epoch] = row.seq
        except ValueError:
            heads = {}
            self._tail = self._end
        return heads

    def _commit(self) -> None:
        self._generation += 1
        body = _SLOT.pack(_MAGIC, self._generation, self._capacity, self._tail, self._end, 0)[:-4]
        slot = (self._generation % 2) * _SLOT_STRIDE
        self._map[slot : slot + _SLOT.size] = body + zlib.crc32(body).to_bytes(4, "little")

    def append(self, epoch: int, seq: int, topic: str, payload: bytes) -> None:
        """Adds a row, giving up the oldest ones for it. Raises ValueError for a row over half the ring."""
        name = topic.encode("ascii")
        size = _RECORD.size + len(name) + len(payload)
        if size > self._capacity // 2:
            raise ValueError(f"a row of {size} bytes does not fit a ring of {self._capacity} bytes")
        position = self._end % self._capacity
        room = self._capacity - position
        skip = room if room < size else 0
        self._free(skip + size)
        if skip:
            if skip >= 4:
                self._put(position, _PAD.to_bytes(4, "little"))
            self._end += skip
            position = 0
        body = struct.pack("<QQH", epoch, seq, len(name)) + name + payload
        self._put(position, struct.pack("<II", size, zlib.crc32(body)) + body)
        self._end += size
        self._commit()
        self.heads[epoch] = seq

    def _put(self, position: int, raw: bytes) -> None:
        self._map[_AREA_AT + position : _AREA_AT + position + len(raw)] = raw

    def _free(self, size: int) -> None:
        if self._end + size - self._tail <= self._capacity:
            return
        while self._end + size - self._tail > self._capacity:
            self._tail += self._stride(self._tail)
        self._commit()
        if len(self.heads) > 1 and (oldest := self.oldest()):
            self.heads = {epoch: seq for epoch, seq in self.heads.items() if epoch >= oldest.epoch}

    def _stride(self, offset: int) -> int:
        """Bytes from `offset` to the next record."""
        position = offset % self._capacity
        room = self._capacity - position
        if room < 4:
            return room
        size = int.from_bytes(self._map[_AREA_AT + position : _AREA_AT + position + 4], "little")
        if size == _PAD:
            return room
        if size < _RECORD.size or size > room:
            raise ValueError(f"no record at {offset}")
        return size

    def _rows(self, offset: int) -> Iterator[Row]:
        while offset < self._end:
            stride = self._stride(offset)
            position = _AREA_AT + offset % self._capacity
            if stride >= _RECORD.size and self._map[position : position + 4] != b"\xff\xff\xff\xff":
                raw = self._map[position : position + stride]
                _, crc, epoch, seq, named = _RECORD.unpack_from(raw)
                if crc != zlib.crc32(raw[8:]):
                    raise ValueError(f"a damaged record at {offset}")
                start = _RECORD.size
                yield Row(epoch, seq, raw[start : start + named].decode("ascii"), raw[start + named :])
            offset += stride

    def oldest(self) -> Row | None:
        return next(self._rows(self._tail), None)

    def rows(self, epoch: int = 0, since: int = 0) -> list[Row]:
        """Rows of `epoch` after `since` and of all later epochs, oldest first."""
        return [row for row in self._rows(self._tail) if (row.epoch, row.seq) > (epoch, since)]

    def close(self) -> None:
        self._map.close()
