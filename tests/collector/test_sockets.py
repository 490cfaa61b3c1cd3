"""TCP and UDP against the recorded text of a kernel."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.sampler import Absent, Machine
from services.collector.samplers.sockets import Sockets, TitledNumbers
from tests.collector.recorded import FIXTURES, Recorded, read


def let_grow(laptop: Recorded, file: str, title: str, **by: int) -> None:
    """Adds to counters of a file of pairs of lines."""
    path = f"proc/net/{file}"
    lines = (laptop.root / path).read_text().splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith(f"{title}:"))
    names, numbers = lines[at].split(), lines[at + 1].split()
    for name, more in by.items():
        numbers[names.index(name)] = str(int(numbers[names.index(name)]) + more)
    lines[at + 1] = " ".join(numbers)
    laptop.write(path, "\n".join(lines) + "\n")


def test_counters_become_rates_and_connections_stay_a_level(laptop: Recorded) -> None:
    sockets = Sockets(laptop.machine)
    first = read(sockets, 1.0)
    standing = first.pop("system.tcp.connections")
    assert standing > 0
    assert all(math.isnan(value) for value in first.values()), "one reading is no span"
    let_grow(laptop, "snmp", "Tcp", CurrEstab=-1, RetransSegs=3, PassiveOpens=8)
    let_grow(laptop, "snmp", "Udp", RcvbufErrors=5)
    let_grow(laptop, "netstat", "TcpExt", ListenOverflows=2, TCPTimeouts=1)
    found = read(sockets, 3.0)
    assert found["system.tcp.connections"] == standing - 1
    moved = {name: value for name, value in found.items() if value and name != "system.tcp.connections"}
    assert moved == {
        "system.tcp.retransmits_s": 1.5,
        "system.tcp.accepted_s": 4.0,
        "system.udp.rx_overflows_s": 2.5,
        "system.tcp.listen_overflows_s": 1.0,
        "system.tcp.timeouts_s": 0.5,
    }


def test_lines_that_come_before_move_nothing(laptop: Recorded) -> None:
    sockets = Sockets(laptop.machine)
    before = read(sockets, 1.0)
    text = (laptop.root / "proc/net/snmp").read_text()
    laptop.write("proc/net/snmp", "IcmpMsg: InType8\nIcmpMsg: 4\n" + text)
    found = read(sockets, 2.0)
    assert found["system.tcp.connections"] == before["system.tcp.connections"]
    assert found["system.tcp.rx_segments_s"] == 0.0


def test_file_that_is_not_there_leaves_its_columns_out(laptop: Recorded) -> None:
    (laptop.root / "proc/net/netstat").unlink()
    names = read(Sockets(laptop.machine), 1.0)
    assert "system.tcp.retransmits_s" in names
    assert "system.tcp.listen_overflows_s" not in names


def test_machine_without_either_is_absent(tmp_path: Path) -> None:
    with pytest.raises(Absent):
        Sockets(Machine(proc=tmp_path))


@given(names=st.permutations([b"InSegs", b"OutSegs", b"InErrs"]), cut=st.integers(0, 3), before=st.integers(0, 2))
def test_titled_numbers_are_those_of_a_plain_look_up(names: list[bytes], cut: int, before: int) -> None:
    names = names[:cut]
    lines = [b"Ip: A", b"Ip: 1"] * before
    lines += [b" ".join([b"Tcp:", *names]), b" ".join([b"Tcp:", *(b"%d" % len(name) for name in names)])]
    found = TitledNumbers(b"Tcp:", (b"OutSegs", b"InSegs")).read(lines)
    if {b"InSegs", b"OutSegs"} <= set(names):
        assert found == [7.0, 6.0]
    else:
        assert all(math.isnan(value) for value in found)


def test_recorded_names_stand_over_their_numbers() -> None:
    lines = (FIXTURES / "laptop/proc/net/netstat").read_bytes().splitlines()
    plain = dict(zip(lines[0].split()[1:], map(float, lines[1].split()[1:]), strict=True))
    assert TitledNumbers(b"TcpExt:", tuple(plain)).read(lines) == list(plain.values())
