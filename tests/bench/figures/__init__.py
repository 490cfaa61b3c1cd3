"""All figures, in the order of the table. A new one: its file, and its line here."""

from tests.bench.figures import (
    client_latency,
    cost_per_sample,
    idle_cpu,
    idle_memory,
    idle_writes,
    ingest,
    page_cpu,
    painted_latency,
    range_query,
    slots_filled,
    start,
    storage,
    tick_jitter,
    values,
)

FIGURES = (
    start.FIGURE,
    idle_cpu.FIGURE,
    idle_memory.FIGURE,
    idle_writes.FIGURE,
    page_cpu.FIGURE,
    cost_per_sample.FIGURE,
    tick_jitter.IDLE,
    tick_jitter.BUSY,
    client_latency.FIGURE,
    painted_latency.FIGURE,
    slots_filled.FIGURE,
    ingest.FIGURE,
    storage.FIGURE,
    range_query.FIGURE,
    values.FIGURE,
)
