"""A comparison as the page gets it: what was not measured is null, never zeros."""

from __future__ import annotations

from wfmonitor.v1.compare_service_pb2 import CompareCell, CompareRun, Spread

from services.gateway.compare_api import told


def test_what_was_not_measured_is_null() -> None:
    cell = CompareCell(model="a", concurrency=1, ttft_ms=Spread(median=1.5, p25=1.0, p75=2.0, n=3))
    plain = told(CompareRun(id="1", state="done", cells=[cell]))["cells"][0]
    assert plain["ttft_ms"] == {"median": 1.5, "p25": 1.0, "p75": 2.0, "n": 3}
    absent = {"counted_prompt_tokens", "output_tokens", "tpot_ms", "throughput_tps", "joules_per_token", "vram_bytes"}
    assert {name for name, value in plain.items() if value is None} == absent
    assert plain["failed"] == 0
