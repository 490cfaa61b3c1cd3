"""Who did not answer as hoped is asked more and more rarely, and never more rarely than each ten minutes."""

from bus.retries import Retries


def test_the_pause_doubles_up_to_ten_minutes() -> None:
    retries, now_s, pauses = Retries(), 1000.0, []
    for _ in range(7):
        assert retries.due(8080, now_s)
        retries.failed(8080, now_s)
        pauses.append(next(pause_s for pause_s in range(30, 601, 30) if retries.due(8080, now_s + pause_s)))
        now_s += pauses[-1]
    assert pauses == [30, 60, 120, 240, 480, 600, 600]
    assert retries.due(8081, 0.0), "another has not failed"


def test_who_is_forgotten_begins_anew() -> None:
    retries = Retries()
    retries.failed(8080, 0.0)
    retries.failed(8080, 30.0)
    retries.forget(8080)
    assert retries.due(8080, 31.0)
    retries.failed(8080, 31.0)
    assert (retries.due(8080, 60.9), retries.due(8080, 61.0)) == (False, True)
    retries.clear()
    assert retries.due(8080, 31.0)
