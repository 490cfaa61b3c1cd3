"""What is told of a runtime's life: came, loaded with its time, fell asleep, unloaded, gone."""

from __future__ import annotations

from typing import Any

import pytest

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
