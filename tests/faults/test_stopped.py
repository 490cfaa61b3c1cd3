"""A service that stands still (SIGSTOP: a debugger, a swapping machine) catches up by itself (SECURITY R8)."""

import signal
import time

import pytest

from tests.faults.house import House
from tests.faults.ledger import Ledger
from tests.stack import wait_until

CAUGHT_UP_S = 5.0


def stop_each(house: House, seconds: float) -> None:
    ledger = Ledger(house.home)
    took: dict[str, float] = {}
    for service in house.everybody:
        before = house.pid(service)
        house.kill(service, signal.SIGSTOP)
        time.sleep(seconds)  # the length of the fault
        house.kill(service, signal.SIGCONT)
        began_s = time.monotonic()
        ledger.note()

        def caught_up() -> bool:
            balance = ledger.compare()
            return not balance.missing and not balance.missing_events

        wait_until(caught_up, 30, f"the stack to catch up after {service} stood still")
        took[service] = time.monotonic() - began_s
        assert house.pid(service) == before, f"{service} ended; its log: {house.log_tail(service)}"
    balance = ledger.settle()
    each = {service: f"{took_s:.1f} s" for service, took_s in took.items()}
    print(f"R8: each of {len(took)} services stood still for {seconds:.0f} s, caught up in {each}; {balance}")
    assert balance.whole, str(balance)
    assert max(took.values()) <= CAUGHT_UP_S, each


@pytest.mark.timeout(240)
def test_ten_seconds_of_standing_still(house: House) -> None:
    stop_each(house, 10)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_minute_of_standing_still(house: House) -> None:
    stop_each(house, 60)
