"""What senders export, as it stands in the catalogue's series: names, units, rates, resets, and what is turned away."""

from __future__ import annotations

import math

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, Metric

from bus.catalogue import catalogue
from bus.series import Series
from services.gateway.otlp import genai, machine
from services.gateway.otlp.receiver import MAX_POINTS, MAX_SERIES_OF_A_SENDER, RULES, Receiver
from services.gateway.otlp.rejected import Rejected
from services.gateway.otlp.wire import Refused
from tests.gateway.otlp.messages import CHAT, NOW_US, exponential, gauge, histogram, number, request, total

S = 1_000_000
MODEL = "model:llama3:8b"
CLIENT = ("runtime", "otlp-client:openai")


def taken(
    receiver: Receiver, message: ExportMetricsServiceRequest, now_us: int = NOW_US
) -> tuple[dict[Series, float], Rejected]:
    found = receiver.take(message, now_us)
    return {series: value for row in found.rows for series, value in row.values.items()}, found.rejected


def listening(since_us: int = NOW_US - 3600 * S) -> Receiver:
    return Receiver(since_us)


def test_every_rule_names_a_metric_and_labels_that_the_catalogue_has() -> None:
    for name, rules in RULES.items():
        for rule in rules:
            metric = catalogue()[rule.metric]
            told = {*rule.labels, *(key for key, _ in rule.fixed)}
            told |= {"type"} if rule.how.value == "times" else set()
            told |= {"runtime"} if rule.metric.startswith("model.") else set()
            assert told <= set(metric.labels), f"{name} → {rule.metric}"
    assert set(genai.NAMES.values()) <= genai.RULES.keys()
    assert set(machine.NAMES.values()) <= machine.RULES.keys()


def test_a_duration_becomes_mean_and_quantiles_in_ms_and_a_count_of_requests() -> None:
    message = request(
        histogram("gen_ai.client.operation.duration", "s", [0.3, 0.3, 0.3, 2.0], CHAT, start_us=NOW_US - 60 * S)
    )
    values, rejected = taken(listening(), message)
    assert not rejected.points
    mean = Series("model.e2e_ms", MODEL, (CLIENT, ("type", "mean")))
    p99 = Series("model.e2e_ms", MODEL, (CLIENT, ("type", "p99")))
    assert values[mean] == pytest.approx(725.0)
    assert 1280.0 <= values[p99] <= 2560.0
    assert values[Series("model.requests_total", MODEL, (CLIENT,))] == 4.0


def test_tokens_are_told_apart_by_their_type_and_become_a_rate() -> None:
    receiver = listening()
    first = request(
        histogram("gen_ai.client.token.usage", "{token}", [100.0], CHAT | {"gen_ai.token.type": "input"}, delta=True,
                  start_us=NOW_US - 10 * S, bounds=(1, 4, 16, 64, 256, 1024)),
        histogram("gen_ai.client.token.usage", "{token}", [50.0], CHAT | {"gen_ai.token.type": "output"}, delta=True,
                  start_us=NOW_US - 10 * S, bounds=(1, 4, 16, 64, 256, 1024)),
    )  # fmt: skip
    values, rejected = taken(receiver, first)
    assert not rejected.points
    assert values[Series("model.prompt_tokens_total", MODEL, (CLIENT,))] == 100.0
    assert values[Series("model.tokens_total", MODEL, (CLIENT,))] == 50.0
    assert values[Series("model.tps", MODEL, (CLIENT, ("type", "total")))] == 5.0


def test_an_older_sender_is_understood() -> None:
    told: dict[str, str | int | bool] = {
        "gen_ai.system": "ollama",
        "gen_ai.response.model": "phi3",
        "gen_ai.token_type": "completion",
    }
    message = request(
        histogram("llm.chat_completions.tokens", "", [7.0], told, start_us=NOW_US - S, bounds=(8.0,)),
        histogram("gen_ai.server.ttft", "s", [0.2], told, start_us=NOW_US - S),
    )
    values, rejected = taken(listening(), message)
    assert not rejected.points
    assert values[Series("model.tokens_total", "model:phi3", (("runtime", "otlp-client:ollama"),))] == 7.0
    p50 = Series("model.ttft_ms", "model:phi3", (("runtime", "otlp:ollama"), ("type", "p50")))
    assert 160.0 <= values[p50] <= 320.0


def test_exponential_histograms_of_two_scales_add_up() -> None:
    def point(scale: int, counts: list[int], at_us: int) -> ExponentialHistogramDataPoint:
        made = ExponentialHistogramDataPoint(
            scale=scale, count=sum(counts), sum=float(sum(counts)), time_unix_nano=at_us * 1000,
            start_time_unix_nano=(NOW_US - 60 * S) * 1000,
        )  # fmt: skip
        made.positive.offset = 0
        made.positive.bucket_counts.extend(counts)
        return made

    receiver = listening()
    name = "gen_ai.server.time_to_first_token"
    taken(receiver, request(exponential(name, "s", point(1, [0, 2, 0, 0], NOW_US), CHAT)))
    values, rejected = taken(receiver, request(exponential(name, "s", point(0, [2, 4], NOW_US + S), CHAT)), NOW_US + S)
    assert not rejected.points
    p50 = Series("model.ttft_ms", MODEL, (("runtime", "otlp:openai"), ("type", "p50")))
    assert 2000.0 < values[p50] <= 4000.0


def test_a_cumulative_sum_grows_by_differences_and_a_restart_is_all_new() -> None:
    receiver = listening()
    series = Series("model.tokens_total", MODEL, (("runtime", "otlp-client"),))
    told: dict[str, str | int | bool] = {"gen_ai__request__model": "llama3:8b"}

    def export(value: float, at_s: int, start_us: int) -> dict[Series, float]:
        at_us = NOW_US + at_s * S
        message = request(
            total("gen_ai.usage.output_tokens", "1", number(value, at_us, start_us, **told)), sender="one"
        )
        return taken(receiver, message, at_us)[0]

    before_us = NOW_US - 7200 * S  # began before we listened: what it counted until then is not ours
    assert export(1000.0, 0, before_us)[series] == 0.0
    tps = Series("model.tps", MODEL, (("runtime", "otlp-client"), ("type", "total")))
    second = export(1100.0, 10, before_us)
    assert second[series] == 100.0
    assert second[tps] == 10.0
    third = export(30.0, 20, NOW_US + 15 * S)
    assert third[series] == 130.0
    assert third[tps] == 6.0  # 30 in the 5 s since its start
    assert export(20.0, 30, 0)[series] == 150.0  # fell without a start: a restart all the same


def test_a_point_that_came_before_is_not_counted_again() -> None:
    receiver = listening()
    message = request(histogram("gen_ai.client.operation.duration", "s", [1.0], CHAT, delta=True, start_us=NOW_US - S))
    taken(receiver, message)
    values, rejected = taken(receiver, message)
    assert not values
    assert rejected.points == 1
    assert "not later" in rejected.message()


def test_hardware_is_a_gpu_by_its_index_or_a_sensor_by_its_name() -> None:
    gpu: dict[str, str | int | bool] = {"hw__id": "0", "hw__type": "gpu"}
    fan: dict[str, str | int | bool] = {"hw__id": "PSU 1", "hw__type": "power_supply"}
    message = request(
        gauge("hw.gpu.utilization", "1", number(0.25, **gpu)),
        total("hw.gpu.memory.usage", "By", number(2.0**30, **gpu), monotonic=False),
        total("hw.gpu.memory.limit", "MiBy", number(8192.0, **gpu), monotonic=False),
        gauge("hw.power", "W", number(80.5, **gpu), number(12.0, **fan)),
        gauge("hw.temperature", "Cel", number(61.0, **gpu)),
        gauge("nvml.gpu.utilization", "10^2.%", number(0.5, gpu_number="1", uuid="GPU-7c")),
        gauge("gpu.utilization", "%", number(40.0, gpu__index=2)),
    )
    values, rejected = taken(listening(), message)
    assert not rejected.points
    assert values[Series("gpu.util_percent", "gpu:0")] == 25.0
    assert values[Series("gpu.mem_used_bytes", "gpu:0")] == 2.0**30
    assert values[Series("gpu.mem_total_bytes", "gpu:0")] == 2.0**33
    assert values[Series("gpu.power_w", "gpu:0")] == 80.5
    assert values[Series("gpu.temp_c", "gpu:0")] == 61.0
    assert values[Series("system.power_w", "system", (("type", "PSU 1"),))] == 12.0
    assert values[Series("gpu.util_percent", "gpu:1")] == 50.0
    assert values[Series("gpu.util_percent", "gpu:2")] == 40.0


def test_energy_of_a_gpu_grows_and_a_uuid_alone_is_no_index() -> None:
    receiver = listening()

    def export(joules: float, at_s: int, gpu: str) -> tuple[dict[Series, float], Rejected]:
        at_us = NOW_US + at_s * S
        point = number(joules, at_us, 0, hw__id=gpu, hw__type="gpu")
        return taken(receiver, request(total("hw.energy", "J", point)), at_us)

    export(5000.0, 0, "0")
    values, _ = export(5120.0, 1, "0")
    assert values == {Series("gpu.energy_j", "gpu:0"): 120.0}
    values, rejected = export(1.0, 2, "GPU-3f9a1c22-0000-0000-0000-000000000000")
    assert not values
    assert "no index of a GPU" in rejected.message()


def test_the_host_is_the_system() -> None:
    receiver = listening()

    def export(at_s: int, received: float, idle: float) -> dict[Series, float]:
        at_us, start_us = NOW_US + at_s * S, NOW_US - 9_000 * S
        message = request(
            total("system.network.io", "By", number(received, at_us, start_us, device="eth0", direction="receive")),
            total("system.cpu.time", "s", number(idle, at_us, start_us, cpu="cpu0", state="idle")),
            gauge("system.memory.utilization", "1", number(0.75, at_us, state="used")),
            gauge("system.cpu.utilization", "1", number(0.9, at_us, **{"cpu__mode": "idle"})),
        )
        values, rejected = taken(receiver, message, at_us)
        assert not rejected.points
        return values

    export(0, 1000.0, 500.0)
    values = export(10, 6000.0, 507.0)
    assert values[Series("system.net.rx_bytes_s", "system", (("iface", "eth0"),))] == 500.0
    assert values[Series("system.cpu.core_percent", "system", (("core", "cpu0"),))] == pytest.approx(30.0)
    assert values[Series("system.mem.percent", "system")] == 75.0
    assert values[Series("system.cpu.percent", "system")] == pytest.approx(10.0)


def test_what_has_no_place_is_counted_by_its_name() -> None:
    message = request(
        gauge("http.server.active_requests", "{request}", number(1.0), number(2.0)),
        gauge("hw.gpu.utilization", "furlong", number(1.0, hw__id="0")),
        histogram("gen_ai.client.operation.duration", "s", [1.0], CHAT | {"gen_ai.operation.name": "execute_tool"}),
        gauge("system.uptime", "s", number(math.nan)),
    )
    values, rejected = taken(listening(), message)
    assert not values
    assert rejected.points == 5
    for part in ("http.server.active_requests (2)", "'furlong' is not 1", "execute_tool", "no finite number"):
        assert part in rejected.message()


def test_hostile_attributes_are_texts_and_do_not_multiply_series() -> None:
    receiver = listening()
    nasty = 'x"]}\n<script>[metric=y]\x1b[31m' + "A" * 100_000
    values, _ = taken(
        receiver, request(histogram("gen_ai.server.time_to_first_token", "s", [0.1],
                                    CHAT | {"gen_ai.request.model": nasty, "gen_ai.provider.name": nasty},
                                    start_us=NOW_US - S))
    )  # fmt: skip
    for series in values:
        assert len(series.source) < 100
        for _, value in series.labels:
            assert len(value) <= 80
            assert not set(value) & set("[]\n\x1b")
    points = [number(float(n), device=f"disk{n}", direction="read", start_us=NOW_US - S) for n in range(2000)]
    _, rejected = taken(receiver, request(total("system.disk.io", "By", *points), sender="exploder"))
    assert rejected.points == 2000 - MAX_SERIES_OF_A_SENDER
    assert "series already" in rejected.message()


def test_more_points_than_are_taken_at_once_are_refused_whole() -> None:
    points = [number(1.0)] * (MAX_POINTS + 1)
    with pytest.raises(Refused, match="10000"):
        listening().take(request(gauge("system.uptime", "s", *points)), NOW_US)


IMPOSSIBLE = [
    ("gpu.util_percent", gauge("hw.gpu.utilization", "1", number(1.5, hw__id="0"))),
    ("gpu.mem_used_bytes", gauge("hw.gpu.memory.usage", "By", number(-1.0, hw__id="0"))),
    ("system.cpu.percent", gauge("system.cpu.utilization", "1", number(1.5, cpu__mode="idle"))),
    ("model.prompt_tokens_total",
     total("gen_ai.usage.input_tokens", "1", number(-7.0, start_us=NOW_US - S, gen_ai__request__model="m"),
           delta=True)),
    ("system.net.rx_bytes_s",
     total("system.network.io", "By", number(-7.0, start_us=NOW_US - S, network__io__direction="receive",
                                             network__interface__name="lo"), delta=True)),
    ("system.cpu.core_state_percent",
     total("system.cpu.time", "s", number(3.0, start_us=NOW_US - S, cpu__logical_number=1, cpu__mode="user"),
           delta=True)),
    ("model.e2e_ms",
     histogram("gen_ai.client.operation.duration", "s", [-0.5], CHAT, start_us=NOW_US - S, bounds=(-1.0, -0.1, 1.0))),
]  # fmt: skip


@pytest.mark.parametrize(("metric", "told"), IMPOSSIBLE, ids=[metric for metric, _ in IMPOSSIBLE])
def test_a_value_outside_its_metrics_range_is_rejected_whole_and_says_what_is_possible(
    metric: str, told: Metric
) -> None:
    receiver = listening()
    values, rejected = taken(receiver, request(told))
    assert not values
    assert rejected.points == 1
    assert f"is outside what {metric} can be: at least 0" in rejected.message()


def test_a_value_that_no_unit_of_ours_can_hold_is_rejected() -> None:
    values, rejected = taken(listening(), request(gauge("hw.gpu.memory.usage", "GiBy", number(1e308, hw__id="0"))))
    assert not values
    assert "in bytes it is no finite number" in rejected.message()


def test_a_full_core_whose_clocks_differ_by_a_little_is_a_full_core() -> None:
    told = number(1.01, start_us=NOW_US - S, cpu__logical_number=1, cpu__mode="user")
    values, rejected = taken(listening(), request(total("system.cpu.time", "s", told, delta=True)))
    assert not rejected.points
    assert list(values.values()) == [100.0]


def test_idle_time_of_which_nothing_is_known_yet_tells_no_busy_core() -> None:
    told = number(5000.0, start_us=NOW_US - 7200 * S, cpu__logical_number=1, cpu__mode="idle")
    values, rejected = taken(listening(), request(total("system.cpu.time", "s", told)))
    assert not rejected.points
    assert not values
