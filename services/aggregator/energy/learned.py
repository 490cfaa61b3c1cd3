"""What is known of models from all their lives: lifetime energy, how fast they ran, and what a token takes alone."""

from collections import defaultdict
from collections.abc import Iterable

from wfmonitor.v1.sample_pb2 import SampleBatch

from services.aggregator.energy.slowdown import Baselines
from services.aggregator.energy.speeds import SpeedWeek

LIFETIME = "model.energy_lifetime"


class Learned:
    """Grows in memory; memory.py keeps it. What the file does not have yet is named by `changed` and `changed_days`."""

    def __init__(self) -> None:
        self.baselines = Baselines()
        self.weeks: defaultdict[str, SpeedWeek] = defaultdict(SpeedWeek)
        self.lifetimes_s: dict[str, float] = {}
        """∫ E dt over all lives of a model, in seconds at full energy (CONTRACTS §9)."""
        self.changed: set[str] = set()
        self.changed_days: set[tuple[str, int]] = set()

    def lifetime_s(self, model: str) -> float:
        return self.lifetimes_s.get(model, 0.0)

    def reach(self, model: str, lifetime_s: float) -> None:
        """Its lifetime energy is at least so much: it never falls."""
        if lifetime_s > self.lifetime_s(model):
            self.lifetimes_s[model] = lifetime_s
            self.changed.add(model)

    def ran(self, model: str, day: int, tps: float) -> None:
        """It streamed for a second at this speed."""
        self.weeks[model].add(day, tps)
        self.changed_days.add((model, day))

    def all_changed(self) -> None:
        """The file has nothing of it any more."""
        self.baselines.changed.update(self.baselines.rows)
        self.changed.update(self.lifetimes_s)
        self.changed_days.update((model, day) for model, week in self.weeks.items() for day in week.days)


def told_lifetimes(batches: Iterable[SampleBatch]) -> dict[str, float]:
    """The highest lifetime energy that batches of rows tell, by model.

    What was published before a kill, and had not reached the database, stands in the producer's own ring file.
    """
    highest: dict[str, float] = {}
    columns: dict[tuple[str, int], int] = {}  # where it stands in the rows of a schema
    for batch in batches:
        table = (batch.source, batch.schema)
        for column, key in enumerate(batch.series):
            if key.metric == LIFETIME:
                columns[table] = column
        if table in columns:
            model = batch.source.removeprefix("model:")
            rows = len(batch.times_us)
            told = batch.values[columns[table] * rows : (columns[table] + 1) * rows]
            highest[model] = max([highest.get(model, 0.0), *(value for value in told if value == value)])
    return highest
