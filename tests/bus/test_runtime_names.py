"""One name a runtime: what the collector and the tap call it comes from one table."""

from __future__ import annotations

from bus.runtime_names import RUNTIME_NAMES, runtime_name
from services.collector.runtime.processes import COMMANDS, MODULES
from services.collector.samplers.runtime import RUNTIMES
from services.tap.finder import OWNERS, USUAL_NAMES


def test_all_who_measure_a_runtime_call_it_alike() -> None:
    assert {kind.name for kind, _ in RUNTIMES} == RUNTIME_NAMES
    for table in (COMMANDS, MODULES, OWNERS, USUAL_NAMES):
        assert set(table.values()) <= RUNTIME_NAMES


def test_earlier_names_are_read_as_the_present_ones() -> None:
    assert runtime_name("lmstudio") == "lm-studio"
    assert runtime_name("somebody's") == "somebody's"
    assert {runtime_name(name) for name in RUNTIME_NAMES} == RUNTIME_NAMES
