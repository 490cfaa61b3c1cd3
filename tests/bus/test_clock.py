"""The beat that all services share."""

import pytest

from bus.clock import BEAT_PHASE_S, until_beat_s


@pytest.mark.parametrize("now_s", [0.0, 0.049, 7.3, 1000.99, 123456.5])
@pytest.mark.parametrize("every_s", [1.0, 0.25])
def test_every_service_wakes_on_the_same_grid(now_s: float, every_s: float) -> None:
    woken_s = now_s + until_beat_s(now_s, every_s)
    assert (woken_s - BEAT_PHASE_S) / every_s == pytest.approx(round((woken_s - BEAT_PHASE_S) / every_s))
    assert 0 < woken_s - now_s <= every_s + 0.02


def test_who_woke_a_little_early_is_not_sent_to_the_same_beat() -> None:
    beat_s = 41.0 + BEAT_PHASE_S
    assert until_beat_s(beat_s - 0.001) == pytest.approx(1.001)
    assert until_beat_s(beat_s) == pytest.approx(1.0)
