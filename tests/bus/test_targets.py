"""Targets and tariff: what is absent is never compared, and never money."""

from __future__ import annotations

import pytest
from wfmonitor.v1.request_pb2 import RequestRecord

from bus.targets import Targets
from bus.tariff import Tariff

BOTH = Targets(500.0, 20.0)


def ended(**fields: float | str) -> RequestRecord:
    return RequestRecord(**({"id": "r", "e2e_ms": 900.0, "finish_reason": "stop"} | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "met", "missed"),
    [
        (ended(ttft_ms=500.0, tpot_ms=20.0), True, set()),
        (ended(ttft_ms=501.0, tpot_ms=20.0), False, {"ttft_ms"}),
        (ended(ttft_ms=501.0, tpot_ms=21.0), False, {"ttft_ms", "tpot_ms"}),
        (ended(ttft_ms=100.0), None, set()),
        (ended(ttft_ms=900.0), False, {"ttft_ms"}),
        (ended(), None, set()),
        (ended(finish_reason="error", error="truncated"), False, set()),
        (ended(ttft_ms=100.0, tpot_ms=1.0, finish_reason="abort"), None, set()),
        (RequestRecord(id="runs", ttft_ms=9000.0), None, {"ttft_ms"}),
    ],
)
def test_a_request_meets_both_targets_or_it_cannot_be_said(
    record: RequestRecord, met: bool | None, missed: set[str]
) -> None:
    assert BOTH.met(record) is met
    assert BOTH.missed(record) == missed


def test_without_a_target_nothing_is_judged() -> None:
    assert not Targets().any
    assert Targets().met(ended(ttft_ms=1.0, tpot_ms=1.0)) is None
    assert Targets(ttft_ms=10.0).met(ended(ttft_ms=1.0)) is True


def test_money_is_per_kilowatt_hour() -> None:
    assert Tariff(0.4, "EUR").money(1.8e6) == pytest.approx(0.2)
