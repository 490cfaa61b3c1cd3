"""TCP and UDP: what the clients of a model server feel, of /proc/net/snmp and /proc/net/netstat (CONTRACTS §1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.rates import Rates
from services.collector.sampler import NAN, Absent, Machine

# The file, the title of its two lines (names, then numbers), and what of them is told: metric → the kernel's name.
_FILES: tuple[tuple[str, bytes, Mapping[str, bytes]], ...] = (
    ("snmp", b"Tcp:", {
        "system.tcp.connections": b"CurrEstab",
        "system.tcp.rx_segments_s": b"InSegs",
        "system.tcp.tx_segments_s": b"OutSegs",
        "system.tcp.retransmits_s": b"RetransSegs",
        "system.tcp.opened_s": b"ActiveOpens",
        "system.tcp.accepted_s": b"PassiveOpens",
        "system.tcp.failed_s": b"AttemptFails",
        "system.tcp.resets_s": b"EstabResets",
    }),
    ("snmp", b"Udp:", {
        "system.udp.rx_datagrams_s": b"InDatagrams",
        "system.udp.tx_datagrams_s": b"OutDatagrams",
        "system.udp.rx_overflows_s": b"RcvbufErrors",
    }),
    ("netstat", b"TcpExt:", {
        "system.tcp.listen_overflows_s": b"ListenOverflows",
        "system.tcp.listen_drops_s": b"ListenDrops",
        "system.tcp.timeouts_s": b"TCPTimeouts",
        "system.tcp.memory_pressures_s": b"TCPMemoryPressures",
    }),
)  # fmt: skip


class TitledNumbers:
    """Numbers of a pair of lines such as "Tcp: InSegs OutSegs …" and "Tcp: 7 8 …". Pure."""

    def __init__(self, title: bytes, names: Sequence[bytes]) -> None:
        """Two names at least."""
        self._title = title
        self._names = names
        self._at = -1
        self._heading = b""
        self._pick = itemgetter(0, 0)

    def read(self, lines: Sequence[bytes]) -> list[float]:
        """One number a name, of all lines of a file; NaN for all of them where a name is not there."""
        at = self._at
        # Lines of other protocols come and go before it: its place, and the names, are looked up again.
        if not (0 <= at < len(lines) - 1 and lines[at] == self._heading) and not self._find(lines):
            return [NAN] * len(self._names)
        return list(map(float, self._pick(lines[self._at + 1].split())))

    def _find(self, lines: Sequence[bytes]) -> bool:
        self._at = -1
        for at, line in enumerate(lines[:-1]):
            words = line.split()
            if words[:1] == [self._title] and all(name in words for name in self._names):
                self._at, self._heading = at, line
                self._pick = itemgetter(*(words.index(name) for name in self._names))
                return True
        return False


class Sockets:
    """Connections, segments, datagrams, and what is lost of them, once a second."""

    name = "network"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        self._files: dict[str, PinnedFile] = {}
        self._parts: list[tuple[str, TitledNumbers]] = []
        columns: list[Series] = []
        for file, title, told in _FILES:
            part = TitledNumbers(title, tuple(told.values()))
            try:
                if file not in self._files:
                    self._files[file] = PinnedFile(machine.proc / "net" / file)
                numbers = part.read(self._files[file].read().splitlines())
            except OSError:
                continue
            if numbers[0] == numbers[0]:
                self._parts.append((file, part))
                columns += [Series(metric, "system") for metric in told]
        if not self._parts:
            raise Absent(f"{machine.proc}/net/snmp and netstat tell nothing of TCP and UDP")
        self._columns = tuple(columns)
        self._level = 0 if self._columns[0].metric == "system.tcp.connections" else None
        self._rates = Rates()

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        lines = {name: file.read().splitlines() for name, file in self._files.items()}
        numbers = [number for file, part in self._parts for number in part.read(lines[file])]
        rates = self._rates.update(now_s, numbers)
        if self._level is not None:
            rates[self._level] = numbers[self._level]  # the one that does not only grow
        return rates
