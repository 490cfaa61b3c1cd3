"""Print the values of standing queries as they come, ten times a second.

A query is METRIC.STAT, with the source or a label in brackets:

  wfmon watch system.cpu.percent.avg
  wfmon watch gpu.util_percent[gpu:0].p95 system.mem.percent.last --window 10s --json

Statistics: avg min max sum count last p50 p90 p95 p98 p99 rate derivative stddev; avg where none is named.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from typing import TYPE_CHECKING

from bus.home import Home
from services.cli.errors import OK, USAGE, CliError
from services.cli.text import clock, number, printable

if TYPE_CHECKING:
    from wfmonitor.v1.metrics_service_pb2 import WatchRequest
    from wfmonitor.v1.sample_pb2 import SeriesKey
    from wfmonitor.v1.window_pb2 import WindowValue

_AGAIN_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wfmon watch`."""
    parser.add_argument("queries", nargs="+", metavar="METRIC.STAT", help="what to watch")
    parser.add_argument("--window", metavar="W", default="1s", help="over how long, as 1s, 10s, 5m (default 1s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each value")


def run(args: argparse.Namespace, home: Home) -> int:
    """Watch until Ctrl-C, or until nobody reads any more; a service that is started again meanwhile is waited for."""
    import grpc
    from wfmonitor.v1.metrics_service_pb2 import WatchRequest
    from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

    from services.cli.connection import explained, open_door
    from services.cli.supervisor import Supervisor

    request = WatchRequest()
    for text in args.queries:
        add_query(request, text, args.window)
    write = as_json if args.json else as_line
    seen = told = False
    with open_door(home) as channel:
        while True:
            try:
                for tick in MetricsServiceStub(channel).Watch(request):
                    for series, value in zip(tick.series, tick.values, strict=True):
                        print(write(tick, series, value))
                    if tick.missed:
                        print(f"wfmon: {tick.missed} values left out: they came faster than read", file=sys.stderr)
                    # Each tick at once: who reads us acts on it.
                    sys.stdout.flush()
                    seen, told = True, False
            except grpc.RpcError as error:
                away = isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.UNAVAILABLE
                if not (seen and away and Supervisor(home).pid() is not None):
                    raise explained(error, home) from None
                if not told:
                    print(f"wfmon: {explained(error, home)}. Waiting for it …", file=sys.stderr)
                    told = True
                time.sleep(_AGAIN_S)
            else:
                return OK


def add_query(request: WatchRequest, text: str, window: str) -> None:
    """Add what a person typed as a standing query. Raises CliError."""
    from services.cli.selector import parse

    try:
        chosen = parse(text)
    except ValueError as error:
        raise CliError(str(error), USAGE) from None
    query = request.queries.add(stat=chosen.stat or "avg", window=window)
    query.selector.metric, query.selector.source = chosen.metric.name, chosen.source
    for name, value in chosen.labels:
        query.selector.labels.add(name=name, value=value)


def as_json(tick: WindowValue, series: SeriesKey, value: float) -> str:
    """Return one value as a JSON object; an absent one is null."""
    from bus.catalogue import catalogue

    return json.dumps(
        {
            "time_us": tick.time_us,
            "metric": tick.metric,
            "stat": tick.stat,
            "window": tick.window,
            "source": series.source,
            "labels": {label.name: label.value for label in series.labels},
            "value": None if math.isnan(value) else value,
            "unit": catalogue()[tick.metric].unit,
        },
        ensure_ascii=False,
    )


def as_line(tick: WindowValue, series: SeriesKey, value: float) -> str:
    """Return one value as a line for people."""
    from bus.catalogue import catalogue

    place = printable(series.source + "".join(f"[{label.name}={label.value}]" for label in series.labels))
    unit = catalogue()[tick.metric].unit
    return f"{clock(tick.time_us)}  {tick.metric}.{tick.stat} over {tick.window}  {place}  {number(value, unit)}"
