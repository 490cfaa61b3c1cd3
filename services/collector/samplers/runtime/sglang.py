"""SGLang (0.4 to 0.5): `/metrics` with `--enable-metrics`, and `/v1/loads`.

Never `/health`: it generates a token. Its counters of tokens move when a request ends, `realtime_tokens_total`
every few dozen steps; `gen_throughput` may be half a minute old and is not read.
"""

from __future__ import annotations

import msgspec

from bus.runtime_names import SGLANG
from services.collector.runtime import exposition
from services.collector.runtime.candidates import Candidate, First
from services.collector.runtime.door import Door, Faulty, Slow
from services.collector.runtime.exposition import Page
from services.collector.runtime.histogram import gather
from services.collector.runtime.past import Past
from services.collector.runtime.reading import ALL, TOTAL, Reading, facts
from services.collector.sampler import NAN

_TIMES = {
    "ttft_ms": ("sglang:time_to_first_token_seconds",),
    "itl_ms": ("sglang:inter_token_latency_seconds", "sglang:time_per_output_token_seconds"),
    "tpot_ms": ("sglang:request_time_per_output_token_seconds",),
    "queue_wait_ms": ("sglang:queue_time_seconds",),
    "e2e_ms": ("sglang:e2e_request_latency_seconds",),
}
WANTED = (
    *(name for names in _TIMES.values() for name in names),
    "sglang:generation_tokens_total",
    "sglang:prompt_tokens_total",
    "sglang:cached_tokens_total",
    "sglang:realtime_tokens_total",
    "sglang:prefill_effective_tokens_total",
    "sglang:num_running_reqs",
    "sglang:num_queue_reqs",
    "sglang:token_usage",
    "sglang:num_retracted_requests_total",
    "process_start_time_seconds",
)
_WITHOUT_METRICS = "start SGLang with --enable-metrics to have its counters"


class Listed(msgspec.Struct):
    id: str
    max_model_len: int | None = None


class Models(msgspec.Struct):
    data: list[Listed] = []


class Speculative(msgspec.Struct):
    accept_rate: float | None = None


class Load(msgspec.Struct):
    """One scheduler in `/v1/loads`."""

    num_running_reqs: float | None = None
    num_waiting_reqs: float | None = None
    token_usage: float | None = None
    speculative: Speculative | None = None


class Loads(msgspec.Struct):
    loads: list[Load] = []
    version: str = ""


class Sglang:
    name = SGLANG
    proof = "/model_info"

    def __init__(self, candidate: Candidate) -> None:
        self._past = Past()
        self._listed: list[Listed] = []

    @staticmethod
    def recognises(first: First) -> bool:
        return "sglang" in first.owners

    @staticmethod
    def proves(body: bytes) -> bool:
        return b'"model_path"' in body and b'"is_generation"' in body

    def look(self, door: Door, now_s: float) -> Reading:
        reading = Reading(self.name)
        ready = door.get("/ready")
        if ready.status == 503:
            reading.loading = frozenset({""})
            return reading
        if not self._listed:
            self._listed = door.json("/v1/models", Models).data
        for listed in self._listed[:1]:
            loads = self._loads(door)
            reading.version = loads.version
            reading.model(listed.id).info = facts(context_length=listed.max_model_len, version=loads.version)
            answer = door.get("/metrics")
            if answer.good:
                self._read(reading, listed.id, exposition.read(answer.body, WANTED), now_s)
            else:
                reading.note = _WITHOUT_METRICS
            self._add_loads(reading, listed.id, loads.loads)
        return reading

    @staticmethod
    def _loads(door: Door) -> Loads:
        try:
            return door.json("/v1/loads?include=core,spec", Loads)
        except (Slow, Faulty):
            return Loads()

    @staticmethod
    def _add_loads(reading: Reading, name: str, loads: list[Load]) -> None:
        """What `/metrics` did not tell, or is not there to tell."""
        told = {series.metric for series in reading.model(name).values}
        running = [load.num_running_reqs for load in loads if load.num_running_reqs is not None]
        waiting = [load.num_waiting_reqs for load in loads if load.num_waiting_reqs is not None]
        usage = [load.token_usage for load in loads if load.token_usage is not None]
        accepted = [one.speculative.accept_rate for one in loads if one.speculative and one.speculative.accept_rate]
        if running and "model.requests_running" not in told:
            reading.put(name, "requests_running", sum(running))
            reading.put(name, "batch_size", sum(running))
        if waiting and "model.requests_waiting" not in told:
            reading.put(name, "requests_waiting", sum(waiting))
        if usage and "model.kv_cache_used_ratio" not in told:
            reading.put(name, "kv_cache_used_ratio", max(usage))
        if accepted:
            reading.put(name, "spec_accept_ratio", sum(accepted) / len(accepted))

    def _read(self, reading: Reading, name: str, page: Page, now_s: float) -> None:
        past = self._past
        counters = {
            "tokens": by_scheduler(page, "sglang:generation_tokens"),
            "prompts": by_scheduler(page, "sglang:prompt_tokens"),
            "cached": by_scheduler(page, "sglang:cached_tokens"),
            "retracted": by_scheduler(page, "sglang:num_retracted_requests"),
            "decoded": by_scheduler(page, "sglang:realtime_tokens", mode="decode"),
            "prefilled": by_scheduler(page, "sglang:realtime_tokens", mode="prefill_compute"),
            "hits": None,
            "effective": None,
        }
        effective = page.get("sglang:prefill_effective_tokens", ())
        modes = {point.labels.get("mode", "") for point in effective}
        if modes:
            parts = {mode: by_scheduler(page, "sglang:prefill_effective_tokens", mode=mode) or 0.0 for mode in modes}
            counters["hits"] = sum(value for mode, value in parts.items() if mode.endswith("_hit"))
            counters["effective"] = sum(parts.values())
        life = exposition.total(page, "process_start_time_seconds")
        past.add(now_s, counters, {ours: gather(page, *theirs) for ours, theirs in _TIMES.items()}, str(life))
        running = by_scheduler(page, "sglang:num_running_reqs")
        reading.model(name).used = (counters["tokens"], running)
        reading.put(name, "requests_running", running)
        reading.put(name, "requests_waiting", by_scheduler(page, "sglang:num_queue_reqs"))
        reading.put(name, "batch_size", running)
        usage = [point.value for point in page.get("sglang:token_usage", ())]
        reading.put(name, "kv_cache_used_ratio", max(usage) if usage else None)
        reading.put(name, "tokens_total", counters["tokens"])
        reading.put(name, "prompt_tokens_total", counters["prompts"], type=ALL)
        reading.put(name, "cached_tokens_total", counters["cached"])
        reading.put(name, "preemptions_total", counters["retracted"])
        reading.put(name, "cache_hit_ratio", past.ratio("hits", "effective"))
        live = "decoded" if counters["decoded"] is not None else "tokens"
        reading.put(name, "tps", live_rate(past, live, running), type=TOTAL)
        if counters["prefilled"] is not None:
            reading.put(name, "prompt_tps", live_rate(past, "prefilled", running), type=TOTAL)
        for metric in _TIMES:
            reading.put_times(name, metric, past, metric)


def live_rate(past: Past, counter: str, running: float | None) -> float:
    """Tokens a second; 0 only where nothing runs and nothing moved, NaN where it is not known.

    The counters that move at a request's end only have no pace: whole requests come at once.
    """
    if running == 0.0 and past.step(counter) == 0.0:
        return 0.0
    return past.pace(counter) if counter != "tokens" else NAN


def by_scheduler(page: Page, name: str, **labels: str) -> float | None:
    """A metric added up over the schedulers (`dp_rank`).

    The ranks of one scheduler all tell its numbers: the largest counts, not their sum. With priorities there is a
    sample for each besides the one for all: those are left out.
    """
    found: dict[str, float] = {}
    for point in page.get(name, ()):
        if point.labels.get("priority") or any(point.labels.get(label) != value for label, value in labels.items()):
            continue
        rank = point.labels.get("dp_rank", "")
        found[rank] = max(point.value, found.get(rank, point.value))
    return sum(found.values()) if found else None
