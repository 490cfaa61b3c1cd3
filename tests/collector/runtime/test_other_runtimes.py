"""Ollama, LM Studio, TGI, llama-cpp-python and LiteLLM: what each tells, and that looking asks for nothing more."""

from __future__ import annotations

import math

import pytest

from services.collector.runtime.candidates import Candidate
from services.collector.runtime.watch import Watch
from services.collector.samplers.runtime.litellm import Litellm
from services.collector.samplers.runtime.llama_cpp_python import LlamaCppPython
from services.collector.samplers.runtime.lm_studio import LmStudio
from services.collector.samplers.runtime.ollama import Ollama
from services.collector.samplers.runtime.tgi import Tgi
from tests.collector.runtime.standin_runtime import Page, StandIn, never, recorded
from tests.collector.runtime.test_history import Told
from tests.collector.runtime.values import told


def test_ollama_tells_memory_and_the_share_on_the_gpu() -> None:
    pages = {"/api/version": b'{"version":"0.13.1"}', "/api/ps": recorded("ollama_0.13_ps.json")}
    with StandIn(pages, never) as runtime:
        kind = Ollama(Candidate(runtime.port))
        kind.look(runtime.door, 0.0)
        reading = kind.look(runtime.door, 2.0)
        assert runtime.paths() == ["/api/version", "/api/ps", "/api/ps"]
    assert told(reading) == {"vram_bytes": 6e9, "gpu_share_ratio": 0.75}
    assert reading.models["llama3:8b-instruct"].info == {
        "quantisation": "Q4_K_M",
        "parameters": "8.0B",
        "context_length": "8192",
        "size_bytes": "8000000000",
        "version": "0.13.1",
    }


@pytest.mark.parametrize("body", [b'{"models":[]}', b'{"models":null}', b"{}"])
def test_ollama_with_nothing_loaded(body: bytes) -> None:
    with StandIn({"/api/version": b'{"version":"0.13.1"}', "/api/ps": body}, never) as runtime:
        assert Ollama(Candidate(runtime.port)).look(runtime.door, 0.0).models == {}


def test_lm_studio_tells_loaded_models_only() -> None:
    with StandIn({"/api/v1/models": recorded("lm_studio_0.4_models.json")}, never) as runtime:
        reading = LmStudio(Candidate(runtime.port)).look(runtime.door, 0.0)
    assert {name: model.info for name, model in reading.models.items()} == {
        "google/gemma-4-26b-a4b": {
            "quantisation": "Q4_K_M",
            "parameters": "26B-A4B",
            "context_length": "4096",
            "size_bytes": "17990911801",
        }
    }


def test_older_lm_studio_is_asked_in_its_own_way_from_then_on() -> None:
    with StandIn({"/api/v0/models": recorded("lm_studio_0.3.6_models.json")}, never) as runtime:
        kind = LmStudio(Candidate(runtime.port))
        kind.look(runtime.door, 0.0)
        reading = kind.look(runtime.door, 2.0)
        assert runtime.paths() == ["/api/v1/models", "/api/v0/models", "/api/v0/models"]
    assert list(reading.models) == ["meta-llama-3.1-8b-instruct"]


def test_tgi_names_are_seconds_though_they_do_not_say_so() -> None:
    info = b'{"model_id":"org/model","model_dtype":"float16","max_total_tokens":4096,"version":"3.3.4"}'
    with StandIn({"/info": info, "/metrics": recorded("tgi_3.3_1.txt")}, never) as runtime:
        kind = Tgi(Candidate(runtime.port))
        kind.look(runtime.door, 0.0)
        runtime.pages["/metrics"] = Page(recorded("tgi_3.3_2.txt"))
        values = told(kind.look(runtime.door, 2.0))
    assert values["e2e_ms[type=mean]"] == pytest.approx(2500.0)
    assert 20.0 <= values["itl_ms[type=p50]"] <= 50.0
    assert values["tokens_total"] == 1700.0
    assert values["requests_waiting"] == 2.0
    assert values["batch_size"] == 3.0
    assert values["errors_total"] == 1.0
    assert not any(name.startswith("tps") for name in values)


def test_llama_cpp_python_with_one_model_names_it_and_with_several_does_not_guess() -> None:
    with StandIn({"/v1/models": b'{"data":[{"id":"/m/a.gguf","owned_by":"me"}]}'}, never) as runtime:
        kind = LlamaCppPython(Candidate(runtime.port))
        assert list(kind.look(runtime.door, 0.0).models) == ["a.gguf"]
        runtime.pages["/v1/models"] = Page(b'{"data":[{"id":"a"},{"id":"b"}]}')
        assert kind.look(runtime.door, 2.0).models == {}


def calls_paid_models(path: str, query: dict[str, str]) -> bool:
    """LiteLLM's /health sends a request to every model behind it."""
    return path == "/health" or never(path, query)


def test_litellm_is_added_up_over_users_and_keys() -> None:
    with StandIn({"/metrics/": recorded("litellm_1.80_1.txt")}, calls_paid_models) as runtime:
        kind = Litellm(Candidate(runtime.port))
        kind.look(runtime.door, 0.0)
        runtime.pages["/metrics/"] = Page(recorded("litellm_1.80_2.txt"))
        reading = kind.look(runtime.door, 2.0)
    values = told(reading, "gpt-oss")
    assert values["tokens_total"] == 210.0
    assert values["errors_total"] == 2.0
    assert values["e2e_ms[type=mean]"] == pytest.approx(700.0)
    assert told(reading, "qwen3")["tokens_total"] == 7.0
    text = repr(reading) + repr(vars(kind))
    assert not any(word in text for word in ("alice", "88dc28d0", "secret-team", "bob"))
    assert not any(math.isnan(value) for name, value in values.items() if name.endswith("total"))


def test_litellm_that_wants_a_key_is_left_in_peace() -> None:
    """LiteLLM 1.108 answers /metrics/ with 401, six lines in its log, and one more failed request in its figures."""
    with StandIn({"/metrics/": Page(b"{}", 401)}, calls_paid_models) as runtime:
        watch = Watch(Candidate(runtime.port), Litellm(Candidate(runtime.port)), Told(), lambda: 2.0)
        assert watch.look(runtime.door, 0.0) == 60.0
    assert "API key" in watch.note


def test_litellm_without_its_callback_says_how_to_get_it() -> None:
    with StandIn({}, calls_paid_models) as runtime:
        assert "callback" in Litellm(Candidate(runtime.port)).look(runtime.door, 0.0).note
