"""`wfmon top` without a terminal: what the model keeps, what the panels say of it, and that absent stays absent."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wfmonitor.v1.health_pb2 import Health, ServiceState
from wfmonitor.v1.live_pb2 import LiveFrame
from wfmonitor.v1.process_pb2 import ProcessRow, ProcessTable

from services.cli.top import panels
from services.cli.top.model import Model
from services.cli.top.process_rows import ORDERS, cells
from services.cli.top.sparkline import BLOCKS, bar, scale, sparkline

NOW_US = 1_800_000_000_000_000


def frame(columns: dict[str, list[float]], source: str = "system", end_us: int = NOW_US) -> LiveFrame:
    """A key frame with one table, a row each second up to `end_us`; a column is `metric` or `metric=label`."""
    made = LiveFrame(key=True, time_us=NOW_US)
    rows = len(next(iter(columns.values())))
    table = made.tables.add(source=source, times_us=[end_us - (rows - 1 - row) * 1_000_000 for row in range(rows)])
    for name, values in columns.items():
        metric, _, label = name.partition("=")
        key = table.series.add(metric=metric)
        if label:
            key.labels.add(name="core", value=label)
        table.values.extend(values)
    return made


@given(st.lists(st.floats(0, 100) | st.just(math.nan), max_size=80))
def test_sparkline_has_one_character_a_value_and_a_blank_for_an_absent_one(values: list[float]) -> None:
    line = sparkline(values, 100.0)
    assert len(line) == len(values)
    for character, value in zip(line, values, strict=True):
        assert (character == " ") is math.isnan(value)


def test_sparkline_rises_with_its_values() -> None:
    assert sparkline([0, 15, 30, 40, 55, 65, 80, 100, 400], 100) == BLOCKS + BLOCKS[-1]


@given(st.lists(st.floats(0, 1e12), min_size=1))
def test_scale_holds_all_values_and_never_shrinks_below_the_least(values: list[float]) -> None:
    assert scale(values, 1000.0) >= max(*values, 1000.0)


def test_bar_of_an_absent_share_is_empty() -> None:
    assert bar(math.nan, 4) == "    "
    assert bar(0.5, 4) == "██░░"


def test_model_keeps_a_minute_and_knows_rows_only_once() -> None:
    model = Model()
    seconds = frame({"system.cpu.percent": [float(second) for second in range(90)]})
    model.take(seconds)
    model.take(seconds)
    history = model.history("system.cpu.percent", 60)
    assert len(history) == 60
    assert history[-1] == 89
    assert history[0] == 30
    assert model.mean("system.cpu.percent", 2.0) == 88.5


def test_stale_and_unknown_values_are_absent() -> None:
    model = Model()
    model.take(frame({"system.mem.percent": [50.0]}, end_us=NOW_US - 10_000_000))
    assert math.isnan(model.last("system.mem.percent"))
    assert math.isnan(model.last("system.swap.percent"))
    assert math.isnan(model.total("system.net.rx_bytes_s"))


def test_total_is_over_all_labels() -> None:
    model = Model()
    model.take(frame({"system.disk.read_bytes_s=sda": [100.0], "system.disk.read_bytes_s=sdb": [50.0]}))
    assert model.total("system.disk.read_bytes_s") == 150.0
    assert model.history("system.disk.read_bytes_s", 10)[-1] == 150.0


def test_cores_stand_in_the_order_of_their_numbers() -> None:
    model = Model()
    model.take(frame({f"system.cpu.core_percent={core}": [0.0] for core in (10, 2, 1)}))
    assert model.labels("system.cpu.core_percent") == ["1", "2", "10"]


@pytest.mark.parametrize("width", [20, 60, 200])
def test_panels_of_an_empty_model_say_that_nothing_is_measured(width: int) -> None:
    model = Model()
    for _, panel in panels.PANELS:
        shown = panel(model, width).plain
        assert "–" in shown
        assert " 0 " not in shown
    assert panels.gpus(model, width).plain == ""


def test_panel_tells_load_and_colours_it() -> None:
    model = Model()
    model.take(frame({"system.cpu.percent": [95.0] * 60, "system.load1": [3.25] * 60}))
    shown = panels.cpu(model, 80)
    assert "95 %" in shown.plain
    assert "3.25" in shown.plain
    assert panels.HOT in {str(part.style) for part in shown.spans}


def test_gpu_panel_has_a_line_a_gpu() -> None:
    model = Model()
    for index in range(2):
        model.take(frame({"gpu.util_percent": [40.0], "gpu.mem_used_bytes": [8e9]}, source=f"gpu:{index}"))
    assert panels.gpus(model, 100).plain.count("40 %") == 2


def test_service_that_is_down_says_why() -> None:
    model = Model()
    empty = frame({"system.load1": [1.0]})
    empty.health.add().CopyFrom(
        Health(service="collector", state=ServiceState.SERVICE_STATE_DOWN, reason="killed\x1b[2J", time_us=NOW_US)
    )
    model.take(empty)
    shown = panels.services(model, 100).plain
    assert "○ collector" in shown
    assert "killed\\x1b[2J" in shown


def test_processes_are_sorted_by_what_was_chosen_with_absent_values_last() -> None:
    table = ProcessTable(
        rows=[
            ProcessRow(number=1, name="small", cpu_percent=1.0, rss_bytes=9e9, vram_bytes=math.nan),
            ProcessRow(number=2, name="big", cpu_percent=90.0, rss_bytes=1e6, vram_bytes=math.nan),
            ProcessRow(number=3, name="", cpu_percent=50.0, rss_bytes=2e6, vram_bytes=4e9),
        ]
    )
    by = {order.key: [row[0] for row in cells(table, order)] for order in ORDERS}
    assert by["c"] == ["big", "#3", "small"]
    assert by["m"] == ["small", "#3", "big"]
    assert by["g"][0] == "#3"
    assert cells(table, ORDERS[0])[0][7] == "–"
