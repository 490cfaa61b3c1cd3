"""llama.cpp `llama-server`, with one model or as a router of several (checked against the README of b10900).

Looking may not disturb: in a router, every GET that is passed on to a model says `autoload=false` and goes only to
models that `/models` calls loaded. `/slots` wakes a sleeper, so it is asked only while a request is being computed or,
without `--metrics`, of a server that never sleeps.
`/metrics` wakes a sleeper and keeps a model from falling asleep before build 10519.
"""

from __future__ import annotations

import re
from urllib.parse import quote

import msgspec

from bus.model_names import plain_name
from bus.runtime_names import LLAMA_CPP
from services.collector.runtime import exposition
from services.collector.runtime.candidates import Candidate, First
from services.collector.runtime.door import Answer, Door, Faulty, Refused, Slow
from services.collector.runtime.past import Past
from services.collector.runtime.reading import COMPUTED, STREAM, TOTAL, Model, Reading, facts
from services.collector.runtime.slots import Live, Slot, Slots
from services.collector.sampler import NAN

METRICS_LEAVE_SLEEPERS_ALONE = 10519
# Both wait for the step in hand: seconds with a large prompt. Who gives up sooner leaves its question in the queue.
METRICS_DEADLINE_S = 12.0
_BUILD = re.compile(r"b?(\d{3,6})-")
_WITHOUT_METRICS = "start llama-server with --metrics to have its counters"
_KEPT_AWAKE = "its /metrics would keep the model awake; builds from b10519 on can be asked"


class Generation(msgspec.Struct):
    """The part of `default_generation_settings` that is read."""

    n_ctx: int = 0


class Props(msgspec.Struct):
    """The part of `/props` that is read: no template, no path."""

    role: str = ""
    build_info: str = ""
    model_ftype: str = ""
    is_sleeping: bool | None = None
    endpoint_metrics: bool = True
    endpoint_slots: bool = True
    total_slots: int = 0
    default_generation_settings: Generation = msgspec.field(default_factory=Generation)


class Meta(msgspec.Struct):
    n_params: int = 0
    n_ctx_train: int = 0
    size: int = 0
    ftype: str = ""


class Status(msgspec.Struct):
    value: str = ""
    args: list[str] = []


class Listed(msgspec.Struct):
    """A model of `/v1/models`, or of a router's `/models`."""

    id: str
    meta: Meta | None = None
    status: Status | None = None


class Models(msgspec.Struct):
    data: list[Listed] = []


_COUNTERS = {
    name: f"llamacpp:{name}"
    for name in (
        "tokens_predicted_total",
        "tokens_predicted_seconds_total",
        "prompt_tokens_total",
        "prompt_seconds_total",
        "prompt_tokens_cached_total",
        "spec_decode_num_draft_tokens_total",
        "spec_decode_num_accepted_tokens_total",
    )
}


class LlamaServer:
    """One llama-server; remembers what its counters were."""

    name = LLAMA_CPP

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._pasts: dict[str, Past] = {}
        self._slots: dict[str, Slots] = {}

    @staticmethod
    def recognises(first: First) -> bool:
        """By its header, or by what it calls the owner of its models."""
        return first.answer.server.startswith("llama.cpp") or "llamacpp" in first.owners

    def look(self, door: Door, now_s: float) -> Reading:
        reading = Reading(self.name)
        if door.get("/health").status == 503:  # it loads its model; every other path answers 503 too
            reading.loading = frozenset({""})
            return reading
        props = door.json("/props", Props)
        reading.version = props.build_info
        if props.role == "router":
            self._look_at_router(door, now_s, reading)
        else:
            for listed in door.json("/v1/models", Models).data[:1]:
                sleeps = self._candidate.argument("--sleep-idle-seconds")
                self._look_at_model(door, now_s, reading, listed, props, "", sleeps)
        return reading

    def _look_at_router(self, door: Door, now_s: float, reading: Reading) -> None:
        loading = set()
        for listed in door.json("/models", Models).data:
            status = listed.status or Status()
            if status.value == "loading":
                loading.add(plain_name(listed.id))
            elif status.value == "sleeping":
                reading.model(listed.id).asleep = True
            elif status.value == "loaded":
                query = f"?model={quote(listed.id, safe='')}&autoload=false"
                try:
                    props = door.json(f"/props{query}", Props)
                except Refused:  # it was unloaded since
                    continue
                sleeps = "--sleep-idle-seconds" in status.args
                self._look_at_model(door, now_s, reading, listed, props, query, sleeps)
        reading.loading = frozenset(loading)
        self._pasts = {name: past for name, past in self._pasts.items() if name in reading.models}
        self._slots = {name: slots for name, slots in self._slots.items() if name in reading.models}

    def _look_at_model(
        self, door: Door, now_s: float, reading: Reading, listed: Listed, props: Props, query: str, sleeps: bool | None
    ) -> None:
        meta = listed.meta or Meta()
        model = reading.model(listed.id)
        model.info = facts(
            quantisation=props.model_ftype or meta.ftype,
            context_length=props.default_generation_settings.n_ctx or meta.n_ctx_train,
            parameters=meta.n_params,
            size_bytes=meta.size,
            slots=props.total_slots,
            version=props.build_info,
        )
        model.asleep = props.is_sleeping is True
        if model.asleep:
            return
        if not props.endpoint_metrics:
            reading.note = _WITHOUT_METRICS
            if props.endpoint_slots and cannot_sleep(props, sleeps):
                self._look_at_slots_only(door, now_s, reading, model, query)
            return
        if not may_ask_metrics(props, sleeps):
            reading.note = _KEPT_AWAKE
            return
        try:
            answer = door.get(f"/metrics{query}", METRICS_DEADLINE_S)
        except (Slow, Faulty):  # it decodes: nothing is known now, and nothing is wrong
            return
        if answer.good:
            self._read(door, now_s, reading, model, answer, props, query)
        elif answer.status == 501:
            reading.note = _WITHOUT_METRICS

    def _read(
        self, door: Door, now_s: float, reading: Reading, model: Model, answer: Answer, props: Props, query: str
    ) -> None:
        name = model.name
        page = exposition.read(answer.body, ("llamacpp:",))
        past = self._pasts.setdefault(name, Past())
        counters = {ours: exposition.total(page, theirs) for ours, theirs in _COUNTERS.items()}
        # A cache hit is looked for once a prompt: what was found, and what had to be computed.
        if counters["prompt_tokens_cached_total"] is not None and counters["prompt_tokens_total"] is not None:
            counters["prompts"] = counters["prompt_tokens_cached_total"] + counters["prompt_tokens_total"]
        past.add(now_s, counters, life=answer.life)
        running = exposition.total(page, "llamacpp:requests_processing")
        model.used = (counters["tokens_predicted_total"], counters["prompt_tokens_total"], running)
        reading.put(name, "requests_running", running)
        reading.put(name, "requests_waiting", exposition.total(page, "llamacpp:requests_deferred"))
        reading.put(name, "batch_size", exposition.total(page, "llamacpp:n_busy_slots_per_decode"))
        reading.put(name, "tokens_total", counters["tokens_predicted_total"])
        reading.put(name, "prompt_tokens_total", counters["prompt_tokens_total"], type=COMPUTED)
        reading.put(name, "cached_tokens_total", counters["prompt_tokens_cached_total"])
        reading.put(name, "prompt_tps", _speed(past, "prompt_tokens_total", "prompt_seconds_total"), type=STREAM)
        speed = _speed(past, "tokens_predicted_total", "tokens_predicted_seconds_total")
        reading.put(name, "tps", speed, type=STREAM)
        reading.put(name, "tpot_ms", 1000.0 / speed if speed > 0.0 else NAN, type="mean")
        reading.put(name, "cache_hit_ratio", past.ratio("prompt_tokens_cached_total", "prompts"))
        reading.put(
            name,
            "spec_accept_ratio",
            past.ratio("spec_decode_num_accepted_tokens_total", "spec_decode_num_draft_tokens_total"),
        )
        still = past.step("tokens_predicted_total") == 0.0
        if running == 0.0:
            self._slots.pop(name, None)
            # Nothing runs and nothing ended in between: nothing was produced. Else the tokens of whole requests
            # just came at once, and their number says nothing about these seconds.
            reading.put(name, "tps", 0.0 if still else NAN, type=TOTAL)
        elif running and props.endpoint_slots:
            self._read_slots(door, now_s, reading, model, query)

    def _read_slots(self, door: Door, now_s: float, reading: Reading, model: Model, query: str) -> Live | None:
        """Live speed and the fill of the context; None where the slots do not answer."""
        try:
            slots = door.json(f"/slots{query}", list[Slot], METRICS_DEADLINE_S)
        except (Slow, Faulty):
            return None
        live = self._slots.setdefault(model.name, Slots()).read(slots, now_s)
        reading.put(model.name, "tps", live.speed, type=TOTAL)
        reading.put(model.name, "context_used_ratio", live.fill)
        return live

    def _look_at_slots_only(self, door: Door, now_s: float, reading: Reading, model: Model, query: str) -> None:
        """A server without counters: its slots tell what runs, and whether anybody asked since."""
        live = self._read_slots(door, now_s, reading, model, query)
        if live is not None:
            model.used = live.used
            reading.put(model.name, "requests_running", live.running)


def cannot_sleep(props: Props, sleeps: bool | None) -> bool:
    """Whether the build does not know sleep, or was not told to fall asleep."""
    return props.is_sleeping is None or sleeps is False


def may_ask_metrics(props: Props, sleeps: bool | None) -> bool:
    """Whether `/metrics` neither wakes the model nor keeps it awake. `sleeps`: started so that it falls asleep."""
    if cannot_sleep(props, sleeps):
        return True
    build = _BUILD.match(props.build_info)
    return build is not None and int(build[1]) >= METRICS_LEAVE_SLEEPERS_ALONE


def _speed(past: Past, tokens: str, seconds: str) -> float:
    """Tokens a second of computing, of one stream: the seconds are added up over the slots.

    Counters of output move when a request ends: no increase says nothing about the speed.
    """
    spent = past.step(seconds)
    made = past.step(tokens)
    return made / spent if spent > 0.0 and made > 0.0 else NAN
