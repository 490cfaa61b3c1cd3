"""Once a second: the new samples of power into the account, its counters and the goodput onto the bus, the costs of
requests to whoever keeps them. Without power it looks for some once a second; without targets there is no goodput.
"""

from collections.abc import Callable

from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord, TokenBurst
from wfmonitor.v1.sample_pb2 import RateGroup

from bus.clock import boot_us, wall_us
from bus.resolution import digits_of, told
from bus.samples import SampleProducer, SampleTable
from bus.series import Series
from services.aggregator.joules.account import GPU, PER_TOKEN_S, Account, kind_of
from services.aggregator.joules.activity import Activity
from services.aggregator.joules.costs import Costs, MeanEnergy
from services.aggregator.joules.goodput import Goodput, Row
from services.aggregator.joules.integral import SECOND_US
from services.aggregator.joules.readings import Readings
from services.aggregator.rings import Rings

# A second is closed so late: a driver tells of its processes a second later, a runtime's sampler up to two.
LAG_S = 4
# After a sleep of the machine, or of ours, what lies further back is no longer in the rings.
_MOST_BACK_S = 240

Tell = Callable[[RequestRecord, RequestCost], None]


class JoulesVoice:
    """`tell` is called with each request's record and its cost."""

    def __init__(
        self, rings: Rings, samples: SampleProducer, tell: Tell, energy_mean: MeanEnergy = lambda _record: None
    ) -> None:
        self._readings = Readings(rings, boot_us())
        self._samples = samples
        self._tell = tell
        self._activity = Activity()
        self.account = Account(self._activity)
        self.goodput = Goodput()
        self._costs = Costs(self.account, self._activity, energy_mean)
        self._tables: dict[str, SampleTable] = {}
        self._told: dict[str, tuple[float, int]] = {}
        """Model → (its joules when they last grew, the second of that)."""
        self._closed: int | None = None
        """The newest closed second; None while no power is measured."""

    @property
    def powered(self) -> bool:
        """Whether any power is measured."""
        return self._closed is not None

    def on_tokens(self, burst: TokenBurst) -> None:
        """Tokens arrived, or a request began or ended."""
        if self.powered:
            self._activity.burst(burst, boot_us())

    def on_request(self, record: RequestRecord) -> None:
        """A request ended."""
        self._costs.heard(record, self.powered)

    def tick(self, now_us: int) -> None:
        """Close the seconds that everybody has passed, and tell."""
        now = now_us // SECOND_US
        if self._closed is None:
            if self._readings.powered:
                self._closed = now - 1
        else:
            self._readings.take()
            for number in range(max(self._closed + 1, now - _MOST_BACK_S), now - LAG_S):
                self.account.close(self._readings.second(number))
                self._closed = number
        self._write(now_us)
        for record, cost in self._costs.due(now - LAG_S if self._closed is None else self._closed):
            self._tell(record, cost)

    def _write(self, now_us: int) -> None:
        time_us = wall_us() - (boot_us() - now_us)
        rows = self._rows(now_us // SECOND_US)
        for source, row in self.goodput.rows(now_us / SECOND_US).items():
            rows.setdefault(source, {}).update(row)
        for source, row in rows.items():
            table = self._tables.get(source)
            if table is None:
                table = self._tables[source] = self._samples.table(source, RateGroup.RATE_GROUP_TREND, 1.0)
            columns = tuple(row)
            values = [told(value, digits_of(series)) for series, value in row.items()]
            table.write(columns, (time_us,), (now_us,), values)

    def _rows(self, now: int) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        for device, level in self.account.idle.items():
            gpu = kind_of(device) == GPU
            source = device if gpu else "system"
            row = rows.setdefault(source, {})
            row[Series(f"{source.partition(':')[0]}.idle_power_w", source, () if gpu else (("type", device),))] = (
                level.watts
            )
        for (device, what), joules in self.account.split.items():
            gpu = kind_of(device) == GPU
            source = device if gpu else "system"
            kind = what if gpu else f"{device}/{what}"
            rows[source][Series(f"{source.partition(':')[0]}.energy_split_j", source, (("type", kind),))] = joules
        for model in {model for model, _, _ in self.account.models}:
            if (of_model := self._model_row(model, now)) is not None:
                rows[f"model:{model}"] = of_model
        return rows

    def _model_row(self, model: str, now: int) -> Row | None:
        """Return a model's row, for as long as it takes energy and a minute after."""
        source = f"model:{model}"
        row: Row = {}
        for (name, kind, attribution), joules in self.account.models.items():
            if name == model:
                row[Series("model.energy_j", source, (("attribution", attribution), ("type", kind)))] = joules
        total = sum(row.values())
        before, since = self._told.get(model, (-1.0, now))
        if total > before:
            since = now
        self._told[model] = (total, since)
        if now - since > PER_TOKEN_S:
            return None
        row[Series("model.joules_per_token", source)] = self.account.per_token(model)
        return row
