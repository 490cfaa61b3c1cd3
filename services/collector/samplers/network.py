"""Network: bytes, packets, errors and drops a second of each interface, loopback apart (CONTRACTS §1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.rates import Rates
from services.collector.sampler import Absent, Machine

# Insides of containers, bridges and tunnels: their bytes pass a listed interface as well.
INNER = re.compile(
    r"(veth|ifb|dummy|sit|tunl|gre|gretap|erspan|ip6|ip_vti|teql|br-|virbr|docker|cni|flannel|cali|vnet|lxc).*"
)

# Figure, and its place among the numbers of a line of /proc/net/dev.
_FIGURES = (
    ("rx_bytes_s", 0), ("rx_packets_s", 1), ("rx_errors_s", 2), ("rx_drops_s", 3),
    ("rx_overruns_s", 4), ("rx_multicast_s", 7),
    ("tx_bytes_s", 8), ("tx_packets_s", 9), ("tx_errors_s", 10), ("tx_drops_s", 11),
    ("tx_overruns_s", 12), ("tx_carrier_errors_s", 14),
)  # fmt: skip
_pick = itemgetter(*(place for _, place in _FIGURES))


def find_interfaces(lines: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """(line, name with its colon) of each interface in /proc/net/dev that is shown, loopback first."""
    found: list[tuple[int, bytes]] = []
    for place, line in enumerate(lines[2:], 2):
        name = line.partition(b":")[0].strip()
        if name == b"lo":
            found.insert(0, (place, name + b":"))
        elif not INNER.fullmatch(name.decode("utf-8", "replace")):
            found.append((place, name + b":"))
    return found


class Network:
    """Twelve figures an interface, and net.lo_bytes_s and net.lo_packets_s, of one reading of /proc/net/dev."""

    name = "network"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        try:
            self._net_dev = PinnedFile(machine.proc / "net/dev")
        except OSError as error:
            raise Absent(f"{machine.proc}/net/dev: {error.strerror}") from error
        self._interfaces: list[tuple[int, bytes]] = []
        self._lines = 0
        self._columns: tuple[Series, ...] = ()
        self._rates = Rates()
        self._before = b""

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        data = self._net_dev.read()
        if data == self._before:  # nothing was sent, nothing came
            return self._rates.stand_still(now_s)
        self._before = data
        lines = data.splitlines()
        counters = self._counters(lines)
        if counters is None:  # an interface came or went, or the lines moved
            self._name(lines)
            counters = self._counters(lines) or []
        return self._rates.update(now_s, counters)

    def _counters(self, lines: list[bytes]) -> list[float] | None:
        """The counters of each known interface; None where its line is another's."""
        if len(lines) != self._lines:
            return None
        counters: list[float] = []
        for place, name in self._interfaces:
            line = lines[place]
            start = line.find(name)
            if start < 0 or line[:start].strip():
                return None
            fields = line[start + len(name) :].split()
            # Of loopback, what one sends another receives: one side is each byte once.
            counters += map(float, fields[:2] if name == b"lo:" else _pick(fields))
        return counters

    def _name(self, lines: list[bytes]) -> None:
        self._interfaces, self._lines = find_interfaces(lines), len(lines)
        self._rates = Rates()
        columns = []
        for _, colon in self._interfaces:
            name = colon[:-1].decode("utf-8", "replace")
            if name == "lo":
                columns += [Series(f"system.net.lo_{figure}_s", "system") for figure in ("bytes", "packets")]
            else:
                columns += [Series(f"system.net.{figure}", "system", (("iface", name),)) for figure, _ in _FIGURES]
        self._columns = tuple(columns)
