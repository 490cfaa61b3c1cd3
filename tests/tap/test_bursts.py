"""Tokens of one request travel together, and the first of them say when its prompt was sent."""

from __future__ import annotations

import math

from google.protobuf.message import Message
from wfmonitor.v1.request_pb2 import Phase, TokenBurst

from bus.clock import monotonic_s, wall_us
from services.tap.bursts import Bursts
from services.tap.entropy import measure
from services.tap.facts import Kind, TokenGroup


class Published(list[TokenBurst]):
    def take(self, _topic: str, message: Message) -> None:
        assert isinstance(message, TokenBurst)
        self.append(message)


async def test_the_first_burst_says_when_the_prompt_was_sent_also_where_its_tokens_came_at_once() -> None:
    published = Published()
    bursts, sent_s = Bursts(published.take), monotonic_s() - 2.0
    bursts.add("a", "m", Phase.PHASE_SENT, [], 10, sent_s)
    bursts.add("a", "m", Phase.PHASE_FLOWING, [TokenGroup(sent_s + 1.5, 1, Kind.ANSWER)])
    bursts.flush()
    bursts.add("a", "m", Phase.PHASE_ENDED, [])
    bursts.flush()
    first, last = published
    assert (first.phase, first.request_bytes, last.sent_us) == (Phase.PHASE_FLOWING, 10, 0)
    assert abs(first.times_us[0] - first.sent_us - 1_500_000) <= 2  # µs are rounded, each by itself
    assert first.sent_us <= wall_us() - 2_000_000


async def test_bounds_travel_with_the_mass_they_are_of_and_nothing_where_none_was_measured() -> None:
    published = Published()
    bursts = Bursts(published.take)
    half = measure([math.log(0.375), math.log(0.125)])
    now_s = monotonic_s()
    groups = [TokenGroup(now_s, 1, Kind.ANSWER, certainty=half), TokenGroup(now_s, 1, Kind.ANSWER)]
    bursts.add("a", "m", Phase.PHASE_FLOWING, groups)
    bursts.flush()
    bursts.add("a", "m", Phase.PHASE_FLOWING, [TokenGroup(now_s, 1, Kind.ANSWER)])
    bursts.flush()
    measured, plain = published
    assert math.isnan(measured.entropy_bits[0])
    assert measured.entropy_low_bits[0] < measured.entropy_high_bits[0]
    assert round(measured.entropy_mass[0], 9) == 0.5
    assert math.isnan(measured.entropy_mass[1])
    assert not plain.entropy_mass
