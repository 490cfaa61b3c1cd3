"""A database broken in header, page or log: put away, running again within 5 s, told (SECURITY R5)."""

import contextlib
import json
import os
import random
import time
import xmlrpc.client
from collections.abc import Callable
from functools import partial
from pathlib import Path

import grpc
import pytest
from wfmonitor.v1.metrics_service_pb2 import ListEventsRequest
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub
from wfmonitor.v1.settings_service_pb2 import ChangeRequest, ListSettingsRequest
from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

from bus.clock import wall_us
from tests.faults.house import House
from tests.faults.ledger import Ledger
from tests.stack import wait_until

SEED = int(os.environ.get("WFMON_SEED", "20260119"))
OWNERS = ("governance", "aggregator", "gateway", "tap")
RUNNING_S = 5.0
_PAGE = 4096


def break_header(path: Path, dice: random.Random) -> None:
    with path.open("r+b") as file:
        file.write(dice.randbytes(100))


def break_pages(path: Path, dice: random.Random) -> None:
    """All pages but the first: what is there is found broken by the check at the start."""
    with path.open("r+b") as file:
        file.seek(_PAGE)
        file.write(dice.randbytes(path.stat().st_size - _PAGE))


def break_log(path: Path, dice: random.Random) -> None:
    """Every byte of the -wal that a kill left behind."""
    log = Path(f"{path}-wal")
    log.write_bytes(dice.randbytes(log.stat().st_size))


Damage = Callable[[Path, random.Random], None]


def break_and_start(
    house: House, service: str, damage: Damage, dice: random.Random
) -> tuple[float, list[str], set[str]]:
    """Ends a service, damages its file, starts it; (seconds until ready, files put away, ids of events told)."""
    before, told = set(house.home.quarantine.iterdir()), quarantine_events(house, service)
    rpc = house.supervisor.supervisor
    if damage is break_log:
        rpc.signalProcess(service, "KILL")  # a service that is stopped leaves no log behind
    # A person stops it: else the listener would start it at once, damage or not. All of a stopped one is in its
    # file; after a kill much of it would be in the log, and the damaged pages never read.
    wait_until(lambda: stopped(house, service), 10, f"{service} to be stopped")
    damage(house.home.database(service), dice)
    began_us, began_s = wall_us(), time.monotonic()
    rpc.startProcess(service, False)
    house.wait_ready(service, after_us=began_us)
    took_s = time.monotonic() - began_s
    away = [path.name for path in house.home.quarantine.iterdir() if path not in before]
    if damage is not break_log:
        wait_until(lambda: bool(quarantine_events(house, service) - told), 5, f"the event of {service}'s quarantine")
    return took_s, away, quarantine_events(house, service) - told


def stopped(house: House, service: str) -> bool:
    rpc = house.supervisor.supervisor
    with contextlib.suppress(xmlrpc.client.Fault):
        rpc.stopProcess(service)
    info = rpc.getProcessInfo(service)
    assert isinstance(info, dict)
    return info["statename"] in ("STOPPED", "EXITED") and not alive(house, service)


def alive(house: House, service: str) -> bool:
    try:
        os.kill(house.pid(service), 0)
    except (ProcessLookupError, ValueError):
        return False
    return True


def quarantine_events(house: House, service: str) -> set[str]:
    """Ids of those the aggregator keeps for the charts: what was said before the bus was there is pulled as well."""
    with grpc.insecure_channel(f"unix:{house.home.socket('aggregator')}") as channel:
        request = ListEventsRequest(kind="quarantine")
        events = MetricsServiceStub(channel).ListEvents(request, timeout=5, wait_for_ready=True).events
    return {event.id for event in events if event.source == f"monitor:{service}"}


def tells_of_more(house: House, service: str, told: set[str]) -> bool:
    return quarantine_events(house, service) > told


@pytest.mark.timeout(300)
def test_each_database_broken_in_each_way(house: House) -> None:
    dice = random.Random(SEED)
    took: dict[str, float] = {}
    kept = 0
    for service in OWNERS:
        for damage in (break_header, break_pages):
            name = f"{service} {damage.__name__.removeprefix('break_')}"
            took[name], away, told = break_and_start(house, service, damage, dice)
            assert any(file.startswith(f"{service}-") and file.endswith(".db") for file in away), (name, away)
            assert told, name
            kept += len(away)
    slowest = max(took, key=took.__getitem__)
    print(
        f"R5: {len(took)} broken databases (seed {SEED}): {len(took)} put away and told, {kept} files kept, the "
        f"slowest ({slowest}) running again in {took[slowest]:.1f} s"
    )
    assert took[slowest] <= RUNNING_S, took


@pytest.mark.timeout(180)
def test_a_broken_log_loses_no_sample_and_no_setting(house: House) -> None:
    """SQLite drops a log that it cannot read without a word; what was in it comes back from its producers."""
    dice = random.Random(SEED)
    ledger = Ledger(house.home)
    value = 2.0
    took = {}
    for service in OWNERS:
        value += 1
        change(house, "collector.budget_percent", value)
        ledger.note()
        took[service], _, _ = break_and_start(house, service, break_log, dice)
        assert setting(house, "collector.budget_percent") == value, f"after the log of {service} was broken"
    balance = ledger.settle()
    print(f"R5: {len(took)} broken logs (seed {SEED}), running again in {max(took.values()):.1f} s at most; {balance}")
    assert not balance.missing, str(balance)
    assert max(took.values()) <= RUNNING_S, took


@pytest.mark.timeout(180)
def test_a_database_broken_while_in_use_is_found_at_the_next_start_at_the_latest(house: House) -> None:
    """SQLite finds it when it next reads there; what it holds in memory may hide it until then."""
    dice = random.Random(SEED)
    took: dict[str, float] = {}
    for service in OWNERS:
        told = quarantine_events(house, service)
        path = house.home.database(service)
        for file in (Path(f"{path}-wal"), path):
            with file.open("r+b") as handle:
                handle.write(dice.randbytes(file.stat().st_size))
        took[service] = house.kill_and_revive(service)
        wait_until(partial(tells_of_more, house, service, told), 10, f"the event of {service}'s quarantine")
    files = sorted(file.name for file in house.home.quarantine.iterdir())
    change(house, "collector.budget_percent", 7.0)
    print(
        f"R5: {len(took)} files broken while in use, put away and told, killed and back in {max(took.values()):.1f} s"
    )
    assert all(any(name.startswith(f"{service}-") for name in files) for service in OWNERS), files
    assert max(took.values()) <= RUNNING_S, took


def change(house: House, key: str, value: float) -> None:
    with grpc.insecure_channel(f"unix:{house.home.socket('governance')}") as channel:
        request = ChangeRequest(key=key, value=json.dumps(value), actor="person:test")
        SettingsServiceStub(channel).Change(request, timeout=3)


def setting(house: House, key: str) -> float:
    with grpc.insecure_channel(f"unix:{house.home.socket('governance')}") as channel:
        answer = SettingsServiceStub(channel).ListSettings(ListSettingsRequest(prefix=key), timeout=3)
    return float(json.loads(answer.settings[0].value))
