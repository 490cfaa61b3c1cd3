"""CPU time per stored sample, against Netdata, Prometheus with node_exporter, and Glances.

Each side's own processes, all of them, over a span; divided by the samples it really holds of that span: ours by the
aggregator's account of its chunks, Netdata's by asking its database for every chart, Prometheus' by its own count of
what it appended, Glances' by the numbers in its file. All at their default or finest rates, the peers limited to the
subjects that ours reads.
"""

from __future__ import annotations

import time

from tests.bench.harness import accounting
from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Reference
from tests.bench.harness.live import stack_of, stored_samples
from tests.bench.peers import glances as glances_peer
from tests.bench.peers import netdata as netdata_peer
from tests.bench.peers import prometheus as prometheus_peer

SPAN_S = 60.0
_WARM_S = 5.0


def measure(bench: Bench) -> float:
    stack = stack_of(bench)
    first, begun_s = stored_samples(stack), time.monotonic()
    cost = accounting.watch([stack.supervisor_pid], bench.seconds(SPAN_S, 5.0))
    samples_a_second = (stored_samples(stack) - first) / (time.monotonic() - begun_s)
    bench.note(f"ours: {samples_a_second:.0f} samples/s for {cost.cpu_percent:.2f} % of a core")
    return 1e4 * cost.cpu_percent / samples_a_second


def netdata(bench: Bench) -> float:
    peer = bench.hold("netdata", lambda: netdata_peer.netdata(bench.scratch))
    if bench.round == 0:
        time.sleep(_WARM_S)
    seconds = round(bench.seconds(SPAN_S, 5.0))
    cost = accounting.watch([peer.pid], seconds)
    samples_a_second = peer.stored(seconds) / seconds
    bench.note(f"{netdata_peer.NAME}: {samples_a_second:.0f} samples/s for {cost.cpu_percent:.2f} % of a core")
    return 1e4 * cost.cpu_percent / samples_a_second


def prometheus(bench: Bench) -> float:
    peer = bench.hold("prometheus", lambda: prometheus_peer.prometheus(bench.scratch))
    if bench.round == 0:
        time.sleep(_WARM_S)
    first, begun_s = peer.stored(), time.monotonic()
    cost = accounting.watch(peer.pids, bench.seconds(SPAN_S, 5.0))
    samples_a_second = (peer.stored() - first) / (time.monotonic() - begun_s)
    bench.note(f"{prometheus_peer.NAME}: {samples_a_second:.0f} samples/s for {cost.cpu_percent:.2f} % of a core")
    return 1e4 * cost.cpu_percent / samples_a_second


def glances(bench: Bench) -> float:
    peer = bench.hold("glances", lambda: glances_peer.glances(bench.scratch))
    if bench.round == 0:
        time.sleep(_WARM_S)
    first, begun_s = peer.stored(), time.monotonic()
    cost = accounting.watch([peer.pid], bench.seconds(SPAN_S, 5.0))
    samples_a_second = (peer.stored() - first) / (time.monotonic() - begun_s)
    bench.note(f"{glances_peer.NAME}: {samples_a_second:.0f} samples/s for {cost.cpu_percent:.2f} % of a core")
    return 1e4 * cost.cpu_percent / samples_a_second


FIGURE = Figure(
    "cost_per_sample",
    "CPU time per stored sample",
    "µs",
    measure,
    references=(
        Reference(netdata_peer.NAME, netdata, "peer"),
        Reference(prometheus_peer.NAME, prometheus, "peer"),
        Reference(glances_peer.NAME, glances, "peer"),
    ),
)
