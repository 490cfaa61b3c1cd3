"""The identity of a series, and the hash that names a table's columns."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wfmonitor.v1.sample_pb2 import Label, SeriesKey


class Series(NamedTuple):
    """(metric, source, labels sorted by name), as in CONTRACTS §1: `Series("system.cpu.percent", "system")`."""

    metric: str
    source: str
    labels: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        labels = "".join(f"[{name}={value}]" for name, value in self.labels)
        return f"{self.metric}{labels}@{self.source}"


def to_key(series: Series, table_source: str = "") -> SeriesKey:
    """The protobuf form; a source equal to the table's is left out."""
    return SeriesKey(
        metric=series.metric,
        source="" if series.source == table_source else series.source,
        labels=[Label(name=name, value=value) for name, value in series.labels],
    )


def from_key(key: SeriesKey, table_source: str = "") -> Series:
    labels = tuple(sorted((label.name, label.value) for label in key.labels))
    return Series(key.metric, key.source or table_source, labels)


def schema_hash(columns: Iterable[Series]) -> int:
    """64 bits that name a list of columns: equal lists, equal hash."""
    digest = hashlib.blake2b(digest_size=8)
    for series in columns:
        parts: Sequence[str] = (
            series.metric,
            series.source,
            *(text for label in series.labels for text in label),
        )
        # Lengths in front, so that no two lists share one byte string.
        for part in parts:
            raw = part.encode()
            digest.update(len(raw).to_bytes(4, "little"))
            digest.update(raw)
        digest.update(b"\xff\xff\xff\xff")
    return int.from_bytes(digest.digest(), "little")
