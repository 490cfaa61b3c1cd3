"""A request becomes rows: each point through its rules, what grew through its stream, the rest counted with reasons.

Pure but for what is remembered between requests: streams, totals, and who sent which series. Not safe for two
threads at once.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from bus.catalogue import Metric, catalogue
from bus.resolution import digits_of, told
from bus.series import Series
from services.gateway.ingest import MAX_AHEAD_US, Row
from services.gateway.otlp import genai, machine
from services.gateway.otlp.distribution import Distribution, at_most, mean, quantile, together
from services.gateway.otlp.points import Form, Identity, Point, Unfit, points_of
from services.gateway.otlp.rejected import Rejected
from services.gateway.otlp.shapes import As, Rule, canonical, label
from services.gateway.otlp.streams import Growth, Streams
from services.gateway.otlp.units import factor
from services.gateway.otlp.wire import Refused
from services.gateway.possible import why_impossible

RULES: Mapping[str, tuple[Rule, ...]] = {**genai.RULES, **machine.RULES}
# A Collector sends 8,192 at once where nobody tells it otherwise; 10,000 are 0.3 s of CPU, as JSON 0.9 s.
MAX_POINTS = 10_000
# Resources, scopes and metrics around them.
_MOST_HELD = 3 * MAX_POINTS
MAX_SENDERS = 256
MAX_SERIES_OF_A_SENDER = 512
MAX_SOURCES = 100
# CPU time grows in steps of 10 ms; over an interval of a second, with a late reading, a full core shows some % more.
_CLOCKS_DIFFER = 1.05
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_FITTING = {
    As.LEVEL: (Form.LEVEL, Form.SUM),
    As.RATE: (Form.SUM, Form.TIMES),
    As.TOTAL: (Form.SUM, Form.TIMES),
    As.COUNT: (Form.TIMES,),
    As.TIMES: (Form.TIMES,),
}


class Taken(NamedTuple):
    """What a request was worth."""

    rows: list[Row]
    rejected: Rejected
    points: int
    """All that came, rejected ones included."""


class _Sum(NamedTuple):
    """What the points of one request say of one series."""

    level: float = math.nan
    rate: float = 0.0
    rated: bool = False
    total: float | None = None
    times: Distribution | None = None
    scale: float = 1.0
    """From the unit of `times` to that of its metric."""


# By source and wall time, µs: a row; in it by series and how it is told.
_Sums = dict[tuple[str, int], dict[tuple[Series, As, bool], _Sum]]
# Of a point that is told as levels alone nobody asks what it grew.
_NOT_ASKED = Growth(None, math.nan)


class Receiver:
    """Takes requests of all senders. `since_us`: when the door was opened."""

    def __init__(self, since_us: int) -> None:
        self._streams = Streams(since_us)
        self._totals: dict[Series, float] = {}
        self._senders: OrderedDict[Identity, set[Series]] = OrderedDict()
        self._sources: set[str] = set()
        self.rank_error_max = 0.0
        """The largest rank error of a quantile told so far."""

    def take(self, request: ExportMetricsServiceRequest, now_us: int) -> Taken:
        """Rows in the order of time, and what was not taken. Raises Refused 413 for too many points at once."""
        if (points := _count(request)) is None:
            raise Refused(
                413, f"body: it has more than {MAX_POINTS} points, or too much around them. Export fewer at once."
            )
        rejected = Rejected()
        sums: _Sums = {}
        for point in points_of(request):
            if isinstance(point, Unfit):
                rejected.add(point.name, point.why, point.points)
            elif why := self._point(point, now_us, sums):
                rejected.add(point.name, why)
        rows = [Row(source, time_us, self._values(found)) for (source, time_us), found in sums.items()]
        rows = [row for row in rows if row.values]
        rows.sort(key=lambda row: row.time_us)
        return Taken(rows, rejected, points)

    def _point(self, point: Point, now_us: int, sums: _Sums) -> str:
        """Why the point is not taken; "" where it is."""
        if point.time_us - now_us > MAX_AHEAD_US:
            return "it lies more than a minute ahead of this machine's clock"
        targets = targets_of(point)
        if isinstance(targets, str):
            return targets
        for series, _, _ in targets:
            if why := self._admit(point.sender, series):
                return why
        growth = _NOT_ASKED
        if any(rule.how is not As.LEVEL for _, rule, _ in targets):
            grown = self._streams.growth(point, now_us)
            if isinstance(grown, str):
                return grown
            growth = grown
        time_us = (point.time_us or now_us) // 1000 * 1000
        # All are judged before the first of them is kept: a point is taken whole or not at all.
        found: list[_Sum] = []
        for series, rule, scale in targets:
            kept = sums.get((series.source, time_us), {}).get((series, rule.how, rule.rest), _Sum())
            new = self._next(kept, series, rule, scale, point, growth)
            if isinstance(new, str):
                return new
            found.append(new)
        for new, (series, rule, _) in zip(found, targets, strict=True):
            sums.setdefault((series.source, time_us), {})[series, rule.how, rule.rest] = new
            if new.total is not None:
                self._totals[series] = new.total
        return ""

    def _admit(self, sender: Identity, series: Series) -> str:
        known = self._senders.setdefault(sender, set())
        self._senders.move_to_end(sender)
        if len(self._senders) > MAX_SENDERS:
            self._senders.popitem(last=False)
        if series in known:
            return ""
        if len(known) >= MAX_SERIES_OF_A_SENDER:
            return f"its sender has {MAX_SERIES_OF_A_SENDER} series already; send fewer attributes"
        if series.source not in self._sources:
            if len(self._sources) >= MAX_SOURCES:
                return f"{MAX_SOURCES} models and devices are known already; send fewer"
            self._sources.add(series.source)
        known.add(series)
        return ""

    def _next(self, kept: _Sum, series: Series, rule: Rule, scale: float, point: Point, growth: Growth) -> _Sum | str:
        """What the series says with this point as well; a text: why the point cannot be told as this series."""
        metric = catalogue()[series.metric]
        if rule.how is As.LEVEL:
            level = _sum(point.value, counts=False) * scale  # a number: targets_of lets no distribution through
            return why_impossible(told(level, digits_of(series)), metric) or kept._replace(level=level)
        amount = growth.amount
        if rule.how in (As.TOTAL, As.COUNT):
            grown = 0.0 if amount is None else _sum(amount, counts=rule.how is As.COUNT)
            if not math.isfinite(grown):
                return "it tells no sum"
            total = self._totals.get(series, 0.0) + grown * scale
            why = why_impossible(grown * scale, metric) or why_impossible(total, metric)
            return why or kept._replace(total=total)
        if amount is None:
            return kept
        if rule.how is As.RATE:
            rate = kept.rate + _sum(amount, counts=False) * scale / growth.seconds
            # NaN: a distribution without a sum, or a time that is not known. It tells no rate, and is no fault.
            if math.isnan(rate):
                return kept
            return why_impossible(_share(rate, metric), metric) or kept._replace(rate=rate, rated=True)
        return kept if isinstance(amount, float) else _with_times(kept, amount, scale, metric)

    def _values(self, found: Mapping[tuple[Series, As, bool], _Sum]) -> dict[Series, float]:
        values: dict[Series, float] = {}
        for (series, how, rest), kept in found.items():
            if how is As.TIMES:
                values.update(self._of_times(series, kept))
                continue
            value = kept.level
            if how in (As.TOTAL, As.COUNT) and kept.total is not None:
                value = kept.total
            elif how is As.RATE:
                value = _share(kept.rate, catalogue()[series.metric]) if kept.rated else math.nan
            if math.isfinite(value):
                values[series] = told(100.0 - value if rest else value, digits_of(series))
        return values

    def _of_times(self, series: Series, kept: _Sum) -> Iterator[tuple[Series, float]]:
        if kept.times is None or not kept.times.count:
            return
        for kind, value in self._figures(kept.times):
            if math.isfinite(value):
                one = series._replace(labels=tuple(sorted((*series.labels, ("type", kind)))))
                yield one, told(value * kept.scale, digits_of(series))

    def _figures(self, times: Distribution) -> Iterator[tuple[str, float]]:
        average = mean(times)
        yield "mean", average
        steps = times.steps()
        for kind, q in QUANTILES.items():
            found = quantile(steps, q, at_most(steps, average, q))
            if math.isfinite(found.rank_error):
                self.rank_error_max = max(self.rank_error_max, found.rank_error)
            yield kind, found.value


def targets_of(point: Point) -> list[tuple[Series, Rule, float]] | str:
    """The series that a point feeds, by which rule, and the factor to its unit; a text: why it feeds none."""
    home = genai if point.name.startswith(("gen_ai.", "llm.")) else machine
    name = home.NAMES.get(point.name, point.name)
    rules = RULES.get(name)
    if rules is None:
        return "the catalogue has no place for it"
    if isinstance(point.value, float) and not math.isfinite(point.value):
        return "its value is no finite number"
    attributes = canonical(point.attributes, home.ATTRIBUTES)
    fitting = [rule for rule in rules if rule.fits(attributes)]
    if not fitting:
        return "the catalogue has no place for it with these attributes"
    targets = []
    for rule in _unique(fitting):
        if point.form not in _FITTING[rule.how]:
            return f"its convention says no {point.form.value}"
        if rule.how is As.LEVEL and point.delta:
            return "a level cannot be told by deltas; send it cumulative"
        scale = factor(point.unit or machine.UNITS.get(point.name, ""), rule.unit)
        if scale is None:
            return f"unit {label(point.unit)!r} is not {rule.unit}"
        series = home.series(rule, name, attributes)
        if isinstance(series, str):
            return series
        targets.append((series, rule, 1.0 if rule.how is As.COUNT else scale * rule.factor))
    return targets


def _unique(rules: list[Rule]) -> list[Rule]:
    """A general rule (a sensor) gives way to the one before it (a GPU's sensor) that asks for more."""
    if rules[0].metric.startswith("gpu."):
        return [rule for rule in rules if rule.metric.startswith("gpu.")]
    return rules


def _with_times(kept: _Sum, amount: Distribution, scale: float, metric: Metric) -> _Sum | str:
    """The times of all streams of a model together; a text: why these do not go with the others, or cannot be."""
    times = amount if kept.times is None else together(kept.times, amount)
    if times is None or (kept.times is not None and kept.scale != scale):
        return "its buckets differ from those of another stream of this model"
    lowest = (mean(amount), quantile(amount.steps(), min(QUANTILES.values())).value)
    why = next((why for low in lowest if not math.isnan(low) and (why := why_impossible(low * scale, metric))), "")
    return why or kept._replace(times=times, scale=scale)


def _share(rate: float, metric: Metric) -> float:
    """The rate; one that lies above the most by no more than two clocks differ in an interval is the most."""
    most = metric.range[1]
    return most if most < rate <= most * _CLOCKS_DIFFER else rate


def _sum(amount: float | Distribution, *, counts: bool) -> float:
    """A number as it is; of a distribution the sum (NaN: not told), or how many it counted."""
    if isinstance(amount, float):
        return amount
    return float(amount.count) if counts else amount.sum


def _count(request: ExportMetricsServiceRequest) -> int | None:
    """Data points of a request, without looking into them; None: too many, or too many things that hold none."""
    points = 0
    for held, thing in enumerate(_things(request)):
        if held >= _MOST_HELD or points > MAX_POINTS:
            return None
        if isinstance(thing, pb.Metric) and (kind := thing.WhichOneof("data")):
            points += len(getattr(thing, kind).data_points)
    return points if points <= MAX_POINTS else None


def _things(request: ExportMetricsServiceRequest) -> Iterator[pb.ResourceMetrics | pb.ScopeMetrics | pb.Metric]:
    for resource in request.resource_metrics:
        yield resource
        for scope in resource.scope_metrics:
            yield scope
            yield from scope.metrics
