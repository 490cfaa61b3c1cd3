"""The measuring of one request, walled off: whatever fails in here, the traffic flows on and the failure is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar

from wfmonitor.v1.request_pb2 import Phase, RequestRecord

from bus.clock import boot_us, monotonic_s, wall_us
from bus.model_names import UNNAMED, plain_name
from services.tap.bursts import Bursts
from services.tap.clients import RawHeaders
from services.tap.dialects import Generation
from services.tap.disagreement import Answer, Disagreements
from services.tap.facts import Facts
from services.tap.framing import framing_of
from services.tap.reading import Reading
from services.tap.record import Outcome, RecordBuilder, Start
from services.tap.structured import Judge, form_of

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Figures:
    """What the measuring counts about itself."""

    requests: int = 0
    tokens: int = 0
    unmeasured: int = 0
    """Answers of a model that could not be read: compressed, or of another type."""
    left_out: int = 0
    failures: int = 0
    under_way: dict[str, RecordBuilder] = field(default_factory=dict)


def _guarded(work: Callable[Concatenate[Meter, P], None]) -> Callable[Concatenate[Meter, P], None]:
    def guard(self: Meter, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if self.broken:
            return
        try:
            work(self, *args, **kwargs)
        except Exception as error:
            self.broken = True
            self.figures.failures += 1
            self.figures.under_way.pop(self.id, None)
            self.forget()
            self.on_failure(error)

    return guard


class Meter:
    """Made when a generation is sent; `end` gives its record to `keep`, once."""

    def __init__(
        self,
        figures: Figures,
        bursts: Bursts,
        keep: Callable[[RequestRecord], None],
        on_failure: Callable[[Exception], None],
        on_judged: Callable[[str, bool], None] = lambda _model, _valid: None,
        client_of: Callable[[RawHeaders], str] = lambda _headers: "",
        disagreements: Disagreements | None = None,
    ) -> None:
        """`on_judged(model, valid)`: whether an answer had the form that was asked for.

        `client_of(headers)`: who asks, by consent; "" without it. `disagreements`: where answers to the same prompt are
        compared.
        """
        self.figures = figures
        self.on_failure = on_failure
        self.broken = False
        self.id = ""
        self._bursts = bursts
        self._keep = keep
        self._on_judged = on_judged
        self._client_of = client_of
        self._client = ""
        self._body = b""
        self._request_bytes = 0
        self._judge: Judge | None = None
        self._disagreements = disagreements
        self._answer: Answer | None = None
        self._builder: RecordBuilder | None = None
        self._generation: Generation | None = None
        self._reading: Reading | None = None
        self._status = 0
        self._concurrent = 0

    @_guarded
    def came_from(self, headers: RawHeaders) -> None:
        """Note who asks, where the person agreed to that."""
        self._client = self._client_of(headers)

    @_guarded
    def asked(self, body: object) -> None:
        """Note what the client asks, where all of it is at hand; it is looked into once the answer is on its way."""
        self._body = body if isinstance(body, bytes) else b""
        self._request_bytes = len(self._body)

    @_guarded
    def sent(self, generation: Generation, route: str, model: str, runtime: str, time_s: float) -> None:
        """Note that the whole prompt went to the runtime at `time_s`: times count from there."""
        figures = self.figures
        now_us = wall_us() - round((monotonic_s() - time_s) * 1e6)
        if not self.id:  # a prompt that is sent again, over a new connection, is the same request
            figures.requests += 1
            # The time and the count since the start: no two alike, in the order of time.
            self.id = f"{now_us:016x}-{figures.requests:x}"
            self._concurrent = len(figures.under_way)
        start = Start(self.id, route, plain_name(model), runtime, time_s, now_us, boot_us(), self._concurrent)
        self._builder = RecordBuilder(start)
        self._generation = generation
        figures.under_way[self.id] = self._builder
        self._bursts.add(self.id, start.model, Phase.PHASE_SENT, [], self._request_bytes, time_s)
        if self._answer is None and self._disagreements is not None:
            self._answer = self._disagreements.begin(start.model, self._body)

    @_guarded
    def answered(self, status: int, content_type: str, content_encoding: str) -> None:
        """Note the head of the answer."""
        self._status = status
        framing = framing_of(content_type) if content_encoding.lower() in ("", "identity") else None
        if framing is None or self._generation is None:
            self.figures.unmeasured += 1
        else:
            self._reading = Reading(framing, self._generation.dialect())
            if status < 400 and (form := form_of(self._body)):
                self._judge = Judge(form)
                self._reading.listeners.append(self._judge.hear)
            if self._answer is not None:
                self._reading.listeners.append(self._answer.hear)
        self._body = b""

    @_guarded
    def data(self, data: bytes, time_s: float) -> None:
        """Read bytes of the answer that came at `time_s`, monotonic; the client has them already."""
        if self._reading is None or self._builder is None:
            return
        groups = self._reading.feed(data, time_s)
        if groups:
            before = self._builder.tokens
            self._builder.add(groups)
            self.figures.tokens += self._builder.tokens - before
            self._bursts.add(self.id, self._builder.start.model, Phase.PHASE_FLOWING, groups)

    def forget(self) -> None:
        """Hold nothing of the answer any more."""
        if self._answer is not None:
            self._answer.end()
            self._answer = None

    @_guarded
    def end(self, outcome: Outcome) -> None:
        """Make the record."""
        builder = self._builder
        if builder is None:
            return
        self._builder = None
        self.figures.under_way.pop(self.id, None)
        end_s = monotonic_s()
        facts, streamed, groups = Facts(), False, []
        if self._reading is not None:
            groups = self._reading.end(end_s)
            builder.add(groups)
            facts, streamed = self._reading.facts, self._reading.streamed
            self.figures.left_out += self._reading.left_out
        self.forget()
        if builder.start.model == UNNAMED and facts.model:
            builder.start = builder.start._replace(model=plain_name(facts.model))
        self._bursts.add(self.id, builder.start.model, Phase.PHASE_ENDED, groups)
        if self._judge is not None and outcome is Outcome.COMPLETE:
            for valid in self._judge.verdicts(facts.finish_reason):
                self._on_judged(builder.start.model, valid)
        record = builder.finish(end_s, self._status, facts, outcome, streamed=streamed)
        record.client = self._client
        self._keep(record)
