"""Processes in turns: what stands still is read less often, and nothing that it used is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector.processes.board import Board
from services.collector.processes.ranking import Usage
from services.collector.processes.registry import STILL_AFTER, TURNS, Snapshot
from tests.collector.test_processes import Village


class Days:
    """Looks at a village, one a second."""

    def __init__(self, village: Village) -> None:
        self.village = village
        self.board = Board(village.proc)
        self.now_s = 100.0
        self.last: Snapshot = self.board.scan(self.now_s)

    def look(self, whole: bool = False) -> dict[str, Usage]:
        self.now_s += 1.0
        old, self.last = self.last, self.board.scan(self.now_s, whole)
        return {usage.name: usage for usage in self.board.compare(old, self.last)}

    def until_still(self) -> None:
        for _ in range(STILL_AFTER + 1 + TURNS):
            self.look()


@pytest.fixture
def days(tmp_path: Path) -> Days:
    village = Village(tmp_path)
    village.put(40, "sleeper", ticks=100)
    village.put(41, "worker", ticks=100)
    return Days(village)


def test_rate_of_one_that_stood_still_is_over_its_own_span(days: Days) -> None:
    days.until_still()
    days.village.put(40, "sleeper", ticks=140, io=(0, 4_000_000))
    seen = [days.look()["sleeper"] for _ in range(TURNS)]
    (found,) = [usage for usage in seen if usage.cpu_percent]
    assert found.cpu_percent == pytest.approx(40 / TURNS), "the ticks of the time since its last turn"
    assert found.io_write_bytes_s == pytest.approx(4_000_000 / TURNS)
    days.village.put(40, "sleeper", ticks=150)
    assert days.look()["sleeper"].cpu_percent == pytest.approx(10.0), "lively again: over a second"


def test_whole_look_sees_everything_at_once(days: Days) -> None:
    days.until_still()
    days.look(whole=True)
    days.village.put(40, "sleeper", ticks=150)
    assert days.look(whole=True)["sleeper"].cpu_percent == pytest.approx(50.0)


def test_one_that_ended_goes_and_another_with_its_number_comes(days: Days) -> None:
    days.until_still()
    (days.village.proc / "40/stat").unlink()
    (days.village.proc / "40/io").unlink()
    (days.village.proc / "40/cgroup").unlink()
    (days.village.proc / "40/cmdline").unlink()
    (days.village.proc / "40").rmdir()
    days.look()
    assert {process.pid for process in days.last.counters} == {41}
    days.village.put(40, "another", ticks=5)
    assert days.look()["another"].cpu_percent == pytest.approx(5.0)


def test_folder_is_listed_only_where_the_kernel_gave_a_number(tmp_path: Path) -> None:
    village = Village(tmp_path)
    village.put(40, "first")
    (village.proc / "loadavg").write_text("0.00 0.00 0.00 1/2 40\n")
    days = Days(village)
    village.put(41, "second")
    assert "second" not in days.look(), "no number was given, so nobody can have come"
    (village.proc / "loadavg").write_text("0.00 0.00 0.00 1/3 41\n")
    assert "second" in days.look()
    village.put(42, "third")
    assert "third" in days.look(whole=True)


def test_number_that_is_told_late_hides_nobody_for_long(tmp_path: Path) -> None:
    village = Village(tmp_path)
    (village.proc / "loadavg").write_text("0.00 0.00 0.00 1/2 40\n")
    days = Days(village)
    village.put(41, "second")
    assert any("second" in days.look() for _ in range(TURNS))


@settings(max_examples=10, deadline=None)
@given(work=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.booleans()), min_size=1, max_size=25))
def test_ticks_are_all_told_however_a_process_works_and_rests(
    tmp_path_factory: pytest.TempPathFactory, work: list[tuple[int, int, bool]]
) -> None:
    """Rates times the spans that they stand for are the ticks that were counted."""
    village = Village(tmp_path_factory.mktemp("village"))
    pids = range(60, 64)
    counted = dict.fromkeys(pids, 100)
    for pid in pids:
        village.put(pid, f"p{pid}", ticks=100)
    days = Days(village)
    told = dict.fromkeys(pids, 0.0)
    for which, ticks, whole in [*work, *[(0, 0, False)] * TURNS]:
        counted[60 + which] += ticks
        village.put(60 + which, f"p{60 + which}", ticks=counted[60 + which])
        old = days.last
        found = days.look(whole)
        for usage in found.values():
            (process,) = usage.members
            begun_s = old.read_s.get(process, old.time_s)
            told[process.pid] += usage.cpu_percent * (days.last.read_s.get(process, days.now_s) - begun_s)
    assert told == pytest.approx({pid: counted[pid] - 100 for pid in pids})
