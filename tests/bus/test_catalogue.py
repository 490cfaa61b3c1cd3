"""The metric catalogue: complete against CONTRACTS §1, consistent, and acceptable to Prometheus."""

from __future__ import annotations

import copy
import math
import shutil
import subprocess
import tomllib
from importlib import resources
from typing import Any

import pytest

from bus.catalogue import Catalogue, CatalogueError, UnknownMetric, catalogue

# CONTRACTS §1, the classes that are measured so far.
CONTRACT = {
    "system": "cpu.percent cpu.core_percent mem.percent mem.used_bytes swap.percent load1 disk.read_bytes_s "
    "disk.write_bytes_s disk.busy_percent disk.free_bytes net.rx_bytes_s net.tx_bytes_s net.lo_bytes_s "
    "temp_c fan_rpm battery.percent power_w energy_j psi.cpu.some_avg10 psi.mem.some_avg10 psi.io.some_avg10",
    "process": "cpu_percent rss_bytes pss_bytes io_read_bytes_s io_write_bytes_s gpu_util_percent vram_bytes",
    "gpu": "util_percent mem_used_bytes mem_total_bytes mem_util_percent power_w temp_c sm_clock_mhz "
    "mem_clock_mhz throttle_reasons pcie_rx_bytes_s pcie_tx_bytes_s encoder_percent decoder_percent energy_j",
    "ui": "frame_interval_ms frame_time_ms dropped_frames fps jank_ratio long_frame_ms "
    "input_to_first_paint_ms interaction_ms input_delay_ms energy_fidelity visual_lag_ms",
    "storage": "db_bytes wal_bytes read_bytes_s write_bytes_s raw_bytes_per_sample disk_free_bytes "
    "oldest_raw_age_s commit_ms",
    "monitor": "cpu_percent rss_bytes tick_jitter_ms missed_ticks_total bus_gap_total bus_msgs_s queue_depth "
    "ws_clients ws_conflated_total restarts_total",
}

# What `promtool check metrics` holds against a name: words that are not base units, and their prefixes.
NOT_BASE = {
    "minutes", "hours", "days", "weeks", "kelvins", "fahrenheit", "rankine", "inches", "yards", "miles",
    "bits", "calories", "pounds", "ounces", "percent", "percents",
}  # fmt: skip
BASE = {"amperes", "bytes", "celsius", "grams", "joules", "kelvin", "meters", "metres", "moles", "seconds",
        "volts", "hertz", "watts"}  # fmt: skip
PREFIXES = ("pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega",
            "mibi", "mebi", "giga", "gibi", "tera", "tebi", "peta", "pebi")  # fmt: skip
ABBREVIATED = ("s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d")


def document() -> dict[str, Any]:
    text = resources.files("bus").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@pytest.mark.parametrize("group", CONTRACT)
def test_every_metric_of_the_contract_is_there(group: str) -> None:
    missing = [field for field in CONTRACT[group].split() if f"{group}.{field}" not in catalogue()]
    assert missing == []


def test_prometheus_names_are_in_base_units() -> None:
    for metric in catalogue().values():
        words = metric.prometheus.split("_")
        assert not NOT_BASE & set(words), metric.prometheus
        assert not [w for w in words for p in PREFIXES if w.removeprefix(p) in BASE and w not in BASE]
        assert words[-1] not in ABBREVIATED, metric.prometheus
        assert not {"gauge", "counter", "histogram", "summary"} & set(words)
        assert words[-1] not in {"count", "sum", "bucket"}
        if metric.kind != "counter":
            assert words[-1] != "total"


@pytest.mark.parametrize(
    ("ending", "word", "scale"),
    [
        ("_ms", "_seconds", 1e-3),
        ("_mhz", "_hertz", 1e6),
        (".percent", "_ratio", 0.01),
        ("_j", "_joules", 1.0),
    ],
)
def test_scales_agree_with_units(ending: str, word: str, scale: float) -> None:
    metrics = [metric for metric in catalogue().values() if metric.name.endswith(ending)]
    assert metrics
    for metric in metrics:
        assert word in metric.prometheus
        assert metric.scale == scale


def test_promtool_accepts_every_metric_where_it_is_installed() -> None:
    exposition = []
    for metric in catalogue().values():
        kind = "counter" if metric.kind == "counter" else "gauge"
        exposition += [
            f"# HELP {metric.prometheus} {metric.meaning}",
            f"# TYPE {metric.prometheus} {kind}",
            f"{metric.prometheus} 1",
        ]
    promtool = shutil.which("promtool")
    if promtool is None:  # its rules are checked above in any case
        return
    text = "\n".join(exposition) + "\n"
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "source", "meant", "scale"),
    [
        ("system.cpu.percent", "", "system.cpu.percent", 1),
        ("cpu.percent", "system", "system.cpu.percent", 1),
        ("cpu_percent", "system", "system.cpu.percent", 1),
        ("system.data.cpu_percent", "", "system.cpu.percent", 1),
        ("gpu_util", "gpu:10", "gpu.util_percent", 1),
        ("gpu_utilization", "gpu:0", "gpu.util_percent", 1),
        ("gpu_memory_mb", "gpu:0", "gpu.mem_used_bytes", 1048576),
        ("vram_mb", "gpu:0", "gpu.mem_used_bytes", 1048576),
        ("cpu_percent", "process:python3", "process.cpu_percent", 1),
        ("custom.humidity", "", "custom.humidity", 1),
        ("humidity", "custom:greenhouse", "custom.humidity", 1),
        ("vram_mb", "custom:greenhouse", "custom.vram_mb", 1),
        ("system.load1", "custom:greenhouse", "custom.system.load1", 1),
    ],
)
def test_names_of_the_input_find_their_metric(name: str, source: str, meant: str, scale: float) -> None:
    metric, factor = catalogue().resolve(name, source)
    assert (metric.name, factor) == (meant, scale)


def test_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownMetric, match=r'unknown metric "system.cpu.pecent"; did you mean "system.cpu.percent"'):
        catalogue()["system.cpu.pecent"]
    with pytest.raises(UnknownMetric) as unlike:
        catalogue().resolve("zzzzqqq")
    assert unlike.value.nearest == ""


def test_field_of_another_program_may_be_any_number_and_is_in_no_list() -> None:
    metric = catalogue()["custom.humidity"]
    assert metric.range == (-math.inf, math.inf)
    assert (metric.prometheus, metric.privacy) == ("wfmonitor_custom_humidity", "custom")
    assert metric.name not in list(catalogue())
    assert catalogue()["custom.humidity"] is metric
    assert f"custom.{'x' * 80}" in catalogue()
    assert not [name for name in ("custom.", "custom.Big", "custom.a b", f"custom.{'x' * 81}") if name in catalogue()]


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("kind", "level", "kind is one of"),
        ("rate", "hourly", "rate is one of"),
        ("privacy", "secret", "privacy is one of"),
        ("labels", ["colour"], "labels are among"),
        ("prometheus", "wfmonitor_cpu_total", "exactly for counters"),
        ("prometheus", "CPU", "prometheus is wfmonitor_"),
        ("prometheus", "wfmonitor_system_load1", "belongs to|prometheus name"),
        ("aliases", ["system.load1"], "already names"),
        ("scale", 0, "scale is above 0"),
        ("meaning", "two\nlines", "meaning is one line"),
        ("colour", "red", "unknown field colour"),
    ],
)
def test_contradiction_in_the_file_is_named(field: str, value: object, complaint: str) -> None:
    changed = copy.deepcopy(document())
    changed["metric"]["system.cpu.percent"][field] = value
    with pytest.raises(CatalogueError, match=complaint):
        Catalogue(changed)


def test_missing_field_is_named() -> None:
    changed = document()
    del changed["metric"]["system.cpu.percent"]["unit"]
    with pytest.raises(CatalogueError, match=r"system\.cpu\.percent: .*unit"):
        Catalogue(changed)
