"""Tokens of one request travel together, and the first of them say when its prompt was sent."""

from __future__ import annotations

from google.protobuf.message import Message
from wfmonitor.v1.request_pb2 import Phase, TokenBurst

from bus.clock import monotonic_s, wall_us
from services.tap.bursts import Bursts
from services.tap.facts import Kind, TokenGroup


async def test_the_first_burst_says_when_the_prompt_was_sent_also_where_its_tokens_came_at_once() -> None:
    published: list[TokenBurst] = []

    def publish(_topic: str, message: Message) -> None:
        assert isinstance(message, TokenBurst)
        published.append(message)

    bursts, sent_s = Bursts(publish), monotonic_s() - 2.0
    bursts.add("a", "m", Phase.PHASE_SENT, [], 10, sent_s)
    bursts.add("a", "m", Phase.PHASE_FLOWING, [TokenGroup(sent_s + 1.5, 1, Kind.ANSWER)])
    bursts.flush()
    bursts.add("a", "m", Phase.PHASE_ENDED, [])
    bursts.flush()
    first, last = published
    assert (first.phase, first.request_bytes, last.sent_us) == (Phase.PHASE_FLOWING, 10, 0)
    assert abs(first.times_us[0] - first.sent_us - 1_500_000) <= 2  # µs are rounded, each by itself
    assert first.sent_us <= wall_us() - 2_000_000
