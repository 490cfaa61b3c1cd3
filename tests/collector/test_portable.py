"""The psutil samplers beside the Linux ones, at the same moment: two readers of one machine."""

from __future__ import annotations

import math
import sys
import time

import pytest

from services.collector.sampler import Factory, Machine, Sampler
from services.collector.samplers.cpu import Cpu
from services.collector.samplers.load import Load
from services.collector.samplers.memory import Memory, MemoryTrend
from services.collector.samplers.portable import (
    PORTABLE,
    PortableCpu,
    PortableLoad,
    PortableMemory,
    busy_percent,
)
from tests.collector.recorded import read

HERE = Machine()


def both(ours: Sampler, theirs: Sampler) -> tuple[dict[str, float], dict[str, float]]:
    for sampler in (ours, theirs):
        sampler.read(time.monotonic())
    time.sleep(1.0)  # the span that is measured
    return read(ours, time.monotonic()), read(theirs, time.monotonic())


@pytest.mark.parametrize("subject", PORTABLE)
def test_each_reads_this_machine(subject: str) -> None:
    for factory in PORTABLE[subject]:
        sampler = factory(HERE)
        for now_s in (1.0, 2.0):
            assert len(sampler.read(now_s)) == len(sampler.columns())


@pytest.mark.skipif(sys.platform != "linux", reason="hardware absent: no Linux /proc on this machine")
@pytest.mark.parametrize(
    ("linux", "portable", "spread"),
    [
        (Cpu, PortableCpu, 5.0),
        (Memory, PortableMemory, 64 << 20),
        (MemoryTrend, PortableMemory, 64 << 20),
        (Load, PortableLoad, 0.3),
    ],
)
def test_both_readers_agree(linux: Factory, portable: Factory, spread: float) -> None:
    ours, theirs = both(linux(HERE), portable(HERE))
    shared = ours.keys() & theirs.keys()
    assert shared
    for name in shared:
        assert ours[name] == pytest.approx(theirs[name], rel=0.05, abs=spread, nan_ok=True), name


def test_a_core_that_rested_is_not_busy_and_a_counter_that_fell_says_nothing() -> None:
    assert busy_percent(0.1 + 0.2 - 0.3 - 1e-9, 1.0) == 0.0
    assert busy_percent(0.5, 1.0) == 50.0
    assert math.isnan(busy_percent(-0.01, 1.0))
    assert math.isnan(busy_percent(0.0, 0.0))
