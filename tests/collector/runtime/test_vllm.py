"""vLLM: steps counted as they happen, histograms of the last minute, old names and new."""

from __future__ import annotations

import json
import math

import pytest

from services.collector.runtime.candidates import Candidate
from services.collector.samplers.runtime.vllm import Vllm
from tests.collector.runtime.standin_runtime import Page, StandIn, never, recorded
from tests.collector.runtime.values import told

MODELS = {"data": [{"id": "Qwen/Qwen3-8B", "owned_by": "vllm", "max_model_len": 32768, "parent": None}]}


def pages(metrics: str) -> dict[str, Page | bytes]:
    return {
        "/version": b'{"version":"0.11.0"}',
        "/v1/models": json.dumps(MODELS).encode(),
        "/metrics": recorded(metrics),
    }


def two_looks(*metrics: str) -> dict[str, float]:
    with StandIn(pages(metrics[0]), never) as runtime:
        kind = Vllm(Candidate(runtime.port))
        reading = kind.look(runtime.door, 0.0)
        for i, page in enumerate(metrics[1:], 1):
            runtime.pages["/metrics"] = Page(recorded(page))
            reading = kind.look(runtime.door, 2.0 * i)
        assert reading.models["Qwen/Qwen3-8B"].info["context_length"] == "32768"
        assert runtime.asked.count("/v1/models") == 1, "what does not change is asked once"
    return told(reading)


def test_two_seconds_of_work() -> None:
    values = two_looks("vllm_0.11_1.txt", "vllm_0.11_2_two_seconds_later.txt")
    assert values["tps[type=total]"] == pytest.approx(130.0)
    assert values["prompt_tps[type=total]"] == pytest.approx(1000.0)
    assert values["cache_hit_ratio"] == pytest.approx(0.5)
    assert values["spec_accept_ratio"] == pytest.approx(0.8)
    assert values["kv_cache_used_ratio"] == 0.5
    assert values["preemptions_total"] == 1.0
    assert values["requests_total[reason=stop]"] == 50.0
    assert values["requests_total[reason=other]"] == 1.0
    # Counted since: 2 at 30 ms, 6 at 200 ms, 2 at 700 ms; what was there before does not blur them.
    assert values["ttft_ms[type=mean]"] == pytest.approx(266.0)
    assert 100.0 <= values["ttft_ms[type=p50]"] <= 250.0
    assert 500.0 <= values["ttft_ms[type=p95]"] <= 750.0
    assert 50.0 <= values["itl_ms[type=p50]"] <= 75.0
    assert values["queue_wait_ms[type=mean]"] == pytest.approx(400.0)
    assert values["e2e_ms[type=mean]"] == pytest.approx(4000.0)
    assert 25.0 <= values["tpot_ms[type=p99]"] <= 50.0


def test_first_look_tells_levels_and_no_rates() -> None:
    values = two_looks("vllm_0.11_1.txt")
    assert math.isnan(values["tps[type=total]"])
    assert values["requests_running"] == 2.0
    assert "ttft_ms[type=p50]" not in values


def test_restart_that_counted_further_is_seen_by_its_start_time() -> None:
    values = two_looks("vllm_0.11_1.txt", "vllm_0.11_2_two_seconds_later.txt", "vllm_0.11_3_restarted.txt")
    assert math.isnan(values["tps[type=total]"])
    assert "ttft_ms[type=p50]" not in values


def test_step_without_tokens_is_zero_for_it_counts_each_step() -> None:
    values = two_looks("vllm_0.11_1.txt", "vllm_0.11_1.txt")
    assert values["tps[type=total]"] == 0.0
    assert math.isnan(values["cache_hit_ratio"])
    assert math.isnan(values["ttft_ms[type=p95]"])


def test_old_names_mean_the_same() -> None:
    values = two_looks("vllm_0.6_old_names.txt", "vllm_0.6_old_names.txt")
    assert values["kv_cache_used_ratio"] == 0.125
    assert values["tokens_total"] == 700.0
    assert "tpot_ms[type=p50]" in values
    assert "preemptions_total" not in values, "what it does not have is not told"


def test_one_model_under_several_names_is_one_by_the_name_of_its_metrics() -> None:
    base = {"owned_by": "vllm", "max_model_len": 32768, "root": "/models/CANARY", "parent": None}
    names = ["Qwen/Qwen3-8B", "gpt-4o", "default"]
    adapter = {"id": "lora", "owned_by": "vllm", "root": "/models/lora", "parent": "Qwen/Qwen3-8B"}
    for order in (names, names[::-1]):
        models = {"data": [*({"id": name} | base for name in order), adapter]}
        listed = {"/v1/models": json.dumps(models).encode()}
        with StandIn(pages("vllm_0.11_1.txt") | listed, never) as runtime:
            reading = Vllm(Candidate(runtime.port)).look(runtime.door, 0.0)
        assert list(reading.models) == ["Qwen/Qwen3-8B"]
        assert reading.models["Qwen/Qwen3-8B"].info["context_length"] == "32768"
        assert told(reading)["tokens_total"] == 5000.0


def test_api_key_hides_the_list_but_not_the_metrics() -> None:
    hidden = Page(b"", 401)
    with StandIn(pages("vllm_0.11_1.txt") | {"/version": hidden, "/v1/models": hidden}, never) as runtime:
        reading = Vllm(Candidate(runtime.port)).look(runtime.door, 0.0)
    assert told(reading)["tokens_total"] == 5000.0
