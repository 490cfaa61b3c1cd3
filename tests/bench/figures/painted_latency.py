"""From the time in a sample to the frame in which it is first painted, as the page itself measures and reports it.

`ui.visual_lag_ms` of `ui:dashboard`: p95 of each second, from the sample's time to the task after the frame that
drew it (dashboard/frames.js). The median of those seconds is the round's value.
"""

from __future__ import annotations

import time
from statistics import median

from wfmonitor.v1.metrics_service_pb2 import QueryRangeRequest, Selector

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Unmeasurable
from tests.bench.harness.live import metrics, page_of, stack_of

SPAN_S = 30.0


def measure(bench: Bench) -> float:
    stack, page = stack_of(bench), page_of(bench)
    from_us = time.time_ns() // 1000
    page.wait_for_timeout(1000 * bench.seconds(SPAN_S, 5.0))
    request = QueryRangeRequest(selector=Selector(metric="ui.visual_lag_ms"), start_us=from_us)
    lags_ms = [
        value
        for answer in metrics(stack).QueryRange(request)
        for series in answer.series
        for value in series.values
        if value == value
    ]
    if not lags_ms:
        raise Unmeasurable("the page reported no ui.visual_lag_ms")
    return median(lags_ms)


FIGURE = Figure("painted_latency", "sample to painted frame (newest value): p95", "ms", measure, bar=50.0)
