"""The record of a request, from arrival times alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tap.dialects.ollama import Ollama
from services.tap.facts import Facts, Kind, TokenGroup
from services.tap.framing import Message
from services.tap.record import Outcome, RecordBuilder, Start, nearest_rank

START = Start("id", "/v1/chat/completions", "model", "llama.cpp", 100.0, 1_000_000, 2_000_000, 3)


def stream(*ms: float, kind: Kind = Kind.ANSWER, tokens: int = 0) -> list[TokenGroup]:
    return [TokenGroup(100.0 + at / 1e3, tokens, kind) for at in ms]


def test_times_are_the_fields_definitions() -> None:
    builder = RecordBuilder(START)
    builder.add(stream(200, 210, kind=Kind.THINKING) + stream(230, 250, 280))
    facts = Facts(finish_reason="stop", prompt_tokens=7, output_tokens=5, token_source="usage", ended=True)
    record = builder.finish(100.300, 200, facts, Outcome.COMPLETE, streamed=True)
    assert record.ttft_ms == pytest.approx(200)
    assert record.ttfa_ms == pytest.approx(230)
    assert record.e2e_ms == pytest.approx(300)
    assert record.tpot_ms == pytest.approx(80 / 4)
    assert (record.itl_p50_ms, record.itl_p95_ms, record.itl_max_ms) == pytest.approx((20, 30, 30))
    assert (record.concurrent, record.start_us, record.status) == (3, 1_000_000, 200)
    assert not record.HasField("queue_ms")
    assert not record.HasField("cached_tokens")
    assert not record.HasField("energy_mean")


def test_a_chunk_is_not_a_token() -> None:
    builder = RecordBuilder(START)
    builder.add(stream(100, 140))
    facts = Facts(output_tokens=9, token_source="usage", finish_reason="stop", ended=True)
    record = builder.finish(100.2, 200, facts, Outcome.COMPLETE, streamed=True)
    assert record.tpot_ms == pytest.approx(40 / 8)
    assert record.itl_p50_ms == pytest.approx(40)


def test_a_stream_that_arrived_in_one_piece_has_the_runtimes_own_pace_or_none() -> None:
    for facts, tpot_ms in (
        (Facts(output_tokens=5, token_source="timings", decode_ms=80.0, decode_steps=4), 20.0),
        (Facts(output_tokens=5, token_source="usage"), None),
    ):
        builder = RecordBuilder(START)
        builder.add(stream(100, 100, 100, 100, 100))
        record = builder.finish(100.2, 200, facts, Outcome.COMPLETE, streamed=True)
        assert (record.tpot_ms if record.HasField("tpot_ms") else None) == tpot_ms


def test_stalls_are_gaps_beyond_400_ms_and_say_where_they_lie() -> None:
    builder = RecordBuilder(START)
    builder.add(stream(100, 499, 901, 2000))
    record = builder.finish(102.0, 200, Facts(), Outcome.COMPLETE, streamed=True)
    assert record.stalls == 2
    assert [(round(stall.at_ms), round(stall.length_ms)) for stall in record.stall] == [(499, 402), (901, 1099)]


def test_several_answers_at_once_have_no_pace() -> None:
    builder = RecordBuilder(START)
    builder.add([TokenGroup(100.1 + i / 100, 1, Kind.ANSWER, i % 2) for i in range(6)])
    record = builder.finish(101.0, 200, Facts(output_tokens=6, token_source="usage"), Outcome.COMPLETE, streamed=True)
    assert not record.HasField("tpot_ms")
    assert not record.HasField("itl_p50_ms")
    assert record.HasField("ttft_ms")


def said(body: str) -> Facts:
    """What a runtime says of an error: Ollama a sentence, others a class beside it."""
    dialect = Ollama()
    dialect.read(Message(b"", body.encode()), 100.0)
    return dialect.facts


@pytest.mark.parametrize(
    ("outcome", "status", "facts", "end"),
    [
        (Outcome.COMPLETE, 200, Facts(finish_reason="tool", ended=True), ("tool", "")),
        (Outcome.CLIENT_ABORT, 200, Facts(), ("abort", "")),
        (Outcome.CLIENT_ABORT, 200, Facts(finish_reason="stop", ended=True), ("stop", "")),
        (Outcome.TRUNCATED, 200, Facts(), ("error", "truncated")),
        (Outcome.NO_ANSWER, 0, Facts(), ("error", "no_answer")),
        (Outcome.COMPLETE, 500, Facts(), ("error", "http_500")),
        (Outcome.COMPLETE, 404, said('{"error": "model \'missing\' not found"}'), ("error", "http_404")),
        (
            Outcome.COMPLETE,
            400,
            said('{"error": {"type": "invalid_request_error"}}'),
            ("error", "invalid_request_error"),
        ),
        (Outcome.COMPLETE, 200, said('{"error": "llama runner process has terminated"}'), ("error", "runtime")),
    ],
)
def test_how_it_ended(outcome: Outcome, status: int, facts: Facts, end: tuple[str, str]) -> None:
    record = RecordBuilder(START).finish(101.0, status, facts, outcome, streamed=False)
    assert (record.finish_reason, record.error) == end
    assert not record.HasField("ttft_ms")
    assert not record.HasField("output_tokens")


@given(values=st.lists(st.floats(0, 1e6), min_size=1, max_size=50), percent=st.sampled_from([50, 90, 95, 99]))
def test_nearest_rank_is_the_smallest_value_with_that_share(values: list[float], percent: int) -> None:
    ordered = sorted(values)
    found = nearest_rank(ordered, percent)
    share = sum(value <= found for value in values) / len(values)
    assert share >= percent / 100
    assert all(sum(v <= value for v in values) / len(values) < percent / 100 for value in values if value < found)


def test_an_endless_stream_takes_bounded_memory() -> None:
    builder = RecordBuilder(START)
    for index in range(100_000):
        builder.add([TokenGroup(100.0 + index, 0, Kind.ANSWER)])
    assert len(builder._gaps_ms) == 65_536
    assert len(builder.so_far().stall) == 200
    assert builder.so_far().stalls == 99_999
