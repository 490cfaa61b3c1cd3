"""What lies in the aggregator's SQLite file: one class a table."""

from typing import Any

import peewee


class TableRow(peewee.Model):
    """A table of samples: one producer's rows of one source at one rate group."""

    id = peewee.IntegerField(primary_key=True)
    producer = peewee.TextField()
    source = peewee.TextField()
    rate_group = peewee.IntegerField()
    rate_hz = peewee.DoubleField()  # of its newest rows
    line = peewee.IntegerField()  # the table on whose clock its rows lie; chunks are a line's

    class Meta:
        table_name = "sample_table"


class ColumnRow(peewee.Model):
    """A series in a table. Chunks name it by this number."""

    id = peewee.IntegerField(primary_key=True)
    table_id = peewee.IntegerField()
    metric = peewee.TextField()
    source = peewee.TextField()
    labels = peewee.TextField()  # JSON object, names sorted

    class Meta:
        table_name = "sample_column"


class ChunkRow(peewee.Model):
    """Rows of one line of tables over some time (see chunks.py). No index on it: the process keeps all spans in memory,
    and rows only ever added at the end make each commit touch the fewest pages.
    """

    id = peewee.IntegerField(primary_key=True)
    tier = peewee.IntegerField()  # 0 raw; 1 seconds. Minutes, hours and days get tables of their own.
    level = peewee.IntegerField()  # how often it was merged: 0 ten seconds, 1 ten minutes, 2 an hour
    line = peewee.IntegerField()
    start_us = peewee.IntegerField()
    end_us = peewee.IntegerField()
    rows = peewee.IntegerField()
    samples = peewee.IntegerField()  # values that are there
    size = peewee.IntegerField()  # bytes of head and body
    head = peewee.BlobField()
    body = peewee.BlobField()

    class Meta:
        table_name = "chunk"


class CursorRow(peewee.Model):
    """Up to where a producer's batches are in chunks; written in the transaction of those chunks."""

    producer = peewee.TextField(primary_key=True)
    epoch = peewee.IntegerField()
    seq = peewee.IntegerField()

    class Meta:
        table_name = "cursor"
        without_rowid = True


class LossRow(peewee.Model):
    """Samples that were accepted and are gone, counted exactly."""

    id = peewee.IntegerField(primary_key=True)
    time_us = peewee.IntegerField()
    reason = peewee.TextField()  # disk_full, unreadable, quarantined, gap
    what = peewee.TextField()  # table or file
    samples = peewee.IntegerField()

    class Meta:
        table_name = "loss"


class EventRow(peewee.Model):
    """An Event of the bus, kept to be marked on charts."""

    id = peewee.TextField(primary_key=True)
    time_us = peewee.IntegerField(index=True)
    kind = peewee.TextField()
    source = peewee.TextField()
    payload = peewee.BlobField()  # wfmonitor.v1.Event

    class Meta:
        table_name = "event"
        without_rowid = True


class InfoRow(peewee.Model):
    """What a thing is (a GPU's name, a model's quantisation), with the time each value was first seen."""

    id = peewee.IntegerField(primary_key=True)
    subject = peewee.TextField()  # "gpu:0", "model:llama3", "cpu"
    name = peewee.TextField()
    value = peewee.TextField()
    time_us = peewee.IntegerField()

    class Meta:
        table_name = "info"
        indexes = ((("subject", "name", "time_us"), False),)


class ModelRow(peewee.Model):
    """What only grows over all lives of a model."""

    model = peewee.TextField(primary_key=True)
    lifetime_energy_s = peewee.DoubleField()  # ∫ E dt, seconds at full energy

    class Meta:
        table_name = "model"
        without_rowid = True


class DriftRow(peewee.Model):
    """A stream's baseline, and how far it has moved from it (see drift.py)."""

    metric = peewee.TextField()
    model = peewee.TextField()
    kind = peewee.TextField()
    count = peewee.IntegerField()
    mean = peewee.DoubleField()
    squares = peewee.DoubleField()
    up = peewee.DoubleField()
    down = peewee.DoubleField()
    drifts = peewee.BooleanField()

    class Meta:
        table_name = "drift"
        primary_key = peewee.CompositeKey("metric", "model", "kind")
        without_rowid = True


class DriftBeforeRow(DriftRow):
    """The baseline from before a person had it learned anew, the first time if several, to be restored."""

    class Meta:
        table_name = "drift_before"
        primary_key = peewee.CompositeKey("metric", "model", "kind")
        without_rowid = True


class SpeedRow(peewee.Model):
    """How fast a model ran on one day (see energy/speeds.py)."""

    model = peewee.TextField()
    day = peewee.IntegerField()  # since 1970, UTC
    seconds = peewee.BlobField()  # a histogram

    class Meta:
        table_name = "model_speed"
        primary_key = peewee.CompositeKey("model", "day")
        without_rowid = True


class BaselineRow(peewee.Model):
    """What a model takes for a token while no other runs (see energy/slowdown.py)."""

    model = peewee.TextField()
    batch = peewee.IntegerField()
    context = peewee.IntegerField()
    weight = peewee.DoubleField()
    log_sum = peewee.DoubleField()
    at_days = peewee.DoubleField()  # since 1970

    class Meta:
        table_name = "model_baseline"
        primary_key = peewee.CompositeKey("model", "batch", "context")
        without_rowid = True


# Grows when a table changes its shape, or a chunk its meaning.
LAYOUT = 4
MODELS: list[type[peewee.Model]] = [
    TableRow,
    ColumnRow,
    ChunkRow,
    CursorRow,
    LossRow,
    EventRow,
    InfoRow,
    ModelRow,
    SpeedRow,
    BaselineRow,
    DriftRow,
    DriftBeforeRow,
]


def tuples(query: Any) -> list[tuple[Any, ...]]:
    """The rows of a query as plain tuples: a hundred times cheaper than model objects where there are many."""
    return list(query.tuples())
