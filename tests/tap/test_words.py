"""How wfmon shows a request."""

from __future__ import annotations

from wfmonitor.v1.request_pb2 import RequestRecord

from services.cli.commands.requests import as_object, line, phases, waterfall


def test_a_waterfall_has_what_was_measured_in_its_order() -> None:
    record = RequestRecord(e2e_ms=1000, load_ms=200, prefill_ms=100, ttft_ms=400, ttfa_ms=600)
    record.stall.add(at_ms=700, length_ms=250)
    assert phases(record) == [
        ("load", 0.0, 200.0),
        ("prefill", 200.0, 100.0),
        ("until first token", 300.0, 100.0),
        ("thinking", 400.0, 200.0),
        ("answer", 600.0, 400.0),
        ("stall", 700.0, 250.0),
    ]
    assert "thinking" in waterfall(record)


def test_what_was_not_measured_is_a_dash_and_null_never_a_zero() -> None:
    record = RequestRecord(id="x", model="m\x1b[2J", e2e_ms=12, finish_reason="stop")
    cells = line(record)
    assert cells[2:6] == ["–", "–", "12", "–"]
    assert "\x1b" not in "".join(cells)
    assert as_object(record)["ttft_ms"] is None
    assert phases(record) == [("not streamed", 0.0, 12.0)]
    assert line(RequestRecord(id="y"))[7] == "running"
