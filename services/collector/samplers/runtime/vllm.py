"""vLLM (names of 0.6 to 0.16): `/metrics` is always on and costs it nothing worth speaking of."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from bus.runtime_names import VLLM
from services.collector.runtime import exposition
from services.collector.runtime.candidates import Candidate, First
from services.collector.runtime.door import Door, Refused
from services.collector.runtime.exposition import Page
from services.collector.runtime.histogram import gather
from services.collector.runtime.past import Past
from services.collector.runtime.reading import ALL, MOST_MODELS, TOTAL, Reading, facts, reason_of
from services.collector.sampler import NAN

_COUNTERS = {
    "tokens": ("vllm:generation_tokens",),
    "prompts": ("vllm:prompt_tokens",),
    "cached": ("vllm:prompt_tokens_cached",),
    "hits": ("vllm:prefix_cache_hits", "vllm:gpu_prefix_cache_hits"),
    "queries": ("vllm:prefix_cache_queries", "vllm:gpu_prefix_cache_queries"),
    "preemptions": ("vllm:num_preemptions",),
    "drafted": ("vllm:spec_decode_num_draft_tokens",),
    "accepted": ("vllm:spec_decode_num_accepted_tokens",),
}
_TIMES = {
    "ttft_ms": ("vllm:time_to_first_token_seconds",),
    "itl_ms": ("vllm:inter_token_latency_seconds",),
    "tpot_ms": ("vllm:request_time_per_output_token_seconds", "vllm:time_per_output_token_seconds"),
    "queue_wait_ms": ("vllm:request_queue_time_seconds",),
    "e2e_ms": ("vllm:e2e_request_latency_seconds",),
}
_GAUGES = ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc")
_OTHERS = ("vllm:gpu_cache_usage_perc", "vllm:request_success", "process_start_time_seconds")
WANTED = (
    *(name for names in _COUNTERS.values() for name in names),
    *(name for names in _TIMES.values() for name in names),
    *_GAUGES,
    *_OTHERS,
)


class Listed(msgspec.Struct):
    id: str
    max_model_len: int | None = None
    root: str | None = None
    """What was loaded: the same for all names that one model is served under."""
    parent: str | None = None
    """Set for a LoRA adapter: not a model of its own."""


class Models(msgspec.Struct):
    data: list[Listed] = []


class Version(msgspec.Struct):
    version: str


class Vllm:
    name = VLLM
    proof = "/metrics"

    def __init__(self, candidate: Candidate) -> None:
        self._pasts: dict[str, Past] = {}
        self._version = ""
        self._listed: list[Listed] | None = None

    @staticmethod
    def recognises(first: First) -> bool:
        return "vllm" in first.owners

    @staticmethod
    def proves(body: bytes) -> bool:
        """By its metrics: with an API key set they are all it tells."""
        return b"\nvllm:" in body

    def look(self, door: Door, now_s: float) -> Reading:
        reading = Reading(self.name)
        if self._listed is None:
            self._describe(door)
        reading.version = self._version
        answer = door.get("/metrics")
        if not answer.good:
            raise Refused("/metrics", answer.status)
        page = exposition.read(answer.body, WANTED)
        reading.began_wall_s = exposition.total(page, "process_start_time_seconds")
        names = _models(page)[:MOST_MODELS]
        for listed in _served(self._listed or (), names):
            reading.model(listed.id).info = facts(context_length=listed.max_model_len, version=self._version)
        self._pasts = {name: past for name, past in self._pasts.items() if name in names}
        for name in names:
            self._read(reading, name, _of_model(page, name), now_s)
        return reading

    def _describe(self, door: Door) -> None:
        """What does not change while it runs: asked once."""
        try:
            self._version = door.json("/version", Version).version
            self._listed = door.json("/v1/models", Models).data
        except Refused:  # it wants an API key for these, but not for its metrics
            self._listed = []

    def _read(self, reading: Reading, name: str, page: Page, now_s: float) -> None:
        past = self._pasts.setdefault(name, Past())
        counters = {ours: exposition.total(page, *theirs) for ours, theirs in _COUNTERS.items()}
        life = exposition.total(page, "process_start_time_seconds")
        past.add(now_s, counters, {ours: gather(page, *theirs) for ours, theirs in _TIMES.items()}, str(life))
        running = exposition.total(page, "vllm:num_requests_running")
        reading.model(name).used = (counters["tokens"], running)
        reading.put(name, "requests_running", running)
        reading.put(name, "requests_waiting", exposition.total(page, "vllm:num_requests_waiting"))
        reading.put(name, "batch_size", running)
        reading.put(name, "kv_cache_used_ratio", _usage(page))
        reading.put(name, "tokens_total", counters["tokens"])
        reading.put(name, "prompt_tokens_total", counters["prompts"], type=ALL)
        reading.put(name, "cached_tokens_total", counters["cached"])
        reading.put(name, "preemptions_total", counters["preemptions"])
        # Counted in each step of the engine, so no increase is a rate of 0: it waits, or fills a prompt.
        reading.put(name, "tps", past.rate("tokens"), type=TOTAL)
        reading.put(name, "prompt_tps", past.rate("prompts"), type=TOTAL)
        reading.put(name, "cache_hit_ratio", past.ratio("hits", "queries"))
        reading.put(name, "spec_accept_ratio", past.ratio("accepted", "drafted"))
        for metric in _TIMES:
            reading.put_times(name, metric, past, metric)
        ended: dict[str, float] = {}
        for labels, value in page.get("vllm:request_success", ()):
            reason = reason_of(labels.get("finished_reason", ""))
            ended[reason] = ended.get(reason, 0.0) + value
        for reason, count in ended.items():
            reading.put(name, "requests_total", count, reason=reason)


def _served(listed: Iterable[Listed], measured: Collection[str]) -> list[Listed]:
    """One entry a model: of several names that it is served under the one of its metrics, else the first."""
    found: dict[str, Listed] = {}
    for one in listed:
        if one.parent is None:
            root = one.root or one.id
            if root not in found or (one.id in measured and found[root].id not in measured):
                found[root] = one
    return list(found.values())


def _models(page: Page) -> list[str]:
    names = (point.labels.get("model_name", "") for gauge in _GAUGES for point in page.get(gauge, ()))
    return [name for name in dict.fromkeys(names) if name]


def _of_model(page: Page, name: str) -> Page:
    """The samples of one model, all its engines; what carries no model's name belongs to all."""
    return {
        metric: [point for point in points if point.labels.get("model_name", name) == name]
        for metric, points in page.items()
    }


def _usage(page: Page) -> float | None:
    """The fullest cache among the engines: the one that will have to put requests off."""
    for metric in ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"):
        if page.get(metric):
            return max((point.value for point in page[metric]), default=NAN)
    return None
