"""Network: bytes in and out a second of each interface, the machine's own loopback apart (CONTRACTS §1)."""

from __future__ import annotations

import re

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.rates import Rates
from services.collector.sampler import NAN, Absent, Machine

# Insides of containers, bridges and tunnels: their bytes pass a listed interface as well.
INNER = re.compile(
    r"(veth|ifb|dummy|sit|tunl|gre|gretap|erspan|ip6|ip_vti|teql|br-|virbr|docker|cni|flannel|cali|vnet|lxc).*"
)


def parse_net_dev(data: bytes) -> dict[str, tuple[int, int]]:
    """Interface → (bytes received, bytes sent) since it came up, of all interfaces."""
    found = {}
    for line in data.splitlines()[2:]:
        name, _, rest = line.partition(b":")
        fields = rest.split(None, 9)
        found[name.strip().decode("utf-8", "replace")] = (int(fields[0]), int(fields[8]))
    return found


class Network:
    """net.rx_bytes_s and net.tx_bytes_s an interface, and net.lo_bytes_s, from /proc/net/dev."""

    name = "network"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        try:
            self._net_dev = PinnedFile(machine.proc / "net/dev")
        except OSError as error:
            raise Absent(f"{machine.proc}/net/dev: {error.strerror}") from error
        self._interfaces: tuple[str, ...] = ()
        self._columns: tuple[Series, ...] = ()
        self._rates = Rates()

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        found = parse_net_dev(self._net_dev.read())
        loopback = found.pop("lo", None)
        shown = tuple(name for name in found if not INNER.fullmatch(name))
        if shown != self._interfaces or not self._columns:
            self._interfaces = shown
            self._rates = Rates()
            self._columns = (
                Series("system.net.lo_bytes_s", "system"),
                *(
                    Series(f"system.net.{way}_bytes_s", "system", (("iface", name),))
                    for name in shown
                    for way in ("rx", "tx")
                ),
            )
        # On loopback what one sends another receives: one side is each byte once.
        counters = [loopback[0] if loopback else NAN]
        for name in shown:
            counters += found[name]
        return self._rates.update(now_s, counters)
