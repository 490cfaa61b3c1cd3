"""LiteLLM, a proxy in front of other runtimes (1.5x to 1.8x): `/metrics` where its prometheus callback is on.

Never `/health`: it sends a request to every model behind it, paid ones included. Labels that name a user, a key or
a team are not read: samples are added up over everything but the model.
"""

from __future__ import annotations

from itertools import islice

from bus.runtime_names import LITELLM
from services.collector.runtime import exposition
from services.collector.runtime.candidates import Candidate, First
from services.collector.runtime.door import Door, Refused
from services.collector.runtime.exposition import Page, Point
from services.collector.runtime.histogram import gather
from services.collector.runtime.past import Past
from services.collector.runtime.reading import ALL, MOST_MODELS, Reading

_E2E = "litellm_request_total_latency_metric"
_TTFT = "litellm_llm_api_time_to_first_token_metric"
_TIMES = {"e2e_ms": (_E2E,), "ttft_ms": (_TTFT,)}
_OUTPUT = ("litellm_output_tokens_metric", "litellm_output_tokens")
_INPUT = ("litellm_input_tokens_metric", "litellm_input_tokens")
_FAILED = ("litellm_proxy_failed_requests_metric", "litellm_llm_api_failed_requests_metric")
WANTED = (_E2E, _TTFT, *_OUTPUT, *_INPUT, *_FAILED)
_MODEL = ("requested_model", "model_group", "model", "litellm_model_name")


class Litellm:
    name = LITELLM
    proof = "/health/liveliness"

    def __init__(self, candidate: Candidate) -> None:
        self._pasts: dict[str, Past] = {}

    @staticmethod
    def recognises(first: First) -> bool:
        """It answers with the owners of the models behind it: the proof decides."""
        return False

    @staticmethod
    def proves(body: bytes) -> bool:
        return b"I'm alive!" in body

    def look(self, door: Door, now_s: float) -> Reading:
        reading = Reading(self.name, loads=False)
        answer = door.get("/metrics/")  # without the last slash it redirects
        if answer.status in (401, 403):  # each is a failed request in its log and its own figures
            raise Refused("/metrics/", answer.status)
        if not answer.good:
            reading.note = "switch on its prometheus callback to have its counters"
            return reading
        page = exposition.read(answer.body, WANTED)
        parts = dict(islice(_by_model(page).items(), MOST_MODELS))
        self._pasts = {name: past for name, past in self._pasts.items() if name in parts}
        for name, part in parts.items():
            past = self._pasts.setdefault(name, Past())
            past.add(now_s, {}, {ours: gather(part, *theirs) for ours, theirs in _TIMES.items()})
            reading.put(name, "tokens_total", exposition.total(part, *_OUTPUT))
            reading.put(name, "prompt_tokens_total", exposition.total(part, *_INPUT), type=ALL)
            reading.put(name, "errors_total", exposition.total(part, *_FAILED))
            for metric in _TIMES:
                reading.put_times(name, metric, past, metric)
        return reading


def _by_model(page: Page) -> dict[str, Page]:
    """The page of each model, without any label but the bucket's bound."""
    parts: dict[str, Page] = {}
    for metric, points in page.items():
        sums: dict[tuple[str, str], float] = {}
        for labels, value in points:
            model = next((labels[label] for label in _MODEL if labels.get(label)), "")
            if model and model != "None":
                place = model, labels.get("le", "")
                sums[place] = sums.get(place, 0.0) + value
        for (model, bound), value in sums.items():
            part = parts.setdefault(model, {})
            part.setdefault(metric, []).append(Point({"le": bound} if bound else {}, value))
    return parts
