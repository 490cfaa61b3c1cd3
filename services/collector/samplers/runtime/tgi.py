"""Hugging Face text-generation-inference (2 and 3). Its names lack `_seconds`, but they are seconds."""

from __future__ import annotations

import msgspec

from bus.runtime_names import TGI
from services.collector.runtime import exposition
from services.collector.runtime.candidates import Candidate, First
from services.collector.runtime.door import Closed, Door, Faulty, Slow
from services.collector.runtime.exposition import Page
from services.collector.runtime.histogram import gather
from services.collector.runtime.past import Past
from services.collector.runtime.reading import Reading, facts

_TIMES = {
    "itl_ms": ("tgi_request_mean_time_per_token_duration",),
    "queue_wait_ms": ("tgi_request_queue_duration",),
    "e2e_ms": ("tgi_request_duration",),
}
_TOKENS = "tgi_request_generated_tokens_sum"
_INPUT = "tgi_request_input_length_sum"
WANTED = (
    *(name for names in _TIMES.values() for name in names),
    _TOKENS,
    _INPUT,
    "tgi_batch_current_size",
    "tgi_queue_size",
    "tgi_request_failure",
)
# Where newer builds answer /metrics besides, or instead.
METRICS_PORT = 9000


class Info(msgspec.Struct):
    """The part of `/info` that is read."""

    model_id: str
    model_dtype: str | None = ""
    max_total_tokens: int | None = 0
    version: str | None = ""


class Tgi:
    name = TGI
    proof = "/info"

    def __init__(self, candidate: Candidate) -> None:
        self._past = Past()
        self._info: Info | None = None

    @staticmethod
    def recognises(first: First) -> bool:
        """It calls the owner of a model by the model's name: the proof decides."""
        return False

    @staticmethod
    def proves(body: bytes) -> bool:
        return b'"max_total_tokens"' in body and bool(msgspec.json.decode(body, type=Info).model_id)

    def look(self, door: Door, now_s: float) -> Reading:
        reading = Reading(self.name)
        if self._info is None:
            self._info = door.json("/info", Info)
        info = self._info
        reading.version = info.version or ""
        reading.model(info.model_id).info = facts(
            quantisation=info.model_dtype, context_length=info.max_total_tokens, version=info.version
        )
        page = self._page(door)
        if page is None:
            reading.note = "its /metrics does not answer"
        else:
            self._read(reading, info.model_id, page, now_s)
        return reading

    @staticmethod
    def _page(door: Door) -> Page | None:
        answer = door.get("/metrics")
        if answer.status == 404:
            try:
                answer = Door(METRICS_PORT, door.host, door.deadline_s).get("/metrics")
            except (Closed, Slow, Faulty):
                return None
        return exposition.read(answer.body, WANTED) if answer.good else None

    def _read(self, reading: Reading, name: str, page: Page, now_s: float) -> None:
        past = self._past
        tokens, prompts = exposition.total(page, _TOKENS), exposition.total(page, _INPUT)
        past.add(
            now_s,
            {"tokens": tokens, "prompts": prompts},
            {ours: gather(page, *theirs) for ours, theirs in _TIMES.items()},
        )
        batch = exposition.total(page, "tgi_batch_current_size")
        reading.model(name).used = (tokens, batch)
        reading.put(name, "requests_running", batch)
        reading.put(name, "batch_size", batch)
        reading.put(name, "requests_waiting", exposition.total(page, "tgi_queue_size"))
        reading.put(name, "tokens_total", tokens)
        reading.put(name, "prompt_tokens_total", prompts, type="all")
        reading.put(name, "errors_total", exposition.total(page, "tgi_request_failure"))
        for metric in _TIMES:
            reading.put_times(name, metric, past, metric)
