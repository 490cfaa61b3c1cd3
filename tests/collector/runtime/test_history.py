"""What is told of a runtime's life: came, loaded with its time, fell asleep, unloaded, gone."""

from __future__ import annotations

from typing import Any

import pytest

from services.collector.runtime.asked import Asked
from services.collector.runtime.history import History
from services.collector.runtime.reading import Reading


class Told:
    """Keeps events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str, dict[str, str]]] = []

    def __call__(self, kind: str, source: str, title: str, **attributes: Any) -> None:
        self.events.append((kind, source, title, attributes))

    def kinds(self) -> list[str]:
        kinds = [kind for kind, *_ in self.events]
        self.events = []
        return kinds


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def history(told: Told) -> History:
    return History("ollama", 11434, told)


def reading(*models: str, asleep: str = "", loading: str = "", **info: str) -> Reading:
    made = Reading("ollama", "0.13.1", loading=frozenset(loading.split()))
    for name in models:
        made.model(name).info = dict(info)
    if asleep:
        made.model(asleep).asleep = True
    return made


def test_model_that_was_there_before_us_was_not_loaded_now(told: Told, history: History) -> None:
    history.observe(reading("llama3:8b", quantisation="Q4_K_M", parameters="8030261312"), 0.0)
    assert [kind for kind, *_ in told.events] == ["runtime_come", "model_info"]
    assert told.events[0][2] == "ollama 0.13.1 answers at port 11434"
    assert told.events[1][1:3] == ("model:llama3:8b", "llama3:8b: Q4_K_M, 8.0 billion parameters")
    assert told.events[1][3]["runtime"] == "ollama"
    history.observe(reading("llama3:8b", quantisation="Q4_K_M", parameters="8030261312"), 2.0)
    assert len(told.events) == 2, "nothing new is not told again"


def test_loaded_and_unloaded(told: Told, history: History) -> None:
    history.observe(reading(), 0.0)
    told.kinds()
    history.observe(reading("a", size_bytes="5"), 2.0)
    assert told.events[0][0] == "model_load"
    assert told.events[0][3]["size_bytes"] == "5"
    assert "load_ms" not in told.events[0][3], "how long it took was not seen"
    told.kinds()
    history.observe(reading(), 4.0)
    assert told.kinds() == ["model_unload"]


def test_load_time_is_told_where_its_beginning_was_seen(told: Told, history: History) -> None:
    history.observe(reading(), 0.0)
    history.observe(reading(loading="a"), 1.0)
    history.observe(reading(loading="a"), 1.5)
    told.kinds()
    history.observe(reading("a"), 4.5)
    assert told.events[0][2] == "a was loaded in 3.5 s"
    assert told.events[0][3]["load_ms"] == "3500"


def test_load_time_is_a_least_where_we_came_in_the_middle(told: Told, history: History) -> None:
    unnamed = Reading("llama.cpp", loading=frozenset({""}))
    history.observe(unnamed, 0.0)
    told.kinds()
    history.observe(reading("a"), 3.0)
    kind, _, title, attributes = told.events[0]
    assert (kind, title) == ("model_load", "a was loaded")
    assert attributes["load_ms_at_least"] == "3000"
    assert "load_ms" not in attributes


def test_sleep_and_wake(told: Told, history: History) -> None:
    history.observe(reading("a"), 0.0)
    told.kinds()
    history.observe(reading(asleep="a"), 2.0)
    assert told.events[0][0] == "model_unload"
    assert told.events[0][3]["reason"] == "sleep"
    told.kinds()
    history.observe(reading("a"), 4.0)
    assert told.events[0][0] == "model_load"
    assert told.events[0][3]["reason"] == "wake"


def test_end_takes_its_models_with_it(told: Told, history: History) -> None:
    history.ended()
    assert told.kinds() == [], "what never came cannot go"
    history.observe(reading("a"), 0.0)
    told.kinds()
    history.ended()
    assert told.kinds() == ["model_unload", "runtime_gone"]


def test_models_of_a_proxy_are_not_loaded(told: Told, history: History) -> None:
    history.observe(Reading("litellm", loads=False), 0.0)
    proxy = Reading("litellm", loads=False)
    proxy.model("gpt-oss")
    history.observe(proxy, 2.0)
    assert told.kinds() == ["runtime_come"]


def test_model_of_a_runtime_that_came_since_was_loaded(told: Told) -> None:
    history = History("vllm", 8000, told, new=True, began_s=60.0)
    history.observe(reading("a", context_length="4096"), 100.0)
    kind, _, title, attributes = told.events[1]
    assert (kind, title) == ("model_load", "a was loaded within 40.0 s of the start of vllm")
    assert attributes["load_ms_at_most"] == "40000"
    assert attributes["context_length"] == "4096"
    assert "load_ms" not in attributes
    history.observe(reading("a", context_length="4096"), 102.0)
    assert len(told.events) == 2


def test_model_that_loads_while_its_new_server_answers_is_between_both(told: Told) -> None:
    history = History("llama.cpp", 8080, told, new=True, began_s=95.0)
    history.observe(Reading("llama.cpp", loading=frozenset({""})), 100.0)
    history.observe(reading("a"), 103.0)
    attributes = told.events[-1][3]
    assert (attributes["load_ms_at_least"], attributes["load_ms_at_most"]) == ("3000", "8000")


def test_later_load_in_a_new_runtime_is_not_counted_from_its_start(told: Told) -> None:
    history = History("ollama", 11434, told, new=True, began_s=95.0)
    history.observe(reading(), 100.0)
    history.observe(reading("a"), 400.0)
    assert told.events[-1][0] == "model_load"
    assert "load_ms_at_most" not in told.events[-1][3]


def test_time_that_the_tap_knows_already_is_told_with_the_load(told: Told) -> None:
    asked = Asked()
    history = History("ollama", 11434, told, asked=asked)
    history.observe(reading(), 100.0)
    asked.hear("a", "ollama", 100.5, 1200.0)
    history.observe(reading("a"), 102.0)
    assert told.events[-1][2] == "a was loaded in 1.2 s"
    assert told.events[-1][3]["load_ms"] == "1200"
    told.kinds()
    history.observe(reading("a"), 104.0)
    assert told.kinds() == []


def test_time_that_comes_with_the_end_of_the_request_is_told_then_and_once(told: Told) -> None:
    asked = Asked()
    history = History("ollama", 11434, told, asked=asked)
    history.observe(reading(), 100.0)
    history.observe(reading("a"), 102.0)
    assert "load_ms" not in told.events[-1][3]
    told.kinds()
    asked.hear("a", "ollama", 103.0, 50.0)  # another, that found it loaded
    history.observe(reading(), 104.0)
    assert told.kinds() == ["model_unload"]
    asked.hear("a", "ollama", 101.0, 3000.0)
    history.observe(reading(), 106.0)
    history.observe(reading(), 108.0)
    ((kind, source, title, attributes),) = told.events
    assert (kind, source, title) == ("model_load_time", "model:a", "Loading a took 3.0 s")
    assert attributes["load_ms"] == "3000"
