"""Records as rows of their model's series: what each holds, when it is, and what keeps the table in order."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from wfmonitor.v1.request_pb2 import RequestRecord
from wfmonitor.v1.sample_pb2 import RateGroup

from bus.catalogue import catalogue
from bus.clock import boot_us, wall_us
from bus.series import Series
from services.tap import measures
from services.tap.measures import Measures

MODEL = "llama3:8b"
Row = dict[str, float]


@dataclass
class Table:
    """What a SampleTable was given."""

    source: str
    group: int
    rate_hz: float
    rows: list[tuple[int, int, dict[Series, float]]] = field(default_factory=list)

    def write(self, columns: Any, times_us: Any, boot_us: Any, values: Any) -> None:
        assert len(columns) == len(values) == len(set(columns))
        self.rows.append((times_us[0], boot_us[0], dict(zip(columns, values, strict=True))))

    def names(self, at: int) -> Row:
        """Row `at`, what is there of it: "requests_total stop" → 1.0."""
        return {
            " ".join([series.metric.removeprefix("model."), *(value for _, value in series.labels)]): value
            for series, value in self.rows[at][2].items()
            if not math.isnan(value)
        }


class Samples:
    def __init__(self) -> None:
        self.tables: list[Table] = []

    def table(self, source: str, group: int, rate_hz: float) -> Table:
        self.tables.append(Table(source, group, rate_hz))
        return self.tables[-1]


class Told:
    """Measures, with the record times counted back from now."""

    def __init__(self) -> None:
        self.samples = Samples()
        self.kept: list[RequestRecord] = []
        self.measures = Measures(self.samples, self.kept.append)  # type: ignore[arg-type]
        self.now_us = boot_us()

    def ended(self, *, ago_s: float = 1.0, **fields: Any) -> None:
        """A request that ended `ago_s` ago and took a second where `fields` say no other."""
        record = RequestRecord(**({"model": MODEL, "finish_reason": "stop", "e2e_ms": 1000.0} | fields))
        record.start_boot_us = self.now_us - round(ago_s * 1e6 + record.e2e_ms * 1e3)
        self.measures.ended(record)

    @property
    def table(self) -> Table:
        (table,) = self.samples.tables
        return table


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_record_is_a_row_with_exactly_what_was_measured_of_it(told: Told) -> None:
    told.ended(ttft_ms=120.5, ttfa_ms=300.0, tpot_ms=12.3456, itl_p50_ms=12.0, itl_p95_ms=20.0, itl_max_ms=90.0)
    assert (told.table.source, told.table.group) == (f"model:{MODEL}", RateGroup.RATE_GROUP_EVENT)
    assert told.table.names(-1) == {
        "ttft_ms request": 120.5,
        "ttfa_ms request": 300.0,
        "tpot_ms request": 12.346,  # told to the µs, as all times are
        "e2e_ms request": 1000.0,
        "itl_ms request_p50": 12.0,
        "itl_ms request_p95": 20.0,
        "itl_ms request_max": 90.0,
        **{f"requests_total {reason} request": float(reason == "stop") for reason in measures.REASONS},
        "errors_total request": 0.0,
    }
    told.ended(queue_ms=5.0, load_ms=2500.0)
    row = told.table.names(-1)
    assert (row["queue_wait_ms request"], row["load_ms request"]) == (5.0, 2500.0)
    assert "ttft_ms request" not in row


def test_the_end_of_the_first_request_reads_no_catalogue() -> None:
    catalogue.cache_clear()
    told = Told()
    read = catalogue.cache_info().misses
    told.ended(ttft_ms=120.5)
    assert (read, catalogue.cache_info().misses) == (1, 1)


def test_a_row_stands_at_the_time_the_request_ended(told: Told) -> None:
    told.ended(ago_s=3.0)
    time_us, at_us, _ = told.table.rows[-1]
    assert at_us == told.now_us - 3_000_000
    assert abs(time_us - (wall_us() - boot_us() + at_us)) < 100_000


def test_before_the_first_request_there_were_none(told: Told) -> None:
    told.ended(finish_reason="error", e2e_ms=500.0)
    assert [at for _, at, _ in told.table.rows] == [told.now_us - 1_500_000, told.now_us - 1_000_000]
    assert [told.table.names(at)["errors_total request"] for at in (0, 1)] == [0.0, 1.0]
    told.ended()
    assert len(told.table.rows) == 3


def test_tokens_are_counted_where_they_were_told(told: Told) -> None:
    told.ended(prompt_tokens=10, output_tokens=5)
    told.ended()
    told.ended(prompt_tokens=7, output_tokens=5, cached_tokens=3)
    assert "cached_tokens_total request" not in told.table.names(1)
    row = told.table.names(-1)
    assert {name: value for name, value in row.items() if "tokens" in name} == {
        "prompt_tokens_total request": 17.0,
        "tokens_total request": 10.0,
        "cached_tokens_total request": 3.0,
    }


@pytest.mark.parametrize(("reason", "counted"), [("abort", "abort"), ("error", "error"), ("", "other"), ("x", "other")])
def test_every_ending_is_counted_under_its_reason(told: Told, reason: str, counted: str) -> None:
    told.ended(finish_reason=reason, ttft_ms=100.0)
    row = told.table.names(-1)
    assert row["ttft_ms request"] == 100.0
    assert [name for name in row if name.startswith("requests_total") and row[name]] == [
        f"requests_total {counted} request"
    ]
    assert row["errors_total request"] == (reason == "error")
    # A refusal after a millisecond is no fast answer.
    assert ("e2e_ms request" in row) == (reason not in ("abort", "error"))


def test_rows_of_overlapping_requests_follow_one_another(told: Told) -> None:
    for ago_s in (2.0, 5.0, 1.0, -30.0, 0.5):
        told.ended(ago_s=ago_s, ttft_ms=ago_s)
    times = [at for _, at, _ in told.table.rows]
    assert times == sorted(times)
    assert times[-1] <= boot_us()  # a program may say that it ended in the future


def test_requests_that_end_at_one_moment_have_each_a_time_of_its_own(told: Told) -> None:
    for _ in range(3):
        told.ended()
    before, *ended = told.table.rows
    assert [at_us for _, at_us, _ in ended] == [told.now_us - 1_000_000 + more for more in range(3)]
    assert len({time_us for time_us, _, _ in (before, *ended)}) == 4


def test_what_is_told_a_minute_late_is_counted_and_gives_no_times(told: Told) -> None:
    told.ended(ago_s=61.0, ttft_ms=100.0)
    row = told.table.names(-1)
    assert row["requests_total stop request"] == 1.0
    assert "ttft_ms request" not in row
    assert told.table.rows[-1][1] >= told.now_us
    told.ended(ttft_ms=100.0)
    assert told.measures.late_total == 1


def test_names_come_from_requests_and_are_bounded(told: Told) -> None:
    told.ended(model="")
    for number in range(measures.MOST_MODELS + 5):
        told.ended(model=f"m{number}")
    assert len(told.samples.tables) == measures.MOST_MODELS
    assert len(told.kept) == measures.MOST_MODELS + 6  # kept they are all
    told.ended(model="m0")
    assert len(told.samples.tables[0].rows) == 3
    assert told.measures.left_out_total == 5


def test_an_hour_of_many_requests_sets_no_memory_aside_for_good(told: Told) -> None:
    """The ring of a table lengthens with what comes, and gives back; a higher rate would hold its length for ever."""
    for _ in range(70):
        told.ended()
    assert told.table.rate_hz == 1.0


def test_every_series_is_in_the_catalogue_with_its_labels(told: Told) -> None:
    times = dict.fromkeys(measures.TIMES, 1.0)
    told.ended(**times, **dict.fromkeys(measures.TOKENS, 1))
    for series in told.table.rows[-1][2]:
        assert {name for name, _ in series.labels} <= set(catalogue()[series.metric].labels)
