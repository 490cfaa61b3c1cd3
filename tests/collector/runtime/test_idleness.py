"""An idle model that holds GPU memory is pointed out once."""

from __future__ import annotations

from services.collector.runtime.idleness import Held, Idleness
from services.collector.runtime.reading import Model
from tests.collector.runtime.test_history import Told

GIB = 1024.0**3


def idleness() -> tuple[Idleness, Told]:
    told = Told()
    return Idleness(told, lambda: 900.0), told


def model(used: object, asleep: bool = False) -> Model:
    return Model("llama3:8b", asleep=asleep, used=used)


def test_told_once_and_again_after_the_next_use() -> None:
    one, told = idleness()
    for now_s in range(0, 2000, 100):
        one.observe([Held("ollama", model("08:05"), 6 * GIB)], float(now_s))
    ((kind, source, title, attributes),) = told.events
    assert (kind, source) == ("model_idle", "model:llama3:8b")
    assert title == "llama3:8b holds 6.0 GiB of GPU memory and was not used for 15 min"
    assert attributes["runtime"] == "ollama"
    for now_s in range(2000, 4000, 100):
        one.observe([Held("ollama", model("08:35"), 6 * GIB)], float(now_s))
    assert len(told.events) == 2


def test_small_sleeping_and_unknown_ones_are_not_pointed_out() -> None:
    one, told = idleness()
    for now_s in range(0, 2000, 100):
        one.observe(
            [Held("a", model(1), 1e6), Held("b", model(1, asleep=True), 6 * GIB), Held("c", model(None), 6 * GIB)],
            now_s,
        )
    assert told.events == []


def test_used_model_is_not_idle() -> None:
    one, told = idleness()
    for now_s in range(0, 4000, 100):
        one.observe([Held("vllm", model(now_s // 500), 6 * GIB)], float(now_s))
    assert told.events == []


def test_what_no_runtime_tells_is_known_from_the_tap() -> None:
    one, told = idleness()
    for now_s in range(0, 4000, 100):
        asked = None if now_s < 500 else 1 + now_s // 500 if now_s < 2000 else 4
        one.observe([Held("lm-studio", model(None), 6 * GIB, asked=asked)], float(now_s))
        assert not told.events or now_s >= 2400
    ((kind, _, title, _),) = told.events
    assert kind == "model_idle"
    assert title == "llama3:8b holds 6.0 GiB of GPU memory and had no request through the tap for 15 min"


def test_model_that_computes_past_the_tap_is_not_idle() -> None:
    one, told = idleness()
    for now_s in range(0, 4000, 100):
        one.observe([Held("lm-studio", model(None), 6 * GIB, asked=1, busy=now_s % 800 == 0)], float(now_s))
    assert told.events == []
