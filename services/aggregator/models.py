"""The models' ears and memory: tokens in, series and events out, what is learned of them kept over restarts."""

from collections.abc import Iterator

from wfmonitor.v1.request_pb2 import RequestRecord
from wfmonitor.v1.sample_pb2 import SampleBatch

from bus import topics
from bus.clock import wall_us
from bus.context import ServiceContext
from bus.settings_mirror import Value
from services.aggregator.batch import Batch
from services.aggregator.disagreement import DisagreementEar
from services.aggregator.drift_watch import DriftWatch
from services.aggregator.energy.board import Board
from services.aggregator.energy.learned import LIFETIME, told_lifetimes
from services.aggregator.energy.memory import Memory
from services.aggregator.model_voice import ModelVoice
from services.aggregator.recording import Recording
from services.aggregator.spread import Spread
from services.aggregator.store import Store

PROFILE = "energy.profile"
_DAY_US = 86_400_000_000


class Models:
    """Made when the service starts; `save` before each flush, so that no row on disk is ahead of what is known."""

    def __init__(
        self, ctx: ServiceContext, store: Store, recording: Recording, spread: Spread, drift: DriftWatch
    ) -> None:
        memory = Memory(store, lambda: recording.allows(LIFETIME), ctx.log)
        for model, lifetime_s in told_lifetimes(_own_rows(ctx)).items():
            memory.learned.reach(model, lifetime_s)
        self._memory = memory
        self.board = Board(memory.learned, ctx.settings.text(PROFILE), lambda: wall_us() / _DAY_US)
        ctx.subscribe([topics.TOKENS], ModelVoice(self.board, ctx.samples, ctx.emit, spread.tokens).on_tokens)
        self._disagreement = DisagreementEar(self.board.disagree)
        self._drift = drift
        ctx.subscribe([topics.REQUESTS], lambda _topic, payload: self._drift.request(RequestRecord.FromString(payload)))
        spread.hearers.append(self._hear_rows)
        ctx.settings.on_change(PROFILE, self._choose)

    def _hear_rows(self, batch: Batch) -> None:
        """Rows that came in, each once."""
        self._disagreement.hear(batch)
        self._drift.rows(batch)

    async def save(self) -> None:
        """Writes down what was learned."""
        await self._memory.save()
        await self._drift.save()

    def _choose(self, _key: str, value: Value) -> None:
        self.board.choose(str(value))


def _own_rows(ctx: ServiceContext) -> Iterator[SampleBatch]:
    """What this service told of models in its earlier lives, as far as its ring file holds it."""
    prefix = topics.sample("model:")[:-1]
    for row in ctx.samples.held(0, 0).rows:
        if row.topic.startswith(prefix):
            yield SampleBatch.FromString(row.payload)
