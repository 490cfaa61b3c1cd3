"""The aggregator's own series (CONTRACTS §1, monitor and storage), once a second, published like everybody's."""

from collections.abc import Callable, Iterable, Mapping
from math import nan
from typing import NamedTuple

from wfmonitor.v1.health_pb2 import Health
from wfmonitor.v1.metrics_service_pb2 import StorageResponse, StorageTier
from wfmonitor.v1.sample_pb2 import RateGroup

from bus.clock import boot_us, monotonic_s, wall_us
from bus.resolution import digits_of, told
from bus.samples import SampleProducer
from bus.series import Series
from bus.supervision import LISTENER, SERVICES
from services.aggregator.ingest import Ingest
from services.aggregator.store import Store
from services.aggregator.tiers import Limits

MONITOR = "monitor:aggregator"
STORAGE = "storage"
OWN_COLUMNS = (
    Series("monitor.bus_gap_total", MONITOR),
    Series("monitor.bus_msgs_s", MONITOR),
    Series("monitor.queue_depth", MONITOR),
)
# db_bytes and wal_bytes are read by the collector, over the files of all services.
STORAGE_COLUMNS = (
    Series("storage.commit_ms", STORAGE),
    Series("storage.raw_bytes_per_sample", STORAGE),
    Series("storage.oldest_raw_age_s", STORAGE),
)
# The listener counts them; it has no samples of its own.
RESTART_COLUMNS = tuple(Series("monitor.restarts_total", f"monitor:{service}") for service in SERVICES)
COLUMNS = (*OWN_COLUMNS, *STORAGE_COLUMNS, *RESTART_COLUMNS)
DIGITS = [digits_of(series) for series in COLUMNS]


class RawTier(NamedTuple):
    """What lies in the raw tier's chunks; bytes without SQLite's own."""

    size: int
    samples: int
    oldest_us: int  # 0: it is empty

    @property
    def bytes_per_sample(self) -> float:
        return self.size / self.samples if self.samples else nan


class Figures:
    """Reads the store's accounts; the sums over all chunks are made anew with each commit only."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._commits = -1
        self._raw = RawTier(0, 0, 0)

    def raw(self) -> RawTier:
        if self._store.db.commits != self._commits:
            self._commits = self._store.db.commits
            refs = list(self._store.index)
            self._raw = RawTier(sum(r.size for r in refs), sum(r.samples for r in refs), self._store.index.oldest_us)
        return self._raw

    async def storage(self, limits: Limits) -> StorageResponse:
        """The answer of MetricsService.Storage."""
        raw, db = self.raw(), self._store.db
        tier = StorageTier(
            name="raw",
            bytes=raw.size,
            budget_bytes=limits.raw_budget_bytes,
            samples=raw.samples,
            oldest_us=raw.oldest_us,
            bytes_per_sample=raw.bytes_per_sample,
        )
        return StorageResponse(
            tiers=[tier], db_bytes=db.file_bytes, wal_bytes=db.wal_bytes, lost_samples=self._store.lost_samples
        )

    def row(self, now_us: int) -> list[float]:
        """Values of the storage series, in the order of STORAGE_COLUMNS."""
        raw, db = self.raw(), self._store.db
        age_s = (now_us - raw.oldest_us) / 1e6 if raw.oldest_us else nan
        commit_ms = db.commit_ms if db.commits else nan
        return [commit_ms, raw.bytes_per_sample, age_s]


class OwnFigures:
    """Reads itself and writes one row."""

    def __init__(
        self,
        samples: SampleProducer,
        ingest: Ingest,
        figures: Figures,
        received: Callable[[], int],
        healths: Callable[[], Iterable[Health]],
    ) -> None:
        self._table = samples.table(MONITOR, RateGroup.RATE_GROUP_TREND, 1.0)
        self._ingest = ingest
        self._figures = figures
        self._received = received
        self._healths = healths
        self._before = (monotonic_s(), received())

    def write(self) -> None:
        now_s, received = monotonic_s(), self._received()
        span_s = now_s - self._before[0]
        messages_s = (received - self._before[1]) / span_s if span_s > 0 else nan
        self._before = (now_s, received)
        counters = self._ingest.counters
        own = [counters["gaps_total"], messages_s, counters["held_back"]]
        now_us = wall_us()
        values = map(told, [*own, *self._figures.row(now_us), *restarts(self._healths())], DIGITS)
        self._table.write(COLUMNS, [now_us], [boot_us()], list(values))


def restarts(healths: Iterable[Health]) -> list[float]:
    """Restarts of each service since supervision began, as RESTART_COLUMNS; NaN until the listener told."""
    counters: Mapping[str, float] = next((health.counters for health in healths if health.service == LISTENER), {})
    return [counters.get(f"restarts_total:{service}", nan) for service in SERVICES]
