"""What each generation was like, as series of its model: one row when it ended, at the time it ended (CONTRACTS §1).

The label `type` says that a request was measured from outside, through the tap or by its own program (`request`), and
keeps these series apart from what runtimes tell of themselves (`mean`, `p95` … of a minute, with their `runtime`). Of
the gaps between tokens a row has what its record has: their median, their p95 and the longest.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from wfmonitor.v1.request_pb2 import RequestRecord
from wfmonitor.v1.sample_pb2 import RateGroup

from bus.catalogue import catalogue
from bus.clock import boot_us, wall_us
from bus.resolution import digits_of, told
from bus.row_times import RowTimes
from bus.samples import SampleProducer
from bus.series import Series

TYPE = "request"
# Names come from requests: who sends ever new ones gets no more series.
MOST_MODELS = 200
TIMES = {
    "ttft_ms": ("ttft_ms", TYPE),
    "ttfa_ms": ("ttfa_ms", TYPE),
    "tpot_ms": ("tpot_ms", TYPE),
    "e2e_ms": ("e2e_ms", TYPE),
    "queue_ms": ("queue_wait_ms", TYPE),
    "load_ms": ("load_ms", TYPE),
    "itl_p50_ms": ("itl_ms", f"{TYPE}_p50"),
    "itl_p95_ms": ("itl_ms", f"{TYPE}_p95"),
    "itl_max_ms": ("itl_ms", f"{TYPE}_max"),
}
"""Field of the record → (metric, type)."""
TOKENS = {
    "prompt_tokens": "prompt_tokens_total",
    "cached_tokens": "cached_tokens_total",
    "output_tokens": "tokens_total",
}
REASONS = ("stop", "length", "tool", "abort", "error", "other")
# One that was told later than this, by a program that had waited with it, is counted; its times would be out of order.
_MOST_LATE_US = 60_000_000
# Of a model that is asked more often the aggregator holds five minutes all the same, where its rings have room.
_RATE_HZ = 1.0


class Measures:
    """Tells each record that `ended` is given, as a row of one table a model; `keep` has it first."""

    def __init__(self, samples: SampleProducer, keep: Callable[[RequestRecord], None]) -> None:
        # Read now: at the end of the first request it would hold up the traffic of others.
        catalogue()
        self._samples = samples
        self._keep = keep
        self._models: dict[str, _Model] = {}
        self.left_out_total = 0
        """Records told as no series: their model came after MOST_MODELS others."""
        self.late_total = 0
        """Records that were told too late for their times to be told as series."""

    def ended(self, record: RequestRecord) -> None:
        """A request ended; one of no known model is kept, and told as no series."""
        self._keep(record)
        if not record.model:
            return
        model = self._models.get(record.model)
        if model is None:
            if len(self._models) >= MOST_MODELS:
                self.left_out_total += 1
                return
            model = self._models[record.model] = _Model(self._samples, f"model:{record.model}")
        self.late_total += model.ended(record, boot_us())


class _Model:
    """The table of one model; a column once measured stays, and is absent in the rows that do not have it."""

    def __init__(self, samples: SampleProducer, source: str) -> None:
        self._source = source
        self._table = samples.table(source, RateGroup.RATE_GROUP_EVENT, _RATE_HZ)
        self._columns: tuple[Series, ...] = ()
        self._order = RowTimes()
        self._reasons = {self._series("requests_total", TYPE, reason): 0.0 for reason in REASONS}
        self._errors = {self._series("errors_total"): 0.0}
        self._tokens: dict[Series, float] = {}

    def ended(self, record: RequestRecord, now_us: int) -> bool:
        """Count it, tell what was measured of it; return whether it came too late for times. `now_us`: boot clock."""
        ended_us = record.start_boot_us + round(record.e2e_ms * 1e3) if record.HasField("e2e_ms") else now_us
        late = now_us - ended_us > _MOST_LATE_US
        if not self._columns:
            # From nothing: an alert on the rate of failures sees the very first.
            self._tell(self._reasons | self._errors, max(record.start_boot_us, now_us - _MOST_LATE_US), now_us)
        self._count(record)
        row = self._reasons | self._errors | self._tokens | ({} if late else self._times(record))
        self._tell(row, now_us if late else ended_us, now_us)
        return late

    def _count(self, record: RequestRecord) -> None:
        reason = record.finish_reason if record.finish_reason in REASONS else "other"
        self._reasons[self._series("requests_total", TYPE, reason)] += 1
        self._errors[self._series("errors_total")] += reason == "error"
        for field, metric in TOKENS.items():
            if record.HasField(field):  # type: ignore[arg-type]
                series = self._series(metric)
                self._tokens[series] = self._tokens.get(series, 0.0) + getattr(record, field)

    def _times(self, record: RequestRecord) -> dict[Series, float]:
        measured = {field: getattr(record, field) for field in TIMES if record.HasField(field)}  # type: ignore[arg-type]
        if record.finish_reason in ("abort", "error"):
            # It has no last token: a refusal after a millisecond is no fast answer.
            measured.pop("e2e_ms", None)
        found = {self._series(*TIMES[field]): value for field, value in measured.items()}
        return {series: told(value, digits_of(series)) for series, value in found.items() if math.isfinite(value)}

    def _tell(self, row: dict[Series, float], at_us: int, now_us: int) -> None:
        if not row.keys() <= set(self._columns):
            self._columns = tuple(sorted(row.keys() | set(self._columns)))
        # Requests overlap, and programs tell theirs when they like: a table's rows follow one another.
        time_us, at_us = self._order.next(min(at_us, now_us), wall_us() - boot_us())
        values = [row.get(series, math.nan) for series in self._columns]
        self._table.write(self._columns, [time_us], [at_us], values)

    def _series(self, metric: str, type_: str = TYPE, reason: str = "") -> Series:
        labels = (("reason", reason), ("type", type_)) if reason else (("type", type_),)
        return Series(f"model.{metric}", self._source, labels)
