"""Models, others and idle together are the integral of the power, whatever comes: an independent integrator says so."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from wfmonitor.v1.request_pb2 import Phase, RequestRecord, TokenBurst
from wfmonitor.v1.sample_pb2 import RateGroup

from bus.series import Series, schema_hash
from services.aggregator.batch import Batch, TableKey
from services.aggregator.joules.account import Account
from services.aggregator.joules.activity import Activity
from services.aggregator.joules.costs import Costs
from services.aggregator.joules.readings import Readings
from services.aggregator.joules.voice import JoulesVoice
from services.aggregator.rings import Rings

T0_S = 1_000.0
WALL_S = 1_700_000_000.0
TREND, RESOURCE = RateGroup.RATE_GROUP_TREND, RateGroup.RATE_GROUP_RESOURCE


@dataclass
class Machine:
    """Rings fed by hand, and an account over them."""

    rings: Rings = field(default_factory=Rings)
    activity: Activity = field(default_factory=Activity)
    seq: int = 0

    def __post_init__(self) -> None:
        self.account = Account(self.activity)
        self.readings = Readings(self.rings, round(T0_S * 1e6))
        self.closed = int(T0_S) - 1

    def tell(self, source: str, at_s: float, row: dict[Series, float], hz: float = 10.0) -> None:
        columns = tuple(row)
        self.seq += 1
        group = RESOURCE if hz > 1 else TREND
        self.rings.append(
            Batch(
                TableKey("collector", source, group), 1, self.seq, hz, schema_hash(columns), columns,
                np.array([round((WALL_S + at_s) * 1e6)]), np.array([round((T0_S + at_s) * 1e6)]),
                np.array([[value] for value in row.values()]), False,
            )
        )  # fmt: skip

    def gpu(self, index: int, at_s: float, watts: float, percent: float = math.nan) -> None:
        source = f"gpu:{index}"
        self.tell(source, at_s, {Series("gpu.power_w", source): watts, Series("gpu.util_percent", source): percent})

    def model(self, name: str, at_s: float, percent: float, metric: str = "model.gpu_util_percent") -> None:
        self.tell(f"model:{name}", at_s, {Series(metric, f"model:{name}", (("runtime", "x"),)): percent}, 1.0)

    def processes(self, at_s: float, percent: float) -> None:
        self.tell("process", at_s, {Series("process.gpu_util_percent", "process:#1"): percent}, 1.0)

    def tokens(self, model: str, request: str, *at_s: float, phase: Phase.ValueType = Phase.PHASE_FLOWING) -> None:
        now_us = round((T0_S + max(at_s)) * 1e6)
        times = [] if phase == Phase.PHASE_SENT else [round((T0_S + one) * 1e6) for one in at_s]
        burst = TokenBurst(
            model=model, request_id=request, boot_us=times, times_us=times, tokens=[1] * len(times), phase=phase
        )
        self.activity.burst(burst, now_us)

    def close(self, until_s: float) -> None:
        self.readings.take()
        for number in range(self.closed + 1, int(T0_S + until_s)):
            self.account.close(self.readings.second(number))
            self.closed = number

    def of(self, device: str) -> dict[str, float]:
        return {what: joules for (name, what), joules in self.account.split.items() if name == device}

    def joules(self, model: str) -> dict[str, float]:
        return {label: joules for (name, _, label), joules in self.account.models.items() if name == model}


def integral(times_s: list[float], watts: list[float], bridge_s: float, until_s: float) -> float:
    """The slow, obvious one: power by line between samples, a millisecond at a time, 0 in gaps."""
    there = [(time, power) for time, power in zip(times_s, watts, strict=True) if not math.isnan(power)]
    grid = np.arange(0.0005, until_s, 0.001)
    times, powers = (np.array(column) for column in zip(*there, strict=True))
    after = np.searchsorted(times, grid)
    inside = (after > 0) & (after < len(times))
    bridged = np.zeros(len(grid), bool)
    bridged[inside] = np.diff(times)[after[inside] - 1] <= bridge_s + 1e-9
    return float(np.interp(grid, times, powers)[bridged].sum() * 0.001)


@pytest.mark.parametrize("seed", range(25))
def test_models_others_and_idle_are_the_gpus_integral(seed: int) -> None:
    random = np.random.default_rng(seed)
    machine = Machine()
    span_s, gpus = 40.0, int(random.integers(1, 4))
    traces: dict[int, tuple[list[float], list[float]]] = {index: ([], []) for index in range(gpus)}
    unplugged_s = {index: float(random.uniform(10, 60)) for index in range(gpus)}
    gaps = [(at, at + float(random.exponential(1.5))) for at in random.uniform(0, span_s, 4).tolist()]
    tells = random.random(gpus) < 0.8
    for tick in range(round(span_s * 10)):
        at_s = tick / 10 + float(random.uniform(0, 0.02))
        if any(begin <= at_s < end for begin, end in gaps):
            continue
        for index in range(gpus):
            if at_s > unplugged_s[index]:
                continue
            busy = (tick // 60 + index) % 2 == 0
            watts = float(random.uniform(80, 350)) if busy else float(random.uniform(18, 22))
            if random.random() < 0.05:
                watts = math.nan
            machine.gpu(index, at_s, watts, (60.0 if busy else 0.0) if tells[index] else math.nan)
            traces[index][0].append(at_s)
            traces[index][1].append(watts)
        if tick % 10 == 5 and random.random() < 0.8:
            machine.model("a", at_s, float(random.choice([0.0, 30.0, math.nan])))
            machine.processes(at_s, float(random.choice([35.0, 60.0, math.nan])))
        if random.random() < 0.3:
            machine.tokens("a", "ra", at_s)
        if random.random() < 0.1:
            machine.tokens("b", "rb", at_s)
        if tick % 70 == 69:
            machine.close(at_s - 4)
    machine.close(span_s)
    for index, (times_s, watts) in traces.items():
        told = machine.of(f"gpu:{index}")
        assert all(joules >= 0 for joules in told.values())
        assert sum(told.values()) == pytest.approx(integral(times_s, watts, 1.0, span_s), rel=0.01)
    models = sum(joules for (_, kind, _), joules in machine.account.models.items() if kind == "gpu")
    assert models == pytest.approx(sum(machine.of(f"gpu:{index}").get("models", 0.0) for index in traces))
    billed = sum(sum(bill.joules.values()) for bill in machine.account.bills.values())
    assert billed <= models + 1e-6


def steady(machine: Machine, begin_s: int, end_s: int, watts: float, percent: float, index: int = 0) -> None:
    for tick in range(begin_s * 10, end_s * 10 + 1):
        machine.gpu(index, tick / 10, watts, percent)


def test_what_the_driver_tells_of_processes_shares_the_energy_above_idle() -> None:
    machine = Machine()
    steady(machine, 0, 12, 20.0, 0.0)
    steady(machine, 13, 24, 120.0, 90.0)
    for second in range(13, 24):
        machine.model("a", second + 0.5, 45.0)
        machine.processes(second + 0.5, 90.0)
    machine.close(24)
    assert machine.account.idle["gpu:0"].watts == pytest.approx(20.0)
    # From 14 on: 100 W above idle, half of it the model's; the rest belongs to another program.
    assert set(machine.joules("a")) == {"measured"}
    assert machine.joules("a")["measured"] == pytest.approx(11 * 50.0, rel=0.06)
    assert machine.of("gpu:0")["other"] == pytest.approx(machine.joules("a")["measured"])


def test_without_it_tokens_share_it_and_say_so() -> None:
    machine = Machine()
    steady(machine, 0, 4, 100.0, 50.0)
    for tick in range(40):
        machine.tokens("a", "ra", tick / 10)
        if tick % 4 == 0:
            machine.tokens("b", "rb", tick / 10 + 0.05)
    machine.close(4)
    assert machine.joules("a")["shared"] == pytest.approx(320.0, rel=0.02)
    assert machine.joules("b")["shared"] == pytest.approx(80.0, rel=0.02)


def test_a_gpu_that_does_nothing_is_idle_while_a_model_answers_on_the_cpu() -> None:
    machine = Machine()
    package = Series("system.power_w", "system", (("type", "package-0"),))
    core = Series("system.power_w", "system", (("type", "package-0/core"),))
    for tick in range(51):
        machine.gpu(0, tick / 10, 30.0, 0.0)
        machine.tell("system", tick / 10, {package: 40.0, core: 25.0})
        machine.tokens("a", "ra", tick / 10)
    machine.close(5)
    assert machine.of("gpu:0") == {"other": 0.0, "idle": pytest.approx(150.0)}
    assert machine.of("package-0") == {"models": pytest.approx(200.0), "other": 0.0, "idle": 0.0}
    assert machine.joules("a") == {"shared": pytest.approx(200.0)}


def test_utilisation_of_two_busy_gpus_is_shared_not_measured() -> None:
    machine = Machine()
    for index in (0, 1):
        steady(machine, 0, 11, 20.0, 0.0, index)
        steady(machine, 12, 16, 120.0, 90.0, index)
    for second in range(12, 16):
        machine.model("a", second + 0.5, 90.0)
        machine.processes(second + 0.5, 90.0)
    machine.close(16)
    assert set(machine.joules("a")) == {"shared"}


def test_two_busy_gpus_are_measured_where_the_driver_tells_of_each() -> None:
    machine = Machine()
    for index in (0, 1):
        steady(machine, 0, 11, 20.0, 0.0, index)
        steady(machine, 13, 24, 120.0, 90.0, index)
    for second in range(13, 24):
        for name, percents in (("a", (80.0, 40.0)), ("b", (0.0, 20.0))):
            row = {
                Series("model.gpu_each_util_percent", f"model:{name}", (("device", f"gpu:{index}"),)): percent
                for index, percent in enumerate(percents)
            }
            machine.tell(f"model:{name}", second + 0.5, row, 1.0)
        told = {Series("gpu.process_util_percent", f"gpu:{index}"): 80.0 for index in (0, 1)}
        machine.tell("gpu", second + 0.5, told, 1.0)
    machine.close(24)
    # 100 W above idle a GPU: all of the first and half of the second, a quarter of the second, and others the rest.
    assert machine.joules("a") == {"measured": pytest.approx(11 * 150.0, rel=0.06)}
    assert machine.joules("b") == {"measured": pytest.approx(11 * 25.0, rel=0.06)}
    assert machine.of("gpu:0")["other"] == 0.0
    assert machine.of("gpu:1")["other"] == pytest.approx(11 * 25.0, rel=0.06)


def test_requests_of_a_model_share_by_their_tokens_and_a_cost_waits_for_its_seconds() -> None:
    machine = Machine()
    costs = Costs(machine.account, machine.activity, lambda record: 0.5 if record.id == "r1" else None)
    steady(machine, 0, 8, 100.0, 50.0)
    for request, per_second in (("r1", 3), ("r2", 1)):
        machine.tokens("a", request, 1.0, phase=Phase.PHASE_SENT)
        for second in range(2, 5):
            machine.tokens("a", request, *[second + n / 10 for n in range(per_second)])
    for request in ("r1", "r2"):
        costs.heard(
            RequestRecord(id=request, model="a", start_boot_us=round((T0_S + 1) * 1e6), e2e_ms=3900.0), powered=True
        )
    machine.close(4)
    assert not list(costs.due(machine.closed))
    machine.close(8)
    told = {record.id: cost for record, cost in costs.due(machine.closed)}
    assert {id_: cost.joules_attribution for id_, cost in told.items()} == {"r1": "unknown", "r2": "unknown"}
    # One second of prompts, shared by running time; three of tokens, three to one.
    assert told["r1"].joules == pytest.approx(50 + 225, rel=0.01)
    assert told["r2"].joules == pytest.approx(50 + 75, rel=0.01)
    assert told["r1"].energy_mean == 0.5
    assert not told["r2"].HasField("energy_mean")
    assert not list(costs.due(machine.closed + 9))


def test_a_request_whose_power_was_not_measured_has_no_joules() -> None:
    machine = Machine()
    costs = Costs(machine.account, machine.activity, lambda _record: None)
    steady(machine, 0, 2, 100.0, 50.0)
    machine.tokens("a", "r", 0.0, phase=Phase.PHASE_SENT)
    machine.tokens("a", "r", 1.0, 2.0, 3.0, 4.0)
    costs.heard(RequestRecord(id="r", model="a", start_boot_us=round(T0_S * 1e6), e2e_ms=5000.0), powered=True)
    steady(machine, 7, 9, 100.0, 50.0)
    machine.close(9)
    assert not list(costs.due(machine.closed))


def test_a_request_begun_before_we_listened_has_no_joules() -> None:
    machine = Machine()
    machine.tokens("a", "r", 3.0)
    record = RequestRecord(id="r", model="a", start_boot_us=round(T0_S * 1e6), e2e_ms=3500.0)
    assert machine.activity.record(record) is None


def test_where_no_power_is_measured_nothing_is_kept_or_told() -> None:
    told: list[RequestRecord] = []
    voice = JoulesVoice(Rings(), None, lambda record, _cost: told.append(record))  # type: ignore[arg-type]
    voice.on_tokens(TokenBurst(model="a", request_id="r", phase=Phase.PHASE_SENT))
    voice.on_request(RequestRecord(id="r", model="a", start_boot_us=1, e2e_ms=1.0))
    for second in range(20):
        voice.tick(round((T0_S + second) * 1e6))
    assert not voice.powered
    assert not told
    assert not voice.account.bills


def test_a_gpu_that_comes_back_after_its_ring_was_dropped_is_counted_again() -> None:
    machine = Machine()
    steady(machine, 0, 5, 100.0, 50.0)
    machine.close(6)
    for table in machine.rings:
        table.stored = table.appended
    assert machine.rings.drop_silent(round((T0_S + 1000) * 1e6), 1)
    steady(machine, 20, 22, 100.0, 50.0)
    machine.close(23)
    assert sum(machine.of("gpu:0").values()) == pytest.approx(700.0, rel=0.01)


def test_a_package_is_at_rest_while_its_cpu_nearly_is() -> None:
    machine = Machine()
    power = Series("system.power_w", "system", (("type", "package-0"),))
    cpu = Series("system.cpu.percent", "system")
    for tick in range(241):
        busy = tick >= 120
        machine.tell("system", tick / 10, {power: 35.0 if busy else 12.0, cpu: 80.0 if busy else 2.0})
        if tick >= 130:
            machine.tokens("a", "ra", tick / 10)
    machine.close(24)
    assert machine.account.idle["package-0"].watts == pytest.approx(12.0)
    # 12 W of every second is idle; above it the second without tokens is nobody's, the eleven after it the model's.
    assert machine.of("package-0")["idle"] == pytest.approx(24 * 12.0, rel=0.01)
    assert machine.of("package-0")["models"] == pytest.approx(11 * 23.0, rel=0.02)
    assert machine.joules("a") == {"shared": pytest.approx(11 * 23.0, rel=0.02)}
