"""The wall clock is set, all stand still: no window jumps, nothing is lost, each step is told (SECURITY R7)."""

import math
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.window_pb2 import WindowValue

from bus import topics
from bus.clock import boot_us, wall_us
from bus.home import REPOSITORY
from tests.faults.house import House
from tests.faults.ledger import Ledger
from tests.faults.ramp import NAME, RATE_HZ, SERIES
from tests.gateway.conftest import answer
from tests.stack import Ear, wait_until

SEED = int(os.environ.get("WFMON_SEED", "20260118"))
CLOCK_FOLDER = Path(__file__).parent / "stepped_clock"
STEPS_S = (3600.0, -3600.0, 1.0, -1.0)
WINDOW = topics.window("10s", SERIES.metric, "avg")
# Half a window behind, and what a grid point waits for its rows and for the bus. A jump would be 5 s or more.
EXPECTED_S, TOLERANCE_S = 5.0, 2.0
# The collector looks at its clocks once a second; two steps between two looks are one.
APART_S = 1.5
STEP = topics.event("clock_step")


class ClockHouse(House):
    """A house whose processes read a wall clock that can be set, with a ramp that shows what windows make of it.

    Under a plain supervisord: each service starts an interpreter, which puts that clock in its place.
    """

    def __init__(self) -> None:
        super().__init__(supervisord="supervisor.supervisord")

    def prepare(self) -> None:
        super().prepare()
        self.clock = self.home.root / "clock"
        self.set_clock(0.0)
        os.environ["WFMON_TEST_CLOCK"] = str(self.clock)  # supervisord hands it on
        conf = self.home.root / "supervisor.conf"
        conf.write_text(conf.read_text().replace('PYTHONPATH="', f'PYTHONPATH="{CLOCK_FOLDER}:'))

    def launch(self) -> None:
        super().launch()
        os.environ.pop("WFMON_TEST_CLOCK")
        self.ramp = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.ramp", "--home", str(self.home.root)],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "PYTHONPATH": f"{CLOCK_FOLDER}:{REPOSITORY}:{REPOSITORY}/proto",
                "WFMON_TEST_CLOCK": str(self.clock),
            },
        )

    def set_clock(self, offset_s: float, asleep_s: float = 0.0) -> None:
        """How far the wall clock was set, and how long all slept. In place: the services hold the file mapped."""
        with open(self.clock, "r+b" if self.clock.exists() else "wb") as file:
            file.write(struct.pack("<qq", round((offset_s + asleep_s) * 1e9), round(asleep_s * 1e9)))

    def stop(self) -> None:
        self.ramp.terminate()
        self.ramp.wait(10)
        super().stop()


class Watch:
    """What the window says of the ramp: how far each value lies behind the ramp.

    Behind the ramp of now, or, where the clock is left alone, of the value's own time.
    """

    def __init__(self, house: House, by_own_time: bool = False) -> None:
        self._ear = Ear(house.home, (WINDOW,))
        self._by_own_time = by_own_time
        self.behind_s: list[float] = []
        self.seen = 0
        self.newest_us = 0

    def look(self) -> None:
        with self._ear.changed:
            new = self._ear.messages[:]
            self._ear.messages.clear()
        for _, payload in new:
            self.seen += 1
            value = WindowValue.FromString(payload)
            self.newest_us = value.time_us
            for key, average in zip(value.series, value.values, strict=True):
                if key.source == SERIES.source and not math.isnan(average):  # this machine may run models of its own
                    ago_us = wall_us() - value.time_us if self._by_own_time else 0
                    self.behind_s.append((boot_us() - ago_us) / 1e6 - average)

    def wrong(self) -> list[float]:
        return [round(s, 2) for s in self.behind_s if not 0 < s - EXPECTED_S < TOLERANCE_S]

    def close(self) -> None:
        self._ear.close()


@pytest.fixture
def house() -> Iterator[ClockHouse]:
    with ClockHouse() as running:
        yield running


def watch_for(watch: Watch, seconds: float) -> None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        watch.look()
        time.sleep(0.05)


def filled_window(house: House, by_own_time: bool = False) -> Watch:
    watch = Watch(house, by_own_time)
    began_s = time.monotonic()

    def full() -> bool:
        watch.look()
        # Its rows lie up to a period before the grid point, wherever the ramp began: so much less than half a window.
        half = EXPECTED_S - 1 / RATE_HZ
        return time.monotonic() - began_s > 12 and len(watch.behind_s) > 20 and watch.behind_s[-1] > half

    wait_until(full, 60, f"the window over {SERIES} to fill")
    watch.behind_s.clear()
    return watch


def set_the_clock(house: ClockHouse, steps: int) -> None:
    dice = random.Random(SEED)
    ledger = Ledger(house.home)
    watch = filled_window(house)
    heard = steps_heard(house)
    offset_s = 0.0
    for number in range(steps):
        # Never farther from the truth than one long step: two of them would leave the ledger's span.
        by_s = dice.choice([s for s in STEPS_S if abs(offset_s + s) <= 3700])
        offset_s += by_s
        house.set_clock(offset_s)
        watch_for(watch, APART_S)
        if number % 20 == 0:
            ledger.note()
    wait_until(lambda: steps_heard(house) - heard >= steps, 5, f"{steps} steps to be told")
    watch.look()
    balance = ledger.settle()
    wrong = watch.wrong()
    print(
        f"R7: {steps} steps of the wall clock (seed {SEED}), {len(watch.behind_s)} values of a 10 s window, "
        f"{len(wrong)} that jumped; {steps_heard(house) - heard} steps told; {balance}"
    )
    watch.close()
    assert wrong == [], f"seconds behind the ramp: {wrong[:20]}"
    assert len(watch.behind_s) > steps * APART_S * 5
    assert steps_heard(house) - heard == steps
    assert balance.whole, str(balance)


def steps_heard(house: House) -> int:
    return len({Event.FromString(payload).id for topic, payload in house.ear.messages[:] if topic == STEP})


@pytest.mark.timeout(240)
def test_thirty_steps_of_the_wall_clock(house: ClockHouse) -> None:
    set_the_clock(house, 30)


@pytest.mark.soak
@pytest.mark.timeout(2400)
def test_a_thousand_steps_of_the_wall_clock(house: ClockHouse) -> None:
    set_the_clock(house, 1000)


@pytest.mark.timeout(180)
def test_a_suspend_is_told_to_bus_and_page_and_no_window_reaches_over_it(house: ClockHouse) -> None:
    """What a suspend is to a process: wall and boot clock have gone on, the monotonic clock has stood still."""
    lengths_s = (600.0, 2.0, 2400.0)
    ledger = Ledger(house.home)
    watch = filled_window(house, by_own_time=True)
    slept_s = 0.0
    for number, asleep_s in enumerate(lengths_s, 1):
        slept_s += asleep_s
        house.set_clock(0.0, slept_s)
        wait_until(partial(woken, house, number), 5, f"the end of suspend {number} to be told")
        watch_for(watch, 3.0)
    watch_for(watch, 12.0)
    balance = ledger.settle()
    fell, woke = heard_of(house, "suspend"), heard_of(house, "resume")
    apart_s = [(end.time_us - begin.time_us) / 1e6 for begin, end in zip(fell, woke, strict=True)]
    wrong = [round(s, 2) for s in watch.behind_s if not -0.1 < s < 10.1]
    print(
        f"R7: suspended for {lengths_s} s: told {[event.attributes['asleep_s'] for event in woke]}, begin and end "
        f"{[round(s, 1) for s in apart_s]} s apart; {len(watch.behind_s)} values of a 10 s window, {len(wrong)} wrong; "
        f"{steps_heard(house)} steps of the clock told; {balance}"
    )
    watch.close()
    assert [float(event.attributes["asleep_s"]) for event in woke] == pytest.approx(lengths_s, abs=0.2)
    # The collector looks once a second: the begin lies up to that before.
    assert all(0 <= apart - asleep < 2.0 for apart, asleep in zip(apart_s, lengths_s, strict=True))
    assert steps_heard(house) == 0
    assert wrong == []
    assert balance.whole, str(balance)
    for kind, told in (("suspend", fell), ("resume", woke)):
        on_the_page = answer(house, f"/api/v1/events?kind={kind}")["events"]
        assert {event["id"] for event in on_the_page} == {event.id for event in told}


def heard_of(house: House, kind: str) -> list[Event]:
    """The events of a kind that were on the bus, each once, in order."""
    heard = [Event.FromString(payload) for topic, payload in house.ear.messages[:] if topic == topics.event(kind)]
    return list({event.id: event for event in heard}.values())


def woken(house: House, times: int) -> bool:
    return len(heard_of(house, "resume")) >= times


def stand_still(house: ClockHouse, seconds: float) -> None:
    """SIGSTOP of all at once, as near to a suspend as a process can be brought."""
    ledger = Ledger(house.home)
    watch = filled_window(house, by_own_time=True)
    pids = [house.pid(service) for service in (*house.everybody, NAME)]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in pids:
            os.kill(pid, number)
        if number == signal.SIGSTOP:
            time.sleep(seconds)  # the length of the fault
    woke_s, woke_us = time.monotonic(), wall_us()

    def right_again() -> bool:
        watch.look()
        return watch.newest_us > woke_us

    wait_until(right_again, 10, "the windows to go on")
    took_s = time.monotonic() - woke_s
    watch_for(watch, 13.0)
    # Around the stop a window holds fewer rows, but never one that is older than it is long.
    wrong = [round(s, 2) for s in watch.behind_s if not -0.1 < s < 10.1]
    balance = ledger.settle()
    alive = [house.pid(service) for service in (*house.everybody, NAME)] == pids
    print(
        f"R7: all stood still for {seconds:.0f} s, windows go on after {took_s:.1f} s, {len(watch.behind_s)} values, "
        f"{len(wrong)} wrong; {balance}"
    )
    watch.close()
    assert alive
    assert wrong == []
    assert took_s <= 5.0
    assert balance.whole, str(balance)


@pytest.mark.timeout(180)
def test_all_stand_still_for_twenty_seconds(house: ClockHouse) -> None:
    stand_still(house, 20)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_all_stand_still_for_ten_minutes(house: ClockHouse) -> None:
    stand_still(house, 600)
