"""Tokens and requests that a program measured of its own model (docs/sdk.md), checked and made into bus messages.

Pure: bytes and the clocks go in, messages come out, or a `Refusal` that names the field at fault. The vocabulary is
closed and made of numbers: the only free texts are names, and a name has no blank, so no prompt fits into one.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from wfmonitor.v1.request_pb2 import Phase, RequestRecord, Stall, TokenBurst, TokenKind

from bus.model_names import plain_name
from services.gateway.refusal import Refusal

PRODUCER = "sdk"
ROUTE = "probe"
MAX_BURSTS = 256
MAX_ROWS = 1024
MAX_REQUESTS = 256
MAX_STALLS = 64
# What waited longer in a sender tells nothing about now; the clock of the same machine runs ahead of nobody.
MAX_AGE_US = 60_000_000
MAX_AHEAD_US = 1_000_000
# A generation longer than a day is a sender's mistake in the unit.
_DAY_US = 86_400_000_000

_NAME = r"^[A-Za-z0-9._:/@+\-]{1,200}\Z"
Name = Annotated[str, Meta(pattern=_NAME)]
Runtime = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._+\-]{0,40}\Z")]
RequestId = Annotated[str, Meta(pattern=r"^[0-9a-f\-]{16,36}\Z")]
ErrorClass = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.]{0,80}\Z")]
Count = Annotated[int, Meta(ge=0, le=1 << 40)]
Milliseconds = Annotated[float, Meta(ge=0, le=_DAY_US / 1000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Bits = Annotated[float, Meta(ge=0, le=64)]
Column = Annotated[list[Bits | None], Meta(max_length=MAX_ROWS)]

_PHASES = {"sent": Phase.PHASE_SENT, "flowing": Phase.PHASE_FLOWING, "ended": Phase.PHASE_ENDED}


class _Burst(msgspec.Struct, forbid_unknown_fields=True):
    """Columns have one value a token group; a column that was not measured is left out, a single value is null."""

    model: Name
    request: RequestId
    phase: Literal["sent", "flowing", "ended"]
    times_us: Annotated[list[int], Meta(max_length=MAX_ROWS)] = []
    tokens: Annotated[list[Annotated[int, Meta(ge=0, le=100_000)]], Meta(max_length=MAX_ROWS)] = []
    thinking: Annotated[list[bool], Meta(max_length=MAX_ROWS)] = []
    entropy_bits: Column = []
    entropy_low_bits: Column = []
    entropy_high_bits: Column = []
    entropy_mass: Annotated[list[Share | None], Meta(max_length=MAX_ROWS)] = []
    certainty: Annotated[list[Share | None], Meta(max_length=MAX_ROWS)] = []


class _Stall(msgspec.Struct, forbid_unknown_fields=True):
    at_ms: Milliseconds
    length_ms: Milliseconds


class _Request(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One generation (CONTRACTS §6); a field that was not measured is left out."""

    id: RequestId
    model: Name
    start_us: int
    runtime: Runtime = ""
    finish_reason: Literal["", "stop", "length", "tool", "abort", "error"] = ""
    error: ErrorClass = ""
    prefill_ms: Milliseconds | None = None
    ttft_ms: Milliseconds | None = None
    ttfa_ms: Milliseconds | None = None
    e2e_ms: Milliseconds | None = None
    tpot_ms: Milliseconds | None = None
    itl_p50_ms: Milliseconds | None = None
    itl_p95_ms: Milliseconds | None = None
    itl_max_ms: Milliseconds | None = None
    prompt_tokens: Count | None = None
    cached_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    output_tokens: Count | None = None
    entropy_mean_bits: Bits | None = None
    concurrent: Annotated[int, Meta(ge=0, le=10_000)] = 0
    stall: Annotated[list[_Stall], Meta(max_length=MAX_STALLS)] = []
    stalls: Annotated[int, Meta(ge=0, le=1 << 31)] = 0


class Told(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/v1/tokens."""

    bursts: Annotated[list[_Burst], Meta(max_length=MAX_BURSTS)] = []
    requests: Annotated[list[_Request], Meta(max_length=MAX_REQUESTS)] = []
    dropped: Count = 0
    """Token groups that the sender threw away since its last message that arrived."""


_decoder = msgspec.json.Decoder(Told)
_SHAPE = 'See docs/sdk.md: {"bursts": [{"model", "request", "phase", "times_us", "tokens"}], "requests": []}.'
_COLUMNS = (
    "tokens", "thinking", "entropy_bits", "entropy_low_bits", "entropy_high_bits", "entropy_mass", "certainty",
)  # fmt: skip


def read_told(body: bytes) -> Told:
    """The body, in shape and bounds; raises Refusal 400 that names the field."""
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        raise Refusal(400, where.strip("`") or "body", f"{message[:200]}.", _SHAPE) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "body", "it is no JSON.", _SHAPE) from error


def bursts_of(told: Told, now_us: int, now_boot_us: int) -> Iterator[TokenBurst]:
    """TokenBursts in the order they came. `now_us` and `now_boot_us` are one moment of the two clocks."""
    for number, burst in enumerate(told.bursts):
        at = f"$.bursts[{number}]"
        _check_times(burst, at, now_us)
        for name in _COLUMNS:
            column = getattr(burst, name)
            if column and len(column) != len(burst.times_us):
                raise Refusal(
                    400, f"{at}.{name}", f"{len(column)} values for {len(burst.times_us)} times.", "Send one a time."
                )
        kinds = (TokenKind.TOKEN_KIND_ANSWER, TokenKind.TOKEN_KIND_THINKING)
        yield TokenBurst(
            producer=PRODUCER,
            model=plain_name(burst.model),
            request_id=burst.request,
            times_us=burst.times_us,
            boot_us=[now_boot_us - now_us + time_us for time_us in burst.times_us],
            tokens=burst.tokens or [0] * len(burst.times_us),
            kinds=[kinds[thinks] for thinks in burst.thinking or [False] * len(burst.times_us)],
            entropy_bits=_told(burst.entropy_bits),
            entropy_low_bits=_told(burst.entropy_low_bits),
            entropy_high_bits=_told(burst.entropy_high_bits),
            entropy_mass=_told(burst.entropy_mass),
            certainty=_told(burst.certainty),
            phase=_PHASES[burst.phase],
        )


def _check_times(burst: _Burst, at: str, now_us: int) -> None:
    before_us = now_us - MAX_AGE_US
    if burst.phase == "sent" and burst.times_us:
        raise Refusal(400, f"{at}.times_us", "a prompt that was sent has no tokens yet.", "Send them as flowing.")
    for number, time_us in enumerate(burst.times_us):
        where = f"{at}.times_us[{number}]"
        if time_us > now_us + MAX_AHEAD_US:
            raise Refusal(400, where, "it lies ahead of this machine's clock.", "Send µs since 1970.")
        if time_us < before_us:
            order = "it lies before the one in front of it" if number else "it is older than a minute"
            raise Refusal(400, where, f"{order}.", "Send tokens as they come, in order, in µs since 1970.")
        before_us = time_us


def _told(column: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in column]


def requests_of(told: Told, now_us: int, now_boot_us: int) -> Iterator[RequestRecord]:
    """RequestRecords of producer "sdk"; a start that no clock of this machine can have shown is refused.

    One that does not say how long it took ends now, when it is told.
    """
    for number, request in enumerate(told.requests):
        if not now_us - _DAY_US <= request.start_us <= now_us + MAX_AHEAD_US:
            raise Refusal(
                400, f"$.requests[{number}].start_us", "it is not within the last day.", "Send µs since 1970."
            )
        measured = {
            name: value
            for name in request.__struct_fields__
            if name not in ("stall", "model") and (value := getattr(request, name)) is not None
        }
        # A record is told at the end; one without a length would be taken for a request that still runs.
        measured.setdefault("e2e_ms", max(0, now_us - request.start_us) / 1000)
        yield RequestRecord(
            **measured,
            model=plain_name(request.model),
            start_boot_us=now_boot_us - now_us + request.start_us,
            route=ROUTE,
            streamed=True,
            stall=[Stall(at_ms=stall.at_ms, length_ms=stall.length_ms) for stall in request.stall],
            token_source=PRODUCER if request.output_tokens is not None else "",
            producer=PRODUCER,
        )
