"""Netdata, limited to what ours reads as well: no cloud, no telemetry, no registry, no alarms, no machine learning."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.harness.program import find, get, running, wait_for
from tests.stack import free_port

NAME = "Netdata"

# 1 s is its own finest; the subjects are those of services/collector/samplers. apps.plugin reads processes.
_CONF = """\
[global]
    run as user = {user}
[directories]
    config = {folder}
    cache = {folder}/cache
    lib = {folder}/lib
    log = {folder}
[db]
    mode = dbengine
    update every = 1
    dbengine multihost disk space MB = 256
[ml]
    enabled = no
[health]
    enabled = no
[registry]
    enabled = no
[statsd]
    enabled = no
[web]
    bind to = 127.0.0.1:{port}
    default port = {port}
[plugins]
    proc = yes
    diskspace = yes
    apps = yes
    netdata monitoring = no
    timex = no
    idlejitter = no
    cgroups = no
    tc = no
    checks = no
    charts.d = no
    go.d = no
    python.d = no
    node.d = no
    nfacct = no
    perf = no
    slabinfo = no
    ioping = no
    fping = no
    ebpf = no
    statsd = no
    enable running new plugins = no
[plugin:proc]
    /proc/interrupts = no
    /proc/softirqs = no
    /proc/net/netstat = no
    /proc/net/snmp = no
    /proc/net/snmp6 = no
    /proc/net/sockstat = no
    /proc/net/sockstat6 = no
    /proc/net/softnet_stat = no
    /proc/net/stat/conntrack = no
    /proc/net/stat/synproxy = no
    /proc/sys/kernel/random/entropy_avail = no
    ipc = no
    /proc/net/ip_vs/stats = no
    /proc/spl/kstat/zfs/arcstats = no
"""


@dataclass(frozen=True)
class Netdata:
    pid: int
    url: str

    def charts(self) -> dict[str, dict[str, object]]:
        charts: dict[str, dict[str, object]] = json.loads(get(f"{self.url}/api/v1/charts"))["charts"]
        return charts

    def stored(self, seconds: int) -> int:
        """Points that its database holds of the last seconds, asked of it chart by chart; gaps are not counted."""
        count = 0
        for name in self.charts():
            query = f"chart={name}&after=-{seconds}&points={seconds}"
            rows = json.loads(get(f"{self.url}/api/v1/data?{query}"))["data"]
            count += sum(value is not None for row in rows for value in row[1:])
        return count


@contextmanager
def netdata(scratch: Path) -> Iterator[Netdata]:
    """A running one. Raises Unmeasurable where it is not installed."""
    program = find("netdata")
    folder = scratch / "netdata"
    for name in ("cache", "lib/cloud.d"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "lib/cloud.d/cloud.conf").write_text("[global]\n    enabled = no\n")
    (folder / ".opt-out-from-anonymous-statistics").touch()
    port = free_port()
    user = os.environ.get("USER", "root") if os.geteuid() else "root"
    (folder / "netdata.conf").write_text(_CONF.format(user=user, folder=folder, port=port))
    env = {"PATH": os.environ["PATH"], "DO_NOT_TRACK": "1", "DISABLE_TELEMETRY": "1"}
    with running([program, "-D", "-c", folder / "netdata.conf", "-P", folder / "pid"], folder, env) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/api/v1/info", process, folder)
        yield Netdata(process.pid, url)
    shutil.rmtree(folder, ignore_errors=True)
