"""A watch: slowness and faults make looks rarer, only a closed port ends it, one question at a time."""

from __future__ import annotations

import threading
import time

import pytest

from services.collector.runtime.candidates import Candidate
from services.collector.runtime.door import Closed, Door, Faulty, Refused, Slow
from services.collector.runtime.reading import Reading
from services.collector.runtime.watch import Watch
from services.collector.samplers.runtime.ollama import Ollama
from tests.collector.runtime.standin_runtime import Page, StandIn, never, recorded
from tests.collector.runtime.test_history import Told

DOOR = Door(1)


class Scripted:
    """A runtime whose looks end as the script says."""

    name = "scripted"

    def __init__(self, *ends: Reading | Exception) -> None:
        self.ends = list(ends)

    def look(self, door: Door, now_s: float) -> Reading:
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end


def watch(*ends: Reading | Exception) -> tuple[Watch, Told]:
    told = Told()
    return Watch(Candidate(1), Scripted(*ends), told, lambda: 2.0), told


def here() -> Reading:
    reading = Reading("scripted")
    reading.model("a")
    return reading


@pytest.mark.parametrize("error", [Slow("late"), Faulty("odd"), Refused("/metrics", 500), ZeroDivisionError()])
def test_back_off_doubles_to_half_a_minute_and_nothing_is_called_gone(error: Exception) -> None:
    one, told = watch(here(), *[error] * 6, here())
    pauses = [one.look(DOOR, float(i)) for i in range(8)]
    assert pauses == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 2.0]
    assert not one.gone
    assert told.kinds() == ["runtime_come"]
    assert (one.note, one.fault) == ("", ""), "what passes is not in the inventory"


def test_key_that_is_missing_is_said_and_not_asked_for_every_second() -> None:
    one, _ = watch(*[Refused("/props", 401)] * 6, here())
    assert [one.look(DOOR, float(i)) for i in range(6)] == [60.0, 120.0, 240.0, 480.0, 600.0, 600.0]
    assert "API key" in one.note
    assert one.look(DOOR, 6.0) == 2.0
    assert not one.note


def test_two_refusals_in_a_row_end_it_and_one_does_not() -> None:
    one, _ = watch(here(), Closed(), Slow(), Closed(), Closed())
    for i in range(4):
        one.look(DOOR, float(i))
    assert not one.gone
    one.look(DOOR, 5.0)
    assert one.gone
    assert one.reading(time.monotonic()) is None


def test_news_that_cannot_be_told_end_no_watch() -> None:
    def full(*args: str, **attributes: str) -> None:
        raise OSError(28, "No space left on device")

    one = Watch(Candidate(1), Scripted(here(), here()), full, lambda: 2.0)
    assert one.look(DOOR, 0.0) == 4.0
    assert "OSError" in one.fault
    assert one.reading(time.monotonic()) is not None, "the numbers are there all the same"


def test_reading_grows_stale() -> None:
    one, _ = watch(here())
    one.look(DOOR, 0.0)
    now_s = time.monotonic()
    assert one.reading(now_s) is not None
    assert one.reading(now_s + 6.6) is None


def test_loading_is_watched_closely() -> None:
    one, _ = watch(Reading("scripted", loading=frozenset({"a"})))
    assert one.look(DOOR, 0.0) == 0.5


def test_one_question_at_a_time_while_the_answer_hangs() -> None:
    hold = threading.Event()
    pages = {"/api/version": b'{"version":"0.13.1"}', "/api/ps": Page(recorded("ollama_0.13_ps.json"), hold=hold)}
    told = Told()
    come = threading.Event()

    def event(kind: str, *args: str, **attributes: str) -> None:
        told(kind, *args, **attributes)
        come.set()

    with StandIn(pages, never) as runtime:
        one = Watch(Candidate(runtime.port), Ollama(Candidate(runtime.port)), event, lambda: 0.01)
        one.start()
        runtime.wait_for("/api/ps")
        assert not come.wait(0.3), "time for a second question, of which there may be none"
        assert runtime.most_at_once == 1
        began_s = time.monotonic()
        assert one.reading(began_s) is None
        assert time.monotonic() - began_s < 0.05, "who reads the rows waits for nobody"
        hold.set()
        assert come.wait(10.0)
        one.stop()
        one.join(5.0)
        assert runtime.most_at_once == 1
