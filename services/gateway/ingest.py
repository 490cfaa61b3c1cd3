"""Events of other programs, checked and brought into the catalogue's names and units (SPEC §3.2, CONTRACTS §6).

Pure: bytes and the time go in, rows come out, or a `Refusal` that names the field at fault.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from bus.catalogue import FIELD_LETTERS, Catalogue, Metric, UnknownMetric, custom_metric
from bus.series import Series
from services.gateway.possible import why_impossible
from services.gateway.refusal import Refusal

MAX_EVENTS = 1000
MAX_FIELDS = 128
# A clock of another program on the same machine is this one; more is a wrong unit or a wrong clock.
MAX_AHEAD_US = 60_000_000

# Who may be reported from outside. The rest is measured by the monitor itself (monitor, governance, storage),
# or would tell without a consent: names of processes, and how other pages are drawn (ui, CONTRACTS §11).
SOURCES = ("system", "model:…", "gpu:…", "custom:…")
_SOURCE = re.compile(r"(system)|(model|ui|gpu|custom):([^\x00-\x1f\x7f]{1,200})")
_GPU = re.compile(r"[0-9]{1,3}")
_FIELD = re.compile(rf"([A-Za-z0-9_.]{{1,{FIELD_LETTERS}}})((?:\[[a-z]+=[^\]\x00-\x1f]{{1,80}}\])*)")
_LABEL = re.compile(r"\[([a-z]+)=([^\]]+)\]")
_WINDOW = re.compile(r"instant|[0-9]+(ms|s|m|h)")
_VERSION = re.compile(r"1(\.[0-9]+){0,2}")

# An energy from outside is kept apart: E(t) is always our own (CONTRACTS §1).
_KEPT_APART = {"model.energy": "model.reported_energy"}

T = TypeVar("T")
Kind = Literal["performance", "resource", "error", "health", "usage", "energy", "alert"]


class _Event(msgspec.Struct, forbid_unknown_fields=True):
    """Both spellings; which of a pair stood there is sorted out below."""

    source: str
    ts: float | None = None
    timestamp: float | None = None
    kind: Kind | None = None
    type: Kind | None = None
    fields: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    window: str = "instant"
    ver: str | None = None
    version: str | None = None
    tags: dict[str, str] | list[str] | None = None
    privacy_level: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One event as a row of its source's table. Absent values are not in it."""

    source: str
    time_us: int
    values: dict[Series, float]
    at: str = ""
    """Where it stands in its message, for a refusal: "[3]." in a list."""


_decoder = msgspec.json.Decoder(list[_Event] | _Event)


def read_events(body: bytes, catalogue: Catalogue, now_us: int) -> list[Row]:
    """One event, or a list of up to 1,000, in catalogue names and units; raises Refusal 400 that names the field."""
    try:
        decoded = _decoder.decode(body)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        raise _wrong(where.strip("`") or "event", f"{message}.", _SHAPE) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong("body", f"it is no JSON: {error}.", _SHAPE) from error
    except RecursionError:
        raise _wrong("fields", "lists or objects stand in one another too deep.", _A_NUMBER) from None
    if isinstance(decoded, _Event):
        return [_row(decoded, "", catalogue, now_us)]
    if len(decoded) > MAX_EVENTS:
        raise _wrong("body", f"{len(decoded)} events are more than {MAX_EVENTS}.", "Send them in parts.")
    return [_row(event, f"[{number}].", catalogue, now_us) for number, event in enumerate(decoded)]


_SHAPE = (
    'Send {"ts": ms, "source": "model:NAME", "kind": "performance", "fields": {"tps": 18.4}, '
    '"window": "1s", "ver": "1.0"}.'
)
_A_NUMBER = "Send what was measured as a number, or null where it is absent."


def _wrong(field: str, why: str, mend: str) -> Refusal:
    return Refusal(400, field, why, mend)


def _row(event: _Event, at: str, catalogue: Catalogue, now_us: int) -> Row:
    ts = _one_of(event.ts, event.timestamp, f"{at}ts", f"{at}timestamp")
    _one_of(event.kind, event.type, f"{at}kind", f"{at}type")
    fields = _one_of(event.fields, event.data, f"{at}fields", f"{at}data")
    version = event.ver if event.ver is not None else event.version
    if version is not None and not _VERSION.fullmatch(version):
        raise _wrong(f"{at}ver", f"{version!r} is not known here.", 'Send "1.0".')
    if not _WINDOW.fullmatch(event.window):
        raise _wrong(f"{at}window", f"{event.window!r} is no window.", 'Send "instant" or a number with ms, s, m or h.')
    time_us = _time_us(ts, f"{at}ts", now_us)
    class_ = _class_of(event.source, f"{at}source")
    if len(fields) > MAX_FIELDS:
        raise _wrong(f"{at}fields", f"{len(fields)} are more than {MAX_FIELDS}.", "Send them as several events.")
    values: dict[Series, float] = {}
    for name, value in fields.items():
        where = f"{at}fields.{name}"
        series, metric, factor = _series(class_, event.source, name, where, catalogue)
        if value is None:
            continue
        if series in values:
            raise _wrong(where, f"{series.metric} stands twice, under two spellings.", "Send it once.")
        values[series] = _number(value, where) * factor
        if why := why_impossible(values[series], metric):
            raise _wrong(where, why, _A_NUMBER)
    return Row(event.source, time_us, values, at)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(where, f"{_short(value)} is no number.", _A_NUMBER)
    try:
        return float(value)
    except OverflowError:  # JSON bounds no integer
        raise _wrong(where, f"{_short(value)} is larger than a 64-bit float.", _A_NUMBER) from None


def _short(value: Any) -> str:
    """A value for a message: what is long is cut, what is nested is named."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _one_of(first: T | None, second: T | None, name: str, other: str) -> T:
    if first is not None and second is not None:
        raise _wrong(name, f"{name} and {other} stand together, they mean the same.", f"Send {name} alone.")
    value = first if first is not None else second
    if value is None:
        raise _wrong(name, "it is required.", _SHAPE)
    return value


def _time_us(ts: float, where: str, now_us: int) -> int:
    if not 1 <= ts * 1000 < math.inf:
        raise _wrong(where, f"{ts!r} is no time.", "Send milliseconds since 1970.")
    ahead_s = (ts * 1000 - now_us) / 1e6
    if ahead_s > MAX_AHEAD_US / 1e6:
        raise _wrong(where, f"it lies {ahead_s:.6g} s ahead of this machine's clock.", "Send milliseconds since 1970.")
    return round(ts * 1000)


def _class_of(source: str, where: str) -> str:
    match = _SOURCE.fullmatch(source)
    if not match:
        raise _wrong(
            where,
            f"{source[:80]!r} is none of {', '.join(SOURCES)}.",
            'Send "model:NAME", or "custom:NAME" for what the catalogue does not know.',
        )
    class_ = match[1] or match[2]
    if class_ == "ui":
        raise Refusal(
            403,
            where,
            f"{source[:80]!r} would tell how a page is drawn. The monitor's own page tells that itself; another may "
            "once you have agreed to it in that page, and none can ask you yet.",
            "Leave events of ui:… out.",
        )
    if class_ == "gpu" and not _GPU.fullmatch(match[3]):
        raise _wrong(where, f"{source[:80]!r} names no GPU by its index.", 'Send "gpu:0".')
    return class_


def _series(class_: str, source: str, name: str, where: str, catalogue: Catalogue) -> tuple[Series, Metric, float]:
    """The series that a field feeds, its metric, and the factor to the metric's unit."""
    match = _FIELD.fullmatch(name)
    if not match:
        raise _wrong(where, f"{name[:80]!r} is no field name.", "Use letters, digits, `_` and `.`, and [label=value].")
    field = match[1]
    labels = tuple(sorted((label[1], label[2]) for label in _LABEL.finditer(match[2])))
    if class_ == "custom":
        metric = custom_metric(f"custom.{field.removeprefix('custom.')}")
        if metric is None or labels:
            raise _wrong(
                where,
                f"{name[:80]!r} is no custom field.",
                "Begin with a small letter; use small letters, digits, `_` and `.`, and no labels.",
            )
        return Series(metric.name, source), metric, 1.0
    try:
        metric, factor = catalogue.resolve(field, source)
        if metric.group != class_:
            raise UnknownMetric(field, "")
        metric = catalogue[_KEPT_APART.get(metric.name, metric.name)]
    except UnknownMetric as unknown:
        near = unknown.nearest.removeprefix(f"{class_}.")
        hint = f"Did you mean `{near}`? " if near else ""
        raise _wrong(
            where, f"{class_}.{field} is not in the catalogue.", f'{hint}Or send it as source "custom:NAME".'
        ) from unknown
    for label, _ in labels:
        if label not in metric.labels:
            raise _wrong(
                where, f"{metric.name} has no label {label!r}.", f"It has: {', '.join(metric.labels) or 'none'}."
            )
    return Series(metric.name, source, labels), metric, factor
