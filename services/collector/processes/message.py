"""Process tables and spikes as they travel."""

from __future__ import annotations

from wfmonitor.v1.event_pb2 import Event, Spike
from wfmonitor.v1.process_pb2 import ProcessTable

from bus.catalogue import catalogue
from bus.series import to_key
from services.collector.processes.board import Table
from services.collector.processes.numbers import Numbers
from services.collector.spikes.watch import Spike as SpikeFound


def process_table(table: Table, numbers: Numbers, time_us: int, names: bool) -> ProcessTable:
    """The message of a table. Without `names` it holds neither names nor units, only their numbers."""
    message = ProcessTable(time_us=time_us, span_s=table.span_s, total=table.total)
    for usage in table.rows:
        message.rows.add(
            number=numbers.of(usage.name),
            name=usage.name if names else "",
            unit=usage.unit if names else "",
            count=len(usage.members),
            cpu_percent=usage.cpu_percent,
            rss_bytes=usage.rss_bytes,
            pss_bytes=usage.pss_bytes,
            io_read_bytes_s=usage.io_read_bytes_s,
            io_write_bytes_s=usage.io_write_bytes_s,
            gpu_util_percent=usage.gpu_util_percent,
            vram_bytes=usage.vram_bytes,
            own=usage.own,
        )
    return message


def spike_title(spike: SpikeFound) -> str:
    """One line for people, without any name of a process: it is recorded."""
    series, left = spike.series, spike.left
    unit = catalogue()[series.metric].unit
    where = "".join(f" {name} {value}" for name, value in series.labels)
    usual = f"usually {_short(left.low, unit)} to {_short(left.high, unit)}"
    return f"{series.metric}{where} reached {_short(left.value, unit)}, {usual}"


def spike_event(spike: SpikeFound, table: ProcessTable | None, time_us: int, boot_us: int) -> Event:
    """The event of a spike, at the moment the range was left."""
    left = spike.left
    message = Spike(series=to_key(spike.series), value=left.value, usual_low=max(left.low, 0.0), usual_high=left.high)
    if table is not None:
        message.processes.CopyFrom(table)
    return Event(time_us=time_us, boot_us=boot_us, spike=message)


def _short(value: float, unit: str) -> str:
    if unit == "bytes/s":
        return f"{max(value, 0.0) / 1048576.0:.1f} MiB/s"
    return f"{max(value, 0.0):.1f} {'%' if unit == 'percent' else unit}"
