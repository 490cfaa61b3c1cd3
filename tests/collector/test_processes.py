"""Processes: parsed, compared, added up by name, ranked; names kept off the disk."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from services.collector.own_processes import OwnProcesses
from services.collector.processes.board import Board, Table
from services.collector.processes.message import process_table
from services.collector.processes.numbers import Numbers
from services.collector.processes.parse import full_name, kernel_name, parse_io, parse_stat, unit_of
from services.collector.processes.ranking import Usage, top
from services.collector.sampler import Absent, GpuShare, Machine
from services.collector.samplers.process import Processes
from tests.collector.recorded import read

LONG_ID = "0123456789abcdef" * 4
PAGE = os.sysconf("SC_PAGE_SIZE")


class Village:
    """A /proc of processes made by hand."""

    def __init__(self, root: Path) -> None:
        self.proc = root / "proc"
        (self.proc / "self").mkdir(parents=True)
        (self.proc / "self/stat").write_text("")

    def put(
        self, pid: int, comm: str, ticks: int = 0, pages: int = 100, io: tuple[int, int] | None = (0, 0), *,
        kernel: bool = False, cgroup: str = "0::/\n", cmdline: str = "", pss_kb: int | None = None,
    ) -> None:  # fmt: skip
        folder = self.proc / str(pid)
        folder.mkdir(exist_ok=True)
        flags = 0x200000 if kernel else 0x400000
        (folder / "stat").write_text(
            f"{pid} ({comm}) S 1 1 1 0 -1 {flags} 10 0 0 0 {ticks} 0 0 0 20 0 1 0 12345 1000000 {pages} 184467 1 1\n"
        )
        if io is not None:
            (folder / "io").write_text(
                f"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: {io[0]}\nwrite_bytes: {io[1]}\n"
                "cancelled_write_bytes: 0\n"
            )
        (folder / "cgroup").write_text(cgroup)
        (folder / "cmdline").write_text(cmdline)
        if pss_kb is not None:
            (folder / "smaps_rollup").write_text(
                f"00400000-7fff0000 ---p 0 00:00 0 [rollup]\nRss: 1 kB\nPss: {pss_kb} kB\n"
            )


@pytest.fixture
def village(tmp_path: Path) -> Village:
    return Village(tmp_path)


def usages(village: Village, change: object = None, board: Board | None = None) -> dict[str, Usage]:
    board = board or Board(village.proc)
    old = board.scan(10.0)
    if callable(change):
        change()
    return {usage.name: usage for usage in board.compare(old, board.scan(12.0))}


def test_name_with_brackets_and_spaces_is_read_whole() -> None:
    stat = parse_stat(b"7 (a) b (c) R 1 1 1 0 -1 4194304 1 0 0 0 30 12 0 0 20 0 1 0 5 6 77 8\n")
    assert stat == (b"a) b (c", False, 42, 77)


def test_name_that_the_kernel_cut_is_completed_from_the_command() -> None:
    assert full_name(b"chromium-browse", b"/usr/lib/chromium-browser\0--type=gpu\0") == "chromium-browser"
    assert full_name(b"Isolated Web Co", b"/usr/lib/firefox/firefox\0-contentproc\0") == "Isolated Web Co"
    assert full_name(b"python3", b"/opt/secret/python3-other\0") == "python3"


def test_kernel_threads_go_by_kind() -> None:
    assert kernel_name(b"kworker/0:1-events") == "[kworker]"
    assert kernel_name(b"kswapd0") == "[kswapd0]"


def test_bytes_taken_back_were_not_written() -> None:
    data = b"rchar: 9\nwchar: 9\nsyscr: 1\nsyscw: 1\nread_bytes: 100\nwrite_bytes: 300\ncancelled_write_bytes: 50\n"
    assert parse_io(data) == (100, 250)


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/ssh.service\n", "ssh.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/ollama.service\n", "ollama.service"),
        ("0::/user.slice/user-1000.slice/session-2.scope\n", "session-2.scope"),
        ("0::/system.slice/my\\x2dapp.service\n", "my-app.service"),
        ("0::/init.scope\n", ""),
        ("0::/\n", ""),
        (f"0::/system.slice/docker-{LONG_ID}.scope\n", "docker:0123456789ab"),
        (
            f"12:pids:/docker/{LONG_ID}\n1:name=systemd:/docker/{LONG_ID}\n",
            "docker:0123456789ab",
        ),
        (f"0::/user.slice/libpod-{LONG_ID}.scope/container\n", "podman:0123456789ab"),
        ("0::/lxc.payload.web/init.scope\n", "lxc:web"),
        ("9:name=systemd:/system.slice/cron.service\n0::/\n", "cron.service"),
    ],
)
def test_unit_or_container_of_a_control_group(cgroup: str, unit: str) -> None:
    assert unit_of(cgroup) == unit


def test_processes_of_one_name_are_added_up(village: Village) -> None:
    village.put(10, "worker", ticks=100, pages=10, io=(1000, 0))
    village.put(11, "worker", ticks=200, pages=30, io=(0, 0))

    def work() -> None:
        village.put(10, "worker", ticks=150, pages=10, io=(5000, 2000))
        village.put(11, "worker", ticks=250, pages=40, io=(0, 2000))

    found = usages(village, work)["worker"]
    assert len(found.members) == 2
    assert found.cpu_percent == pytest.approx(50.0)  # 100 ticks of 10 ms in 2 s
    assert found.rss_bytes == 50 * PAGE
    assert found.io_read_bytes_s == 2000.0
    assert found.io_write_bytes_s == 2000.0


def test_process_that_began_in_between_counts_from_its_start(village: Village) -> None:
    found = usages(village, lambda: village.put(12, "burst", ticks=80, io=(0, 4096)))["burst"]
    assert found.cpu_percent == pytest.approx(40.0)
    assert found.io_write_bytes_s == 2048.0


def test_process_that_became_another_program_has_the_new_name(village: Village) -> None:
    village.put(13, "bash", ticks=5)
    found = usages(village, lambda: village.put(13, "make", ticks=7))
    assert "bash" not in found
    assert found["make"].cpu_percent == pytest.approx(1.0)


def test_io_of_another_user_is_absent_and_not_zero(village: Village) -> None:
    village.put(14, "theirs", io=None)
    found = usages(village)["theirs"]
    assert math.isnan(found.io_read_bytes_s)
    assert found.cpu_percent == 0.0


def test_gpu_use_is_added_by_name_and_absent_without(village: Village) -> None:
    village.put(15, "llama")
    village.put(16, "llama")
    village.put(17, "other")
    gpu = {15: (30.0, 1e9), 16: (math.nan, 2e9)}
    found = usages(village, board=Board(village.proc, gpu=lambda: gpu))
    assert (found["llama"].gpu_util_percent, found["llama"].vram_bytes) == (30.0, 3e9)
    assert math.isnan(found["other"].vram_bytes)


def test_own_services_stand_apart_from_other_programs_of_their_name(village: Village, tmp_path: Path) -> None:
    (tmp_path / "home/run").mkdir(parents=True)
    (tmp_path / "home/run/collector.pid").write_text("18\n")
    village.put(18, "python3", ticks=4)
    village.put(19, "python3", ticks=9)
    found = usages(village, board=Board(village.proc, OwnProcesses(village.proc, tmp_path / "home")))
    assert found["wfmon collector"].own
    assert len(found["python3"].members) == 1
    assert not found["python3"].own


def test_proportional_memory_of_the_biggest(village: Village) -> None:
    village.put(20, "big", pages=1000, pss_kb=3000)
    village.put(21, "big", pages=1000, pss_kb=1000)
    village.put(22, "theirs", pages=900)
    found = usages(village)
    assert found["big"].pss_bytes == 4000 * 1024
    assert math.isnan(found["theirs"].pss_bytes), "refused for one: absent, not a part of the sum"


def test_proportional_memory_that_own_cost_read_is_not_read_again(village: Village) -> None:
    own = OwnProcesses(village.proc, None)
    village.put(20, "ours", pages=1000, pss_kb=3000)
    own.pss_bytes[20] = 2_000_000.0
    assert usages(village, board=Board(village.proc, own))["ours"].pss_bytes == 2_000_000.0
    own.pss_bytes.clear()
    assert usages(village, board=Board(village.proc, own))["ours"].pss_bytes == 3000 * 1024


def test_top_takes_the_first_of_each_measure_and_nobody_for_nothing() -> None:
    rows = [Usage(f"cpu{n}", cpu_percent=float(n)) for n in range(30)]
    rows += [Usage("reader", io_read_bytes_s=5.0), Usage("idle"), Usage("fat", rss_bytes=1e9)]
    names = [usage.name for usage in top(rows)]
    assert names[0] == "cpu29"
    assert names[9] == "cpu20"
    assert set(names[10:]) == {"reader", "fat"}


def test_numbers_are_stable_distinct_and_lead_nowhere() -> None:
    numbers, others = Numbers(), Numbers()
    names = [f"name{n}" for n in range(1000)]
    first = [numbers.of(name) for name in names]
    assert [numbers.of(name) for name in names] == first
    assert len(set(first)) == 1000
    assert sum(one == other for one, other in zip(first, (others.of(name) for name in names), strict=True)) < 5


def machine(village: Village, shown: list[Table], by_name: bool) -> Machine:
    return Machine(
        proc=village.proc,
        setting=lambda key, default: by_name if key == "privacy.record.process_names" else default,
        show=shown.append,
        gpu=GpuShare(),
    )


def test_recorded_series_carry_no_name_without_consent(village: Village) -> None:
    village.put(30, "secret-app", ticks=1, cgroup="0::/system.slice/secret.service\n")
    shown: list[Table] = []
    sampler = Processes(machine(village, shown, by_name=False))
    sampler.read(1.0)
    village.put(30, "secret-app", ticks=11, cgroup="0::/system.slice/secret.service\n")
    values = sampler.read(2.0)
    assert len(values) == len(sampler.columns())
    assert "secret" not in str(sampler.columns())
    assert {series.source.partition("#")[0] for series in sampler.columns()[1:]} == {"process:"}
    assert shown[0].rows[0].name == "secret-app", "the page shows it"
    assert shown[0].rows[0].unit == "secret.service"
    hidden = process_table(shown[0], Numbers(), 1, names=False)
    assert b"secret" not in hidden.SerializeToString()


def test_recorded_series_carry_name_and_unit_by_consent(village: Village) -> None:
    village.put(31, "ollama", ticks=1, pages=50, cgroup="0::/system.slice/ollama.service\n")
    sampler = Processes(machine(village, [], by_name=True))
    sampler.read(1.0)
    found = read(sampler, 2.0)
    assert sampler.columns()[1].source == "process:ollama"
    assert found["process.rss_bytes[unit=ollama.service]"] == 50 * PAGE


def test_name_stays_a_column_for_a_minute_after_its_last_place(village: Village) -> None:
    village.put(32, "steady", ticks=1)
    sampler = Processes(machine(village, [], by_name=True))
    sampler.read(0.0)
    village.put(33, "brief", ticks=50, pages=500)
    sampler.read(1.0)
    columns = sampler.columns()
    village.put(33, "brief", ticks=50, pages=0, io=(0, 0))
    for second in range(2, 61):
        assert len(sampler.read(float(second))) == len(columns)
        assert sampler.columns() is columns, "columns that change are dear to keep"
    sampler.read(62.0)
    assert "process:brief" not in {series.source for series in sampler.columns()}


def test_machine_without_proc_is_absent(tmp_path: Path) -> None:
    with pytest.raises(Absent):
        Processes(Machine(proc=tmp_path))


def test_pid_file_is_followed_through_restarts_and_not_believed_when_stale(village: Village, tmp_path: Path) -> None:
    run = tmp_path / "home/run"
    run.mkdir(parents=True)
    village.put(40, "python3")
    village.put(41, "python3")
    own = OwnProcesses(village.proc, tmp_path / "home")
    assert own.at(0.0) == {}
    (run / "gateway.pid").write_text("40\n")
    (run / "tap.pid").write_text("")  # being written
    (run / "alert.pid").write_text("99\n")  # left by one that was killed
    first = own.at(2.0)
    assert first == {"gateway": 40}
    assert own.at(4.0) is first
    (run / "gateway.pid").write_text("41\n")
    os.utime(run / "gateway.pid", ns=(1, 1))
    (run / "tap.pid").write_text("40\n")
    assert own.at(6.0) == {"gateway": 41, "tap": 40}
