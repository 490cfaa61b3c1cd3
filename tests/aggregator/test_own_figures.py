"""What the aggregator tells of the monitor itself."""

from math import isnan

from wfmonitor.v1.health_pb2 import Health

from bus.supervision import SERVICES
from services.aggregator.own_figures import RESTART_COLUMNS, restarts


def test_restarts_are_those_that_the_listener_counts() -> None:
    counted = {f"restarts_total:{service}": float(at) for at, service in enumerate(SERVICES)}
    told = restarts([Health(service="gateway", restarts=9), Health(service="listener", counters=counted)])
    assert dict(zip((series.source for series in RESTART_COLUMNS), told, strict=True)) == {
        f"monitor:{service}": float(at) for at, service in enumerate(SERVICES)
    }


def test_restarts_are_absent_until_the_listener_told() -> None:
    assert all(map(isnan, restarts([Health(service="gateway")])))
