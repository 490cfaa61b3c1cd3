"""What SDKs and instrumentations that people use were seen to send; with a version where it is a trait of one."""

from __future__ import annotations

import pytest

from bus.series import Series
from services.gateway.otlp.receiver import Receiver
from tests.gateway.otlp.messages import CHAT, NOW_US, USUAL, gauge, histogram, number, request, total
from tests.gateway.otlp.test_receiver import CLIENT, MODEL, S, listening, taken


def test_no_quantile_lies_outside_of_what_was_counted_whatever_the_bounds() -> None:
    def export(receiver: Receiver, values: list[float], at_us: int) -> dict[str, float]:
        message = request(
            histogram("gen_ai.client.operation.duration", "s", values, CHAT, at_us=at_us, start_us=NOW_US - 60 * S,
                      bounds=USUAL, extremes=True)
        )  # fmt: skip
        found, rejected = taken(receiver, message, at_us)
        assert not rejected.points
        return {dict(one.labels)["type"]: value for one, value in found.items() if one.metric == "model.e2e_ms"}

    receiver = listening()
    first = [0.10 + 0.01 * number for number in range(10)]
    told = export(receiver, first, NOW_US)
    assert told["mean"] == pytest.approx(145.0)
    assert all(100.0 <= value <= 190.0 for value in told.values())
    # Cumulative: the extremes are of all since the start, and hold for what came since the last point as well.
    told = export(receiver, [*first, 0.15, 30.0], NOW_US + S)
    assert told["p50"] >= 100.0
    assert 25_000.0 <= told["p99"] <= 30_000.0


def test_a_bucket_that_holds_all_tells_no_median_far_above_the_mean() -> None:
    """LiteLLM 1.108 with its metrics on: usual bounds, in seconds, most first tokens after 10 ms and one after 210."""
    values = [0.007, *[0.012] * 18, 0.21]
    message = request(
        histogram("gen_ai.server.time_to_first_token", "s", values, CHAT, start_us=NOW_US - S, bounds=USUAL,
                  extremes=True)
    )  # fmt: skip
    found, rejected = taken(listening(), message)
    assert not rejected.points
    told = {dict(series.labels)["type"]: value for series, value in found.items()}
    mean_ms = sum(values) / len(values) * 1e3
    assert told["mean"] == pytest.approx(mean_ms)
    assert 7.0 <= told["p50"] <= 2.0 * mean_ms
    assert told["p50"] <= told["p95"] <= told["p99"] <= 210.0


def test_a_call_that_failed_is_counted_and_its_time_is_no_answers() -> None:
    failed = CHAT | {"error.type": "BadRequestError"}
    message = request(
        histogram("gen_ai.client.operation.duration", "s", [0.3], CHAT, start_us=NOW_US - S),
        histogram("gen_ai.client.operation.duration", "s", [0.002, 0.002], failed, start_us=NOW_US - S),
    )
    values, rejected = taken(listening(), message)
    assert not rejected.points
    assert values[Series("model.e2e_ms", MODEL, (CLIENT, ("type", "mean")))] == pytest.approx(300.0)
    assert values[Series("model.errors_total", MODEL, (CLIENT,))] == 2.0
    assert values[Series("model.requests_total", MODEL, (CLIENT,))] == 1.0


@pytest.mark.parametrize(
    ("name", "unit", "device", "direction", "series"),
    [
        # opentelemetry-instrumentation-system-metrics 0.66b2, and the conventions' names since.
        ("system.network.dropped_packets", "packets", "device", "direction", "system.net.rx_drops_s"),
        ("system.network.packet.dropped", "{packet}", "network__interface__name", "network__io__direction",
         "system.net.rx_drops_s"),
        ("system.network.packet.count", "{packet}", "system__device", "network__io__direction",
         "system.net.rx_packets_s"),
    ],
)  # fmt: skip
def test_packets_are_known_by_all_their_names(name: str, unit: str, device: str, direction: str, series: str) -> None:
    receiver = listening()
    for at_us, count in ((NOW_US, 0.0), (NOW_US + 10 * S, 50.0)):
        point = number(count, at_us, NOW_US - 60 * S, **{device: "eth0", direction: "receive"})
        values, rejected = taken(receiver, request(total(name, unit, point)), at_us)
        assert not rejected.points
    assert values == {Series(series, "system", (("iface", "eth0"),)): 5.0}


def test_memory_is_known_by_its_older_and_newer_names() -> None:
    message = request(
        gauge("system.memory.linux.available", "By", number(4096.0)),
        gauge("system.swap.utilization", "1", number(0.25, state="used")),
        # The same sender tells bytes here and calls them pages: who believes the unit would be 4,096 times off.
        gauge("system.swap.usage", "pages", number(2048.0, state="used")),
    )
    values, rejected = taken(listening(), message)
    assert values == {
        Series("system.mem.available_bytes", "system"): 4096.0,
        Series("system.swap.percent", "system"): 25.0,
    }
    assert "unit 'pages' is not By" in rejected.message()


def test_a_gpus_numbers_without_a_unit_are_those_of_their_sender() -> None:
    """OpenLIT 1.34: percents and MiB, as NVML's own whole numbers, with gpu.index as a text and no unit at all."""
    told = {
        "gpu.utilization": 1.0,
        "gpu.enc.utilization": 0.0,
        "gpu.dec.utilization": 40.0,
        "gpu.memory.used": 512.0,
        "gpu.memory.total": 24576.0,
        "gpu.power.draw": 71.0,
        "gpu.temperature": 51.0,
    }
    message = request(
        *(gauge(name, "", number(value, gpu__index="0", gpu__name="NVIDIA L4")) for name, value in told.items())
    )
    values, rejected = taken(listening(), message)
    assert not rejected.points
    assert {series.metric: value for series, value in values.items()} == {
        "gpu.util_percent": 1.0,
        "gpu.encoder_percent": 0.0,
        "gpu.decoder_percent": 40.0,
        "gpu.mem_used_bytes": 512.0 * 2**20,
        "gpu.mem_total_bytes": 24576.0 * 2**20,
        "gpu.power_w": 71.0,
        "gpu.temp_c": 51.0,
    }
