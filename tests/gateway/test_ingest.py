"""Events of other programs: the canonical shape, the rich one, aliases, and a 400 that names the field."""

import json
from typing import Any

import pytest

from bus.catalogue import catalogue
from bus.series import Series
from services.gateway.ingest import Row, read_events
from services.gateway.refusal import Refusal

NOW_US = 1_795_500_000_000_000
# The event of SPEC §3.2, as it stands.
SPEC_EVENT: dict[str, Any] = {
    "ts": 1724049600123,
    "source": "model:llama7b",
    "kind": "performance",
    "fields": {
        "tps": 18.4,
        "ttft_ms": 120,
        "energy": 0.66,
        "entropy_bits": 3.2,
        "gpu_util": 74.0,
        "vram_mb": 5221,
    },
    "window": "1s",
    "ver": "1.0",
}


def read(*events: dict[str, Any]) -> list[Row]:
    body = json.dumps(events[0] if len(events) == 1 else list(events)).encode()
    return read_events(body, catalogue(), NOW_US)


def refusal_of(body: bytes | dict[str, Any]) -> Refusal:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Refusal) as caught:
        read_events(raw, catalogue(), NOW_US)
    return caught.value


def test_the_event_of_the_specification_is_accepted_as_it_stands() -> None:
    (row,) = read(SPEC_EVENT)
    assert (row.source, row.time_us) == ("model:llama7b", 1724049600123000)
    assert {series.metric: value for series, value in row.values.items()} == {
        "model.tps": 18.4,
        "model.ttft_ms": 120.0,
        "model.reported_energy": 0.66,
        "model.entropy_bits": 3.2,
        "model.gpu_util_percent": 74.0,
        "model.vram_bytes": 5221 * 1024.0 * 1024.0,
    }


def test_the_rich_form_is_the_same_event() -> None:
    rich = {
        "timestamp": SPEC_EVENT["ts"],
        "source": "model:llama7b",
        "type": "performance",
        "data": {
            "tokens_per_second": 18.4,
            "ttft_ms": 120,
            "energy_normalized": 0.66,
            "entropy_bits": 3.2,
            "gpu_utilization": 74.0,
            "gpu_memory_mb": 5221,
        },
        "window": "1s",
        "version": "1.0",
        "tags": ["a"],
        "privacy_level": "local_only",
    }
    assert read(rich) == read(SPEC_EVENT)


@pytest.mark.parametrize(
    ("source", "field", "metric", "value"),
    [
        ("gpu:0", "gpu_util", "gpu.util_percent", 2.0),
        ("gpu:0", "util_percent", "gpu.util_percent", 2.0),
        ("gpu:1", "gpu_memory_mb", "gpu.mem_used_bytes", 2.0 * 1048576),
        ("system", "cpu_percent", "system.cpu.percent", 2.0),
        ("system", "system.data.cpu_percent", "system.cpu.percent", 2.0),
        ("model:org/name:tag", "model.tps", "model.tps", 2.0),
        ("custom:greenhouse", "humidity", "custom.humidity", 2.0),
        ("custom:greenhouse", "custom.humidity", "custom.humidity", 2.0),
    ],
)
def test_accepted_spellings(source: str, field: str, metric: str, value: float) -> None:
    (row,) = read({"ts": 1, "source": source, "kind": "resource", "fields": {field: 2}})
    assert row.values == {Series(metric, source): value}


def test_a_label_stands_in_brackets() -> None:
    (row,) = read({"ts": 1, "source": "system", "kind": "resource", "fields": {"cpu.core_percent[core=3]": 7}})
    assert row.values == {Series("system.cpu.core_percent", "system", (("core", "3"),)): 7.0}


def test_null_is_absent() -> None:
    (row,) = read({**SPEC_EVENT, "fields": {"tps": None, "ttft_ms": 3}})
    assert [series.metric for series in row.values] == ["model.ttft_ms"]


@pytest.mark.parametrize("source", ["ui:orchestrator", "ui:dashboard"])
def test_how_a_page_is_drawn_is_not_taken_from_outside(source: str) -> None:
    """CONTRACTS §11: other pages are off until agreed in that page; our own tells of itself on its socket."""
    event = {"ts": 1, "source": source, "kind": "performance", "fields": {"frame_time_ms": 8}}
    with pytest.raises(Refusal) as refused:
        read([SPEC_EVENT, event])
    assert (refused.value.status, refused.value.what) == (403, "[1].source")
    assert "agreed" in refused.value.why


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ts": None}, "ts"),
        ({"ts": "now"}, "ts"),
        ({"ts": 0}, "ts"),
        ({"ts": -5}, "ts"),
        ({"ts": NOW_US}, "ts"),  # microseconds, or a clock ahead
        ({"timestamp": 1}, "ts"),
        ({"source": 3}, "source"),
        ({"source": "llama7b"}, "source"),
        ({"source": "process:firefox"}, "source"),
        ({"source": "monitor:collector"}, "source"),
        ({"source": "model:"}, "source"),
        ({"source": "model:a\nb"}, "source"),
        ({"source": "gpu:first"}, "source"),
        ({"kind": "perf"}, "kind"),
        ({"kind": None}, "kind"),
        ({"type": "performance"}, "kind"),
        ({"fields": None}, "fields"),
        ({"fields": [1]}, "fields"),
        ({"fields": {"tps": "fast"}}, "fields.tps"),
        ({"fields": {"tps": True}}, "fields.tps"),
        ({"fields": {"tps": [1]}}, "fields.tps"),
        ({"fields": {"tps": -1}}, "fields.tps"),
        ({"fields": {"vram_mb": -1}}, "fields.vram_mb"),
        ({"fields": {"gpu_util": 100.5}}, "fields.gpu_util"),
        ({"fields": {"certainty": 1.5}}, "fields.certainty"),
        ({"fields": {"interference": -1.5}}, "fields.interference"),
        ({"source": "system", "fields": {"cpu.percent": 101}}, "fields.cpu.percent"),
        ({"source": "system", "fields": {"cpu.percent": -0.5}}, "fields.cpu.percent"),
        ({"fields": {"tpz": 1}}, "fields.tpz"),
        ({"fields": {"system.cpu.percent": 1}}, "fields.system.cpu.percent"),
        ({"fields": {"tps": 1, "tokens_per_second": 1}}, "fields.tokens_per_second"),
        ({"fields": {"tps[core=1]": 1}}, "fields.tps[core=1]"),
        ({"fields": {"<script>": 1}}, "fields.<script>"),
        ({"fields": {f"x{number}": 1 for number in range(129)}}, "fields"),
        ({"fields": {"tps": 10**400}}, "fields.tps"),
        ({"fields": {"vram_mb": -(10**400)}}, "fields.vram_mb"),
        ({"source": "custom:x", "fields": {"level": 10**400}}, "fields.level"),
        ({"fields": {"vram_mb": 1e308}}, "fields.vram_mb"),  # infinite once it is bytes
        ({"ts": 1e308}, "ts"),
        ({"ts": -1e308}, "ts"),
        ({"ts": 1e-320}, "ts"),
        ({"window": "fast"}, "window"),
        ({"window": "10"}, "window"),
        ({"ver": "2.0"}, "ver"),
        ({"more": 1}, "more"),
    ],
)
def test_a_wrong_event_names_its_field(change: dict[str, Any], field: str) -> None:
    refusal = refusal_of({**SPEC_EVENT, **change})
    assert refusal.status == 400
    assert field in (refusal.what.removeprefix("$."), *refusal.why.split("`"))
    assert refusal.why


def test_a_time_beyond_all_numbers_is_no_time() -> None:
    assert refusal_of({**SPEC_EVENT, "ts": 1e308}).why == "1e+308 is no time."


@pytest.mark.parametrize(
    ("source", "field", "value"),
    [
        ("system", "cpu.percent", 0),
        ("system", "cpu.percent", 100),
        ("system", "temp_c", -20),
        ("model:x", "interference", -1),
        ("model:x", "accuracy_drift", -3),
        ("model:x", "tps", 1e6),
        ("custom:x", "level", -5),
    ],
)
def test_what_a_metric_can_be_is_taken_up_to_its_ends(source: str, field: str, value: float) -> None:
    (row,) = read({**SPEC_EVENT, "source": source, "fields": {field: value}})
    assert list(row.values.values()) == [value]


def test_an_impossible_value_says_what_would_be_possible() -> None:
    refusal = refusal_of({**SPEC_EVENT, "fields": {"tps": -1}})
    assert refusal.why == "-1 tokens/s is outside what model.tps can be: at least 0."


def test_the_event_of_a_list_is_named_by_its_number() -> None:
    wrong = {**SPEC_EVENT, "fields": {"tpz": 1}}
    assert refusal_of(json.dumps([SPEC_EVENT, wrong]).encode()).what == "[1].fields.tpz"


def test_a_long_value_is_not_repeated_whole() -> None:
    for long in ("x" * 10_000, 10**4000, [0] * 10_000, {"a": "x" * 10_000}):
        assert len(refusal_of({**SPEC_EVENT, "fields": {"tps": long}}).why) < 150


def test_values_nested_too_deep_are_refused() -> None:
    body = (
        json.dumps({**SPEC_EVENT, "fields": {"tps": 0}})
        .encode()
        .replace(b": 0}", b": " + b"[" * 5000 + b"]" * 5000 + b"}")
    )
    assert refusal_of(body).what == "fields"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b'"x"', b"3", b"null", b"[1]", b'{"ts": NaN}', b"[" * 100_000]
)
def test_rubbish_is_refused_in_one_sentence(body: bytes) -> None:
    assert refusal_of(body).status == 400


def test_too_many_events_are_refused() -> None:
    assert "1001" in refusal_of(json.dumps([SPEC_EVENT] * 1001).encode()).why
