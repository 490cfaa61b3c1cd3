"""Prometheus scraping one node_exporter each second; both count, since neither measures alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.harness.program import find, get, running, wait_for
from tests.stack import free_port

NAME = "Prometheus + node_exporter"

# The subjects that ours reads too (services/collector/samplers).
_COLLECTORS = ("cpu", "meminfo", "loadavg", "diskstats", "netdev", "filesystem", "pressure", "hwmon", "thermal_zone")
_CONF = """\
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: node
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""


@dataclass(frozen=True)
class Prometheus:
    pids: tuple[int, int]
    url: str

    def stored(self) -> int:
        """Samples appended to its database since the start, by its own count."""
        text = get(f"{self.url}/metrics").decode()
        found = re.findall(r"^prometheus_tsdb_head_samples_appended_total(?:\{[^}]*\})? ([0-9.e+]+)$", text, re.M)
        return int(sum(float(value) for value in found))


@contextmanager
def prometheus(scratch: Path) -> Iterator[Prometheus]:
    """The running pair. Raises Unmeasurable where one is not installed."""
    server = find("prometheus")
    exporter = find("prometheus-node-exporter", "node_exporter")
    folder = scratch / "prometheus"
    folder.mkdir(parents=True, exist_ok=True)
    node, port = free_port(), free_port()
    (folder / "prometheus.yml").write_text(_CONF.format(port=node))
    only = ["--collector.disable-defaults", *(f"--collector.{name}" for name in _COLLECTORS)]
    listen = f"--web.listen-address=127.0.0.1:{node}"
    with running([exporter, listen, *only], scratch / "node_exporter") as measuring:
        wait_for(f"http://127.0.0.1:{node}/metrics", measuring, scratch / "node_exporter")
        command = [
            server,
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with running(command, folder) as keeping:
            wait_for(f"http://127.0.0.1:{port}/-/ready", keeping, folder)
            yield Prometheus((keeping.pid, measuring.pid), f"http://127.0.0.1:{port}")
