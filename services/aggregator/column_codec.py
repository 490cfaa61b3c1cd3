"""One column of a chunk, to bytes and back, bit for bit (DESIGN §5.4).

Absent values (NaN) are told by a bitmap beside the values, so what is compressed are numbers only. Numbers of up to
three decimal places, whole ones among them, are compressed as integers over their greatest common divisor: byte
counts move in pages, and a share that is told to a hundredth costs a fifth less than the same as floats, at a tenth of
the CPU. All else is compressed as floats.
"""

import zlib
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, PagingSpec, wrapped

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_EXACT = 2.0**53  # integers up to here have a float of their own
_SCALE = 1000

_HEADER: bytes = wrapped.FileCompressor().write_header()


class Kind(IntEnum):
    """How the values that are there are written."""

    ABSENT = 0  # none is there; no bytes
    CONSTANT = 1  # all are the same: 8 bytes
    FLOATS = 2  # pcodec, float64
    INTEGERS = 3  # factor (8 bytes), then pcodec, int64: their product
    RAW = 4  # as they are: fewer than pcodec's own header would take
    THOUSANDTHS = 5  # as INTEGERS, over a thousand


GAPS = 0x80
"""Set on a kind when some values are absent: a bitmap, deflated and led by its length, comes first."""


class Unreadable(ValueError):
    """Bytes that are no column of that many rows."""


def encode(values: Floats, *, thorough: bool = False) -> tuple[int, bytes]:
    """The cheapest form of a column: (kind, bytes). `thorough` tries every form and takes twice the CPU.

    Any NaN comes back as the one NaN that means absent; all else comes back with the same bits, −0.0 and
    infinities too.
    """
    absent = np.isnan(values)
    gaps = int(np.count_nonzero(absent))
    if gaps == len(values):
        return Kind.ABSENT, b""
    if not gaps:
        return _encode_present(np.ascontiguousarray(values), thorough)
    kind, body = _encode_present(values[~absent], thorough)
    bitmap = zlib.compress(np.packbits(absent).tobytes(), 6)
    return kind | GAPS, len(bitmap).to_bytes(4, "little") + bitmap + body


def decode(kind: int, body: bytes, rows: int) -> Floats:
    """A column of `rows` values, NaN absent; raises Unreadable."""
    try:
        if not kind & GAPS:
            return _decode_present(kind, body, rows)
        size = int.from_bytes(body[:4], "little")
        bitmap = np.frombuffer(zlib.decompress(body[4 : 4 + size]), np.uint8)
        there = np.unpackbits(bitmap, count=rows) == 0
        values = np.full(rows, np.nan)
        values[there] = _decode_present(kind & ~GAPS, body[4 + size :], int(np.count_nonzero(there)))
        return values
    except (zlib.error, RuntimeError, ValueError, TypeError) as error:
        raise Unreadable(f"a column of {rows} rows could not be decoded: {error}") from error


def encode_integers(values: Integers) -> bytes:
    """int64 in order, such as times."""
    return _compress(values, thorough=True)


def decode_integers(body: bytes, rows: int) -> Integers:
    """What `encode_integers` was given; raises Unreadable."""
    try:
        out = np.empty(rows, np.int64)
        _decompress_into(body, "i64", out)
        return out
    except (RuntimeError, ValueError, TypeError) as error:
        raise Unreadable(f"{rows} integers could not be decoded: {error}") from error


def _encode_present(values: Floats, thorough: bool) -> tuple[int, bytes]:
    bits = values.view(np.int64)
    if (bits == bits[0]).all():
        return Kind.CONSTANT, values[:1].tobytes()
    forms: list[tuple[int, bytes]] = []
    whole = _as_integers(values, bits)
    if whole is not None:
        kind, numbers = whole
        factor = int(np.gcd.reduce(numbers)) or 1
        body = _compress(numbers if factor == 1 else numbers // factor, thorough=thorough)
        forms.append((kind, factor.to_bytes(8, "little") + body))
    if whole is None or thorough:
        forms.append((Kind.FLOATS, _compress(values, thorough=thorough)))
    if values.nbytes <= 256:
        forms.append((Kind.RAW, values.tobytes()))
    return min(forms, key=lambda form: len(form[1]))


def _as_integers(values: Floats, bits: Integers) -> tuple[Kind, Integers] | None:
    """The same numbers as int64, or as a thousand times them; None where one is neither.

    −0.0 is neither: its sign would be lost.
    """
    largest = np.abs(values).max()
    if not largest < _EXACT:
        return None
    whole = values.astype(np.int64)
    if np.array_equal(whole.astype(np.float64).view(np.int64), bits):
        return Kind.INTEGERS, whole
    if not largest < _EXACT / _SCALE:
        return None
    scaled = np.rint(values * _SCALE).astype(np.int64)
    if np.array_equal((scaled / _SCALE).view(np.int64), bits):
        return Kind.THOUSANDTHS, scaled
    return None


def _decode_present(kind: int, body: bytes, rows: int) -> Floats:
    if kind == Kind.ABSENT:
        return np.full(rows, np.nan)
    if kind == Kind.CONSTANT:
        return np.full(rows, np.frombuffer(body, np.float64, 1)[0])
    if kind == Kind.FLOATS:
        values = np.empty(rows)
        _decompress_into(body, "f64", values)
        return values
    if kind in (Kind.INTEGERS, Kind.THOUSANDTHS):
        whole = np.empty(rows, np.int64)
        _decompress_into(body[8:], "i64", whole)
        numbers = (whole * int.from_bytes(body[:8], "little")).astype(np.float64)
        return numbers / _SCALE if kind == Kind.THOUSANDTHS else numbers
    if kind == Kind.RAW:
        return np.frombuffer(body, np.float64, rows).copy()
    raise Unreadable(f"kind {kind} is unknown to this version")


def _compress(values: Floats | Integers, *, thorough: bool) -> bytes:
    """pcodec's wrapped format: it leaves out what the chunk's own head says, 15 bytes a column."""
    return min([_compressed(values, config) for config in _configs(len(values), thorough)], key=len)


@lru_cache(maxsize=64)
def _configs(rows: int, thorough: bool) -> tuple[ChunkConfig, ...]:
    paging = PagingSpec.exact_page_sizes([rows])
    if thorough:
        # It looks for the best mode and differencing by itself, 50 to 100 µs a column however short.
        return (ChunkConfig(compression_level=8, paging_spec=paging),)
    # Both ways, 5 µs each for a hundred values.
    return tuple(
        ChunkConfig(compression_level=4, mode_spec=ModeSpec.classic(), delta_spec=delta, paging_spec=paging)
        for delta in (DeltaSpec.no_op(), DeltaSpec.try_consecutive(1))
    )


def _compressed(values: Floats | Integers, config: ChunkConfig) -> bytes:
    compressor = wrapped.FileCompressor().chunk_compressor(values, config)
    return bytes(compressor.write_meta() + compressor.write_page(0))


def _decompress_into(body: bytes, dtype: str, out: Floats | Integers) -> None:
    file, _ = wrapped.FileDecompressor.new(_HEADER)
    chunk, used = file.chunk_decompressor(body, dtype)
    progress, _ = chunk.read_page_into(body[used:], len(out), out)
    if progress.n_processed != len(out):
        raise Unreadable(f"holds {progress.n_processed} of {len(out)} values")
