"""What was not measured is null, at every depth, and never 0."""

from wfmonitor.v1.compare_service_pb2 import CompareCell, CompareRun, Spread
from wfmonitor.v1.request_pb2 import RequestRecord

from bus.plain import measured, to_plain


def test_optional_numbers_that_are_not_set_are_none() -> None:
    record = RequestRecord(id="a", ttft_ms=0.0)
    plain = measured(record)
    assert plain["ttft_ms"] == 0.0
    assert plain["tpot_ms"] is None
    assert plain["stalls"] == 0
    assert to_plain(record)["tpot_ms"] == 0.0


def test_it_holds_for_messages_inside() -> None:
    run = CompareRun(id="a")
    run.cells.add(model="m", ttft_ms=Spread(median=1.5))
    plain = measured(run)
    assert plain["plan"] is None
    (cell,) = plain["cells"]
    assert cell["ttft_ms"]["median"] == 1.5
    assert cell["tpot_ms"] is None
    assert cell["vram_bytes"] is None


def test_a_comparison_says_null_where_nothing_was_measured() -> None:
    cell = CompareCell(model="a", concurrency=1, ttft_ms=Spread(median=1.5, p25=1.0, p75=2.0, n=3))
    plain = measured(CompareRun(id="1", state="done", cells=[cell]))["cells"][0]
    assert plain["ttft_ms"] == {"median": 1.5, "p25": 1.0, "p75": 2.0, "n": 3}
    absent = {"counted_prompt_tokens", "output_tokens", "tpot_ms", "throughput_tps", "joules_per_token", "vram_bytes"}
    absent |= {"joules_per_token_spread", "vram_bytes_spread"}
    assert {name for name, value in plain.items() if value is None} == absent
    assert plain["failed"] == 0
