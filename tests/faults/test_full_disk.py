"""The disk under the home is full, then has room again: nothing ends, nothing is lost in silence (SECURITY R4)."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.faults.house import House
from tests.faults.ledger import Ledger
from tests.faults.test_broken_databases import change
from tests.stack import wait_until

DISK_MIB = 48
RECOVERED_S = 5.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own under the home."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "wfmon", str(tmp_path)])
    if mounted.returncode:
        pytest.skip("no file system may be mounted here: needs root and mount(2)")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass
        try:
            while True:
                file.write(b"x")
        except OSError:
            pass


@pytest.mark.timeout(180)
def test_a_full_disk_ends_nothing_and_loses_nothing_that_memory_can_hold(small_disk: Path) -> None:
    house = House(small_disk / "home")
    try:
        house.start()
        ledger = Ledger(house.home)
        pids = {service: house.pid(service) for service in house.everybody}
        filler = small_disk / "filler"
        full_s = time.monotonic()
        refused = 0
        value = 3.0
        while time.monotonic() - full_s < 30:  # three flushes: the length of the fault
            fill(filler)  # again and again: the ballast that is let go would be room
            value = 7.0 - value
            try:
                change(house, "collector.budget_percent", value)
            except grpc.RpcError:
                refused += 1
            time.sleep(1.0)
        ledger.note()
        filler.unlink()
        freed_s = time.monotonic()

        def works() -> bool:
            try:
                change(house, "collector.budget_percent", 5.0)
            except grpc.RpcError:
                return False
            return True

        wait_until(works, 30, "changes of settings to be taken again")
        took_s = time.monotonic() - freed_s
        balance = ledger.settle()
        alive = {service: house.pid(service) for service in house.everybody}
        lost = house.healths("aggregator")[-1].counters["lost_samples_total"]
        print(
            f"R4: full for 30 s, {refused} changes refused, taken again after {took_s:.1f} s; {balance}; {lost:.0f} "
            "samples counted as lost"
        )
        assert alive == pids, "a service ended"
        assert refused > 0, "it was never full"
        assert took_s <= RECOVERED_S
        assert balance.missing.total() <= lost
        assert not balance.surplus
    finally:
        house.stop()
        house.remove()
