"""Any start order works: none waits for another by being started after it (SECURITY R11)."""

import os
import random
import time
import xmlrpc.client

import pytest

from bus.clock import wall_us
from tests.faults.house import House

SEED = int(os.environ.get("WFMON_SEED", "20260117"))
READY_S = 15.0


def start_in_random_orders(house: House, orders: int) -> None:
    dice = random.Random(SEED)
    rpc = house.supervisor.supervisor
    took: list[float] = []
    for _ in range(orders):
        for service in house.services:
            rpc.stopProcess(service)
        order = dice.sample(house.services, len(house.services))
        began_us, began_s = wall_us(), time.monotonic()
        for service in order:
            rpc.startProcess(service, False)
            time.sleep(dice.choice((0.0, 0.0, 0.3, 1.0)))  # how far apart is part of the order
        house.wait_ready(*house.services, after_us=began_us)
        took.append(time.monotonic() - began_s)
        assert took[-1] <= READY_S, f"{order} took {took[-1]:.1f} s"
    print(f"R11: {orders} random start orders (seed {SEED}), all ready in {max(took):.1f} s at most")


@pytest.mark.timeout(300)
def test_ten_random_start_orders(house: House) -> None:
    start_in_random_orders(house, 10)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_hundred_random_start_orders(house: House) -> None:
    start_in_random_orders(house, 100)


def test_a_stopped_service_stays_stopped_until_it_is_started(house: House) -> None:
    """The back-off is for those that end by themselves; a person's word stands."""
    rpc = house.supervisor.supervisor
    rpc.stopProcess("collector")
    beats = len(house.healths("listener"))
    house.ear.wait_for(lambda _: len(house.healths("listener")) > beats + 3, 10, "the listener to look around")
    info = rpc.getProcessInfo("collector")
    assert isinstance(info, dict)
    assert info["statename"] == "STOPPED"
    with pytest.raises(xmlrpc.client.Fault):
        rpc.stopProcess("collector")
    began_us = wall_us()
    rpc.startProcess("collector")
    house.wait_ready("collector", after_us=began_us)
