"""Goodput is of the last five minutes, by model, and absent without a request."""

from bus.series import Series
from services.aggregator.joules.goodput import WINDOW_S, Goodput


def test_a_share_of_the_last_five_minutes() -> None:
    goodput = Goodput()
    assert goodput.rows(0.0) == {}
    for second, met in enumerate((True, True, False, True)):
        goodput.heard("a", met, float(second))
    goodput.heard("b", False, 3.0)

    def ratio(model: str, now_s: float) -> float:
        return goodput.rows(now_s)[f"model:{model}"][Series("model.goodput_ratio", f"model:{model}")]

    assert ratio("a", 3.0) == 0.75
    assert ratio("b", 3.0) == 0.0
    assert ratio("a", WINDOW_S + 2.0) == 1.0, "of four, the last alone is younger than five minutes"
    assert goodput.rows(WINDOW_S + 3.0) == {}


def test_new_targets_begin_anew() -> None:
    goodput = Goodput()
    goodput.heard("a", True, 0.0)
    goodput.forget()
    assert goodput.rows(0.0) == {}
