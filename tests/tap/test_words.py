"""How wfmon shows a request."""

from __future__ import annotations

import pytest
from wfmonitor.v1.request_pb2 import RequestRecord
from wfmonitor.v1.requests_service_pb2 import Terms

from bus.plain import measured
from services.cli.commands.requests import goodput, in_full, judged, line, phases, waterfall


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
    assert measured(record)["ttft_ms"] is None
    assert phases(record) == [("not streamed", 0.0, 12.0)]
    assert line(RequestRecord(id="y"))[8] == "running"


def test_what_is_over_a_target_is_marked_and_counted_by_the_persons_own_terms() -> None:
    terms = Terms(target_ttft_ms=100, tariff_per_kwh=0.36, currency="EUR")
    slow = RequestRecord(id="s", e2e_ms=900, ttft_ms=200, finish_reason="stop", joules=1000)
    fast = RequestRecord(id="f", e2e_ms=900, ttft_ms=99, finish_reason="stop")
    assert line(slow, terms)[2] == "200 ▲"
    assert line(fast, terms)[2] == "99"
    assert goodput([slow, fast], terms) == "1 of 2 within your targets (TTFT 100 ms); ▲ is over one"
    assert goodput([slow, fast], Terms()) == ""
    assert judged(slow, terms) == {
        "within_targets": False, "money": pytest.approx(0.0001), "currency": "EUR",
    }  # fmt: skip
    assert judged(fast, terms)["money"] is None
    assert judged(slow, Terms()) == {"within_targets": None, "money": None, "currency": None}
    assert "0.000100" in in_full(slow, terms)
