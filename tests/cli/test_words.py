"""What people type and read: metrics with brackets, values with units, durations, numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.catalogue import catalogue
from bus.settings_catalogue import SettingError, settings_catalogue
from services.cli import text
from services.cli.selector import parse
from services.cli.typed_value import shown, typed


@pytest.mark.parametrize(
    ("typed_", "metric", "stat", "source", "labels"),
    [
        ("system.cpu.percent", "system.cpu.percent", "", "", ()),
        ("system.cpu.percent.p95", "system.cpu.percent", "p95", "", ()),
        ("system.cpu.core_percent[core=3].avg", "system.cpu.core_percent", "avg", "", (("core", "3"),)),
        ("system.cpu.core_percent.avg[core=3]", "system.cpu.core_percent", "avg", "", (("core", "3"),)),
        ("gpu.util_percent[gpu:1].max", "gpu.util_percent", "max", "gpu:1", ()),
        ("model.tps[model:llama3:8b-instruct]", "model.tps", "", "model:llama3:8b-instruct", ()),
        ("system.cpu_percent", "system.cpu.percent", "", "", ()),
        ("tokens_per_second[model:a].rate", "model.tps", "rate", "model:a", ()),
        ("custom.humidity", "custom.humidity", "", "", ()),
        ("custom.humidity.p95[custom:greenhouse]", "custom.humidity", "p95", "custom:greenhouse", ()),
        ("humidity[custom:greenhouse].max", "custom.humidity", "max", "custom:greenhouse", ()),
        ("custom.temp.max.last", "custom.temp.max", "last", "", ()),
        ("custom.max", "custom.max", "", "", ()),
    ],
)
def test_metric_is_found_with_its_statistic_source_and_labels(
    typed_: str, metric: str, stat: str, source: str, labels: tuple[tuple[str, str], ...]
) -> None:
    chosen = parse(typed_)
    assert (chosen.metric.name, chosen.stat, chosen.source, chosen.labels) == (metric, stat, source, labels)


@pytest.mark.parametrize(
    ("typed_", "said"),
    [
        ("system.cpu.percnt.avg", "system.cpu.percent"),
        ("system.cpu.percent[core=3]", "has no label 'core'"),
        ("gpu.util_percent[gpu:0][gpu:1]", "two sources"),
        ("", "unknown metric"),
        ("system.cpu.percent.p97", "no statistic"),
    ],
)
def test_what_names_no_metric_is_told_the_nearest(typed_: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse(typed_)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", catalogue())
def test_every_metric_can_be_named_with_and_without_a_statistic(name: str) -> None:
    assert parse(name).metric.name == name
    assert parse(f"{name}.p95").stat == "p95"


@pytest.mark.parametrize(
    ("key", "text_", "value"),
    [
        ("recording.enabled", "off", False),
        ("recording.enabled", "Yes", True),
        ("storage.budget_bytes", "4GB", 4_000_000_000),
        ("storage.budget_bytes", "512 MiB", 536_870_912),
        ("storage.raw.max_age_h", "90m", 1.5),
        ("storage.raw.max_age_h", "36", 36.0),
        ("collector.rate.resource_hz", "20Hz", 20.0),
        ("collector.budget_percent", "1.5%", 1.5),
        ("privacy.profile", "strict", "strict"),
    ],
)
def test_value_is_understood_as_people_write_it(key: str, text_: str, value: object) -> None:
    assert typed(settings_catalogue()[key], text_) == value


@given(st.sampled_from(sorted(settings_catalogue())), st.text())
def test_any_other_value_is_refused_with_its_key(key: str, text_: str) -> None:
    try:
        typed(settings_catalogue()[key], text_)
    except SettingError as refused:
        said = str(refused)
    else:
        return
    assert key in said


@pytest.mark.parametrize(
    ("value", "unit", "read"),
    [("true", "", "on"), ("10.0", "Hz", "10 Hz"), ("2000000000", "bytes", "2.0 GB"), ('"strict"', "", "strict")],
)
def test_value_is_shown_as_people_read_it(value: str, unit: str, read: str) -> None:
    assert shown(value, unit) == read


@pytest.mark.parametrize(
    ("typed_", "seconds"), [("500ms", 0.5), ("10s", 10), ("5m", 300), ("1.5h", 5400), ("2d", 172800)]
)
def test_duration(typed_: str, seconds: float) -> None:
    assert text.seconds(typed_) == seconds


@pytest.mark.parametrize("typed_", ["", "10", "s", "-5s", "1h30m", "ten minutes"])
def test_wrong_duration_says_how_one_is_written(typed_: str) -> None:
    with pytest.raises(ValueError, match="as 10m"):
        text.seconds(typed_)


@pytest.mark.parametrize(
    ("value", "unit", "read"),
    [
        (12.34, "percent", "12.3 %"),
        (7.0, "percent", "7 %"),
        (0.4567, "percent", "0.46 %"),
        (1_447_000_000, "bytes", "1.4 GB"),
        (350_000, "bytes/s", "350 kB/s"),
        (999.7, "bytes", "1.0 kB"),
        (math.nan, "percent", text.ABSENT),
        (math.nan, "bytes", text.ABSENT),
        (1830, "MHz", "1830 MHz"),
    ],
)
def test_number_with_its_unit(value: float, unit: str, read: str) -> None:
    assert text.number(value, unit) == read


@pytest.mark.parametrize(
    ("seconds", "read"), [(0, "0 s"), (65, "1 min 5 s"), (7800, "2 h 10 min"), (356400, "4 d 3 h")]
)
def test_span_of_time(seconds: float, read: str) -> None:
    assert text.span(seconds) == read


def test_terminal_escapes_in_names_are_made_visible() -> None:
    assert text.printable("a\x1b[2Jb\r\n") == "a\\x1b[2Jb\\r\\n"
