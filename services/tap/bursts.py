"""TokenBursts: what arrived, out at once, or together with what comes within 16 ms of the last ones."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from google.protobuf.message import Message
from wfmonitor.v1.request_pb2 import Phase, TokenBurst

from bus import topics
from bus.clock import boot_us, monotonic_s, wall_us
from services.tap.facts import TokenGroup

# One frame of a 60 Hz display; nothing can be drawn sooner.
COALESCE_S = 0.016
Publish = Callable[[str, Message], None]


@dataclass(slots=True)
class _Waiting:
    model: str
    phase: Phase.ValueType
    request_bytes: int
    sent_s: float
    groups: list[TokenGroup] = field(default_factory=list)


class Bursts:
    """Collects groups by request and publishes them; needs the running loop."""

    def __init__(self, publish: Publish) -> None:
        self.published = 0
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, _Waiting] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._last_s = -math.inf

    def add(
        self,
        request_id: str,
        model: str,
        phase: Phase.ValueType,
        groups: list[TokenGroup],
        request_bytes: int = 0,
        sent_s: float = math.nan,
    ) -> None:
        """Have tokens, or a phase without tokens, published.

        Once a request, where they are known: `request_bytes`, and when its prompt was sent (monotonic).
        """
        waiting = self._waiting.get(request_id)
        if waiting is None:
            self._waiting[request_id] = waiting = _Waiting(model, phase, request_bytes, sent_s)
        waiting.phase = phase
        waiting.groups += groups
        if self._timer is None:
            # Tokens after a pause go out at once, though not in this call: the client's bytes come first. That a
            # prompt was sent waits for a frame, lest it delays the prompt's own first token.
            now_s = self._loop.time()
            due_s = max(now_s, self._last_s + COALESCE_S) if groups else now_s + COALESCE_S
            self._timer = self._loop.call_at(due_s, self.flush)

    def flush(self) -> None:
        """Publish what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._last_s = self._loop.time()
        waiting, self._waiting = self._waiting, {}
        now_s, wall, boot = monotonic_s(), wall_us(), boot_us()
        for request_id, one in waiting.items():
            self.published += 1
            burst = burst_of(request_id, one.model, one.phase, one.groups, now_s, wall, boot)
            burst.request_bytes = one.request_bytes
            if not math.isnan(one.sent_s):
                burst.sent_us = wall - round((now_s - one.sent_s) * 1e6)
            self._publish(topics.token(one.model), burst)


def burst_of(
    request_id: str,
    model: str,
    phase: Phase.ValueType,
    groups: list[TokenGroup],
    now_s: float,
    now_us: int,
    now_boot_us: int,
) -> TokenBurst:
    """Return the message; monotonic arrival times become wall and boot times by the clocks of now."""
    burst = TokenBurst(producer="tap", model=model, request_id=request_id, phase=phase)
    if not groups:
        return burst
    ages = [round((now_s - group.time_s) * 1e6) for group in groups]
    burst.times_us.extend([now_us - age for age in ages])
    burst.boot_us.extend([now_boot_us - age for age in ages])
    burst.tokens.extend([group.tokens for group in groups])
    burst.kinds.extend([int(group.kind) for group in groups])  # type: ignore[misc]  # the same numbers
    if any(group.certainty is not None for group in groups):
        for group in groups:
            one = group.certainty
            burst.entropy_bits.append(one.bits if one else math.nan)
            burst.entropy_low_bits.append(one.low_bits if one else math.nan)
            burst.entropy_high_bits.append(one.high_bits if one else math.nan)
            burst.certainty.append(one.certainty if one else math.nan)
            burst.entropy_mass.append(one.mass if one else math.nan)
    else:
        absent = [math.nan] * len(groups)
        burst.entropy_bits.extend(absent)
        burst.entropy_low_bits.extend(absent)
        burst.entropy_high_bits.extend(absent)
        burst.certainty.extend(absent)
    return burst
