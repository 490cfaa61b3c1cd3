"""Print recorded values of a metric: raw rows, or a statistic for each step.

wfmon query system.cpu.percent --last 10m --stat p95 --step 10s
wfmon query system.net.rx_bytes_s[iface=eth0] --last 1h --csv > rx.csv
wfmon query --list
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from bus.home import Home
from services.cli.errors import OK, USAGE, CliError
from services.cli.text import ABSENT, clock, number, printable, seconds

if TYPE_CHECKING:
    from wfmonitor.v1.metrics_service_pb2 import QueryRangeResponse, RangeSeries
    from wfmonitor.v1.sample_pb2 import SeriesKey

    from bus.catalogue import Metric

_TIMEOUT_S = 60.0
# A cell that begins so is run as a formula by spreadsheets.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wfmon query`."""
    parser.add_argument("metric", nargs="?", metavar="METRIC", help="a metric, its source or labels in brackets")
    parser.add_argument(
        "--stat", metavar="S", help="avg min max sum count last p50 … stddev; with --step (default avg)"
    )
    parser.add_argument("--step", metavar="T", help="one value for each so long, as 10s; raw rows without it")
    parser.add_argument("--last", metavar="T", default="10m", help="how far back, as 10m, 1h (default 10m)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a series")
    form.add_argument("--csv", action="store_true", help="time_us,metric,source,labels,value")
    parser.add_argument("--list", action="store_true", help="every metric there is, with unit and meaning")


def run(args: argparse.Namespace, home: Home) -> int:
    """Ask, and print what comes as it comes."""
    if args.list:
        return list_metrics()
    if args.metric is None:
        raise CliError("name a metric, as system.cpu.percent; `wfmon query --list` shows them all", USAGE)
    from wfmonitor.v1.metrics_service_pb2 import QueryRangeRequest
    from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

    from services.cli.connection import door
    from services.cli.selector import parse

    try:
        chosen = parse(args.metric)
        last_s, step_s = seconds(args.last), seconds(args.step) if args.step else 0.0
    except ValueError as error:
        raise CliError(str(error), USAGE) from None
    stat = args.stat or chosen.stat
    if stat and not step_s:
        raise CliError(f"{stat} is told for each step; name one, as --step 10s (raw rows: no statistic)", USAGE)
    now_us = time.time_ns() // 1000
    request = QueryRangeRequest(
        stat=stat, start_us=now_us - round(last_s * 1e6), end_us=now_us, step_us=round(step_s * 1e6)
    )
    request.selector.metric, request.selector.source = chosen.metric.name, chosen.source
    for name, value in chosen.labels:
        request.selector.labels.add(name=name, value=value)
    with door(home) as channel:
        answers = MetricsServiceStub(channel).QueryRange(request, timeout=_TIMEOUT_S)
        if args.csv:
            print_csv(answers)
        elif args.json:
            print_json(answers, chosen.metric)
        else:
            print_lines(answers, chosen.metric)
    return OK


def list_metrics() -> int:
    """Print the metric catalogue."""
    from bus.catalogue import catalogue
    from services.cli.text import table

    print(table([[metric.name, metric.unit, metric.meaning] for metric in catalogue().values()]))
    return OK


def print_csv(answers: Iterable[QueryRangeResponse]) -> None:
    """Print one line a value; an absent value is an empty cell."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["time_us", "metric", "source", "labels", "value"])
    for series in _series(answers):
        place = [_cell(series.key.metric), _cell(series.key.source), _cell(_labels(series.key))]
        for time_us, value in zip(series.times_us, series.values, strict=True):
            writer.writerow([time_us, *place, "" if math.isnan(value) else repr(value)])


def print_json(answers: Iterable[QueryRangeResponse], metric: Metric) -> None:
    """Print one object for each part of a series: long ones come in several."""
    for series in _series(answers):
        print(
            json.dumps(
                {
                    "metric": series.key.metric,
                    "source": series.key.source,
                    "labels": {label.name: label.value for label in series.key.labels},
                    "unit": metric.unit,
                    "times_us": list(series.times_us),
                    "values": [None if math.isnan(value) else value for value in series.values],
                },
                ensure_ascii=False,
            )
        )


def print_lines(answers: Iterable[QueryRangeResponse], metric: Metric) -> None:
    """Print one line a value for people, and what answered."""
    tier, rows, printed = "", 0, 0
    for answer in answers:
        tier, rows = answer.tier or tier, max(rows, answer.rows_read)
        for series in answer.series:
            place = printable(series.key.source + _labels(series.key))
            for time_us, value in zip(series.times_us, series.values, strict=True):
                printed += 1
                print(f"{clock(time_us, date=True)}  {place}  {number(value, metric.unit)}")
    if printed:
        print(f"{printed} values of {metric.name} from the {tier or ABSENT} tier", file=sys.stderr)
    else:
        print(f"no values of {metric.name} in that time", file=sys.stderr)


def _series(answers: Iterable[QueryRangeResponse]) -> Iterator[RangeSeries]:
    for answer in answers:
        yield from answer.series


def _labels(key: SeriesKey) -> str:
    return "".join(f"[{label.name}={label.value}]" for label in key.labels)


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
