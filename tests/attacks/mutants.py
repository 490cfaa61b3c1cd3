"""Messages that were real once: bits turned, bytes cut out and put in, lengths that lie, kinds exchanged."""

import random
import struct
from collections.abc import Sequence

from bus import topics

Message = tuple[bytes, bytes]

# Unknown groups inside each other: field 15, wire type 3 opens, 4 closes.
DEEP = b"\x7b" * 1000 + b"\x7c" * 1000
# Length-delimited fields inside each other, a thousand deep: a message in a message where a reader follows it.
_VARINTS = (b"\xff" * 9 + b"\x01", b"\xff\xff\xff\xff\x0f", b"\x80" * 12, b"\x00")
HOSTILE_NAME = "wf\r\n2026-01-01T00:00:00.000Z error forged: line\x1b[2J\x1b]0;title\x07\u202e\u2028<script>"


def nested(depth: int) -> bytes:
    """Field 14 of field 14 of … : length-delimited, `depth` deep."""
    inner = b""
    for _ in range(depth):
        inner = b"\x72" + varint(len(inner)) + inner
    return inner


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Mutator:
    """An endless, seeded source of mutated messages."""

    def __init__(self, seed: int, seeds: Sequence[Message]) -> None:
        self._random = random.Random(seed)
        self._seeds = list(seeds)
        self._ways = (self._flip, self._cut, self._insert, self._double, self._lie, self._wild_numbers, self._swap)

    def next(self) -> Message:
        topic, payload = self._random.choice(self._seeds)
        for _ in range(self._random.choice((1, 1, 1, 2, 4))):
            payload = self._random.choice(self._ways)(payload)
        return self._topic(topic), payload[:60_000]

    def _topic(self, topic: bytes) -> bytes:
        choice = self._random.random()
        if choice < 0.9:
            return topic
        if choice < 0.95:
            return self._random.choice(self._seeds)[0]
        middle = bytes(self._random.randrange(256) for _ in range(self._random.randrange(40)))
        return (
            self._random.choice((topics.SAMPLES, topics.EVENTS, topics.HEALTHS, topics.AUDITS)).encode() + middle + b"/"
        )

    def _flip(self, payload: bytes) -> bytes:
        changed = bytearray(payload)
        for _ in range(self._random.choice((1, 3, 20)) if changed else 0):
            changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        return bytes(changed)

    def _cut(self, payload: bytes) -> bytes:
        begin, end = sorted((self._random.randrange(len(payload) + 1), self._random.randrange(len(payload) + 1)))
        return payload[:begin] + payload[end:]

    def _insert(self, payload: bytes) -> bytes:
        at = self._random.randrange(len(payload) + 1)
        return payload[:at] + self._random.randbytes(self._random.choice((1, 8, 200))) + payload[at:]

    def _double(self, payload: bytes) -> bytes:
        return payload * self._random.choice((2, 3, 20))

    def _lie(self, payload: bytes) -> bytes:
        """A length or a number that is not true."""
        at = self._random.randrange(len(payload) + 1)
        return payload[:at] + self._random.choice(_VARINTS) + payload[at + 1 :]

    def _wild_numbers(self, payload: bytes) -> bytes:
        at = self._random.randrange(len(payload) + 1)
        wild = self._random.choice((float("nan"), float("inf"), -float("inf"), 1e308, 5e-324, -0.0))
        return payload[:at] + struct.pack("<d", wild) + payload[at + 8 :]

    def _swap(self, _: bytes) -> bytes:
        return self._random.choice(self._seeds)[1]
