"""SGLang: never its /health, ranks of one scheduler not added up, counters that move now and then."""

from __future__ import annotations

import json
import math

import pytest

from services.collector.runtime.candidates import Candidate
from services.collector.runtime.reading import Reading
from services.collector.samplers.runtime.sglang import Sglang
from tests.collector.runtime.standin_runtime import Page, StandIn, never, recorded
from tests.collector.runtime.values import told

MODELS = json.dumps({"data": [{"id": "zai/glm", "owned_by": "sglang", "max_model_len": 65536}]}).encode()
LOADS = json.dumps(
    {
        "version": "0.5.6",
        "loads": [
            {"dp_rank": 0, "num_running_reqs": 3, "num_waiting_reqs": 1, "token_usage": 0.25, "speculative": None},
            {"dp_rank": 1, "num_running_reqs": 2, "num_waiting_reqs": 0, "speculative": {"accept_rate": 0.7}},
        ],
    }
).encode()


def generates(path: str, query: dict[str, str]) -> bool:
    """/health of SGLang generates a token."""
    return path.startswith("/health") or never(path, query)


def looks(*metrics: str, **pages: Page | bytes) -> list[Reading]:
    served: dict[str, Page | bytes] = {"/ready": b"", "/v1/models": MODELS, "/v1/loads": LOADS}
    with StandIn(served | {f"/{name}": page for name, page in pages.items()}, generates) as runtime:
        kind = Sglang(Candidate(runtime.port))
        readings = []
        for i, page in enumerate(metrics or ("",)):
            if page:
                runtime.pages["/metrics"] = Page(recorded(f"sglang_0.5_{page}.txt"))
            readings.append(kind.look(runtime.door, 4.0 * i))
    return readings


def test_ranks_of_a_scheduler_are_one_and_schedulers_are_added() -> None:
    values = told(looks("1", "2_moved")[-1])
    assert values["requests_running"] == 2.0, "four ranks, two schedulers"
    assert values["requests_waiting"] == 4.0, "a priority's share is not counted besides the whole"
    assert values["kv_cache_used_ratio"] == 0.2
    assert values["cache_hit_ratio"] == pytest.approx(150 / (150 + 50))


def test_live_speed_is_told_when_its_counter_moved_and_unknown_in_between() -> None:
    readings = looks("1", "2_moved", "3_between_two_reports", "4_moved_again", "5_idle")
    speeds = [told(reading)["tps[type=total]"] for reading in readings]
    assert all(math.isnan(speed) for speed in speeds[:3])
    assert speeds[3] == pytest.approx(2 * 120 / 8.0)
    assert speeds[4] == 0.0, "nothing runs and nothing moved"


def test_quantiles_of_what_ended() -> None:
    values = told(looks("1", "4_moved_again")[-1])
    assert 250.0 <= values["ttft_ms[type=p50]"] <= 500.0
    assert values["e2e_ms[type=mean]"] == pytest.approx(3000.0)
    assert values["queue_wait_ms[type=mean]"] == pytest.approx(400.0)


def test_counter_of_ended_requests_is_no_live_speed() -> None:
    old = recorded("sglang_0.5_1.txt").replace(b"realtime_tokens_total", b"something_total")
    late = recorded("sglang_0.5_4_moved_again.txt").replace(b"realtime_tokens_total", b"something_total")
    with StandIn({"/ready": b"", "/v1/models": MODELS, "/v1/loads": LOADS, "/metrics": old}, generates) as runtime:
        kind = Sglang(Candidate(runtime.port))
        kind.look(runtime.door, 0.0)
        runtime.pages["/metrics"] = Page(late)
        values = told(kind.look(runtime.door, 4.0))
    assert math.isnan(values["tps[type=total]"])
    assert values["tokens_total"] == 4500.0


def test_without_metrics_its_loads_tell_what_they_have() -> None:
    (reading,) = looks()
    values = told(reading)
    assert values["requests_running"] == 5.0
    assert values["requests_waiting"] == 1.0
    assert values["kv_cache_used_ratio"] == 0.25
    assert values["spec_accept_ratio"] == pytest.approx(0.7)
    assert "--enable-metrics" in reading.note


def test_server_that_is_not_ready_loads() -> None:
    (reading,) = looks(ready=Page(b"", 503))
    assert reading.loading
