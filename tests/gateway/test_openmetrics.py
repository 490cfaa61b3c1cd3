"""/metrics in both formats, against the parsers of the Prometheus client and, where installed, promtool."""

import shutil
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from bus.catalogue import catalogue
from services.gateway.openmetrics import STALE_AFTER_US, render

NOW_US = 1_795_500_000_000_000


class Newest(NamedTuple):
    metric: str
    source: str
    labels: tuple[tuple[str, str], ...] = ()
    time_us: int = NOW_US
    value: float = 1.0


def everything() -> Iterator[Newest]:
    """One series of every metric, with hostile label values."""
    for metric in catalogue().values():
        labels = tuple((label, 'a"b\\c\nd') for label in metric.labels)
        yield Newest(metric.name, f"{metric.group}:x", labels, value=1.5)


def test_every_metric_of_the_catalogue_is_accepted_by_both_parsers() -> None:
    modern = list(openmetrics_families(render(everything(), catalogue(), NOW_US, openmetrics=True)))
    older = list(text_families(render(everything(), catalogue(), NOW_US, openmetrics=False)))
    assert len(modern) == len(older) == len(catalogue())
    samples = [sample for family in older for sample in family.samples]
    assert all(
        value in ('a"b\\c\nd', sample.labels["source"]) for sample in samples for value in sample.labels.values()
    )


def test_values_are_in_base_units() -> None:
    text = render([Newest("ui.frame_time_ms", "ui:dashboard", value=16.5)], catalogue(), NOW_US, openmetrics=False)
    assert 'wfmonitor_ui_frame_work_seconds{source="ui:dashboard"} 0.0165\n' in text


def test_counters_are_named_as_each_format_wants() -> None:
    counter = [Newest("monitor.ws_conflated_total", "monitor:gateway", value=3.0)]
    modern = render(counter, catalogue(), NOW_US, openmetrics=True)
    older = render(counter, catalogue(), NOW_US, openmetrics=False)
    name = catalogue()["monitor.ws_conflated_total"].prometheus
    assert f"# TYPE {name.removesuffix('_total')} counter" in modern
    assert f"# TYPE {name} counter" in older
    assert f'{name}{{source="monitor:gateway"}} 3\n' in modern


def test_what_is_absent_stale_or_unknown_is_left_out() -> None:
    points = [
        Newest("system.cpu.percent", "system", value=float("nan")),
        Newest("system.load1", "system", time_us=NOW_US - STALE_AFTER_US - 1),
        Newest("custom.Not a field", "custom:y"),
    ]
    assert render(points, catalogue(), NOW_US, openmetrics=True) == "# EOF\n"


def test_fields_of_other_programs_never_stand_in_each_others_place() -> None:
    fields = ("humidity", "a.b", "a_b", "a_total", "a", "a_count", "a_bucket", "a_info", "a_created")
    points = [Newest(f"custom.{field}", "custom:x", value=float(at)) for at, field in enumerate(fields)]
    for openmetrics, read in ((True, openmetrics_families), (False, text_families)):
        families = list(read(render(points, catalogue(), NOW_US, openmetrics=openmetrics)))
        samples = [sample for family in families for sample in family.samples]
        named = {(sample.name, sample.labels.get("field")): sample.value for sample in samples}
        assert len(samples) == len(named) == len(fields)
        assert named["wfmonitor_custom_humidity", None] == 0
        assert (named["wfmonitor_custom_a_b", "a.b"], named["wfmonitor_custom_a_b", None]) == (1, 2)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_say() -> None:
    text = render(everything(), catalogue(), NOW_US, openmetrics=False)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
