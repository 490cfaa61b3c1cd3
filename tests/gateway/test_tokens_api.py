"""What programs tell of their own models: a closed vocabulary of numbers, refused by name, published on the bus."""

import json
import math
import time
from typing import Any

import pytest
from wfmonitor.v1.request_pb2 import Phase, RequestRecord, TokenBurst, TokenKind

from bus import topics
from bus.targets import Targets
from services.gateway.open_requests import SILENT_AFTER_S, OpenRequests
from services.gateway.refusal import Refusal
from services.gateway.tokens import MAX_BURSTS, MAX_ROWS, bursts_of, read_told, requests_of
from tests.gateway.conftest import Page
from tests.stack import Ear

NOW_US = 1_795_500_000_000_000
BOOT_US = 5_000_000_000
REQUEST = "0123456789abcdef0123456789abcdef"
CANARY = "the patient's name is Ada Lovelace"


def burst(**changed: Any) -> dict[str, Any]:
    whole = {
        "model": "org/tiny:q4",
        "request": REQUEST,
        "phase": "flowing",
        "times_us": [NOW_US - 200, NOW_US - 100],
        "tokens": [1, 3],
        "thinking": [True, False],
        "entropy_bits": [None, 1.5],
        "entropy_low_bits": [0.5, 1.25],
        "entropy_high_bits": [9.0, 1.75],
        "entropy_mass": [None, 0.96],
        "certainty": [0.5, None],
    }
    return {name: value for name, value in (whole | changed).items() if value != "leave out"}


def record(**changed: Any) -> dict[str, Any]:
    return {"id": REQUEST, "model": "org/tiny:q4", "start_us": NOW_US - 5_000_000} | changed


def bursts(*told: dict[str, Any]) -> list[TokenBurst]:
    return list(bursts_of(read_told(json.dumps({"bursts": told}).encode()), NOW_US, BOOT_US))


def requests(*told: dict[str, Any]) -> list[RequestRecord]:
    return list(requests_of(read_told(json.dumps({"requests": told}).encode()), NOW_US, BOOT_US))


def taken(told: object) -> list[TokenBurst | RequestRecord]:
    parsed = read_told(json.dumps(told).encode())
    return [*bursts_of(parsed, NOW_US, BOOT_US), *requests_of(parsed, NOW_US, BOOT_US)]


def test_a_burst_gets_both_clocks_and_absent_values_stay_absent() -> None:
    (made,) = bursts(burst())
    assert (made.producer, made.model, made.request_id, made.phase) == ("sdk", "org/tiny:q4", REQUEST, 2)
    assert list(made.times_us) == [NOW_US - 200, NOW_US - 100]
    assert list(made.boot_us) == [BOOT_US - 200, BOOT_US - 100]
    assert list(made.tokens) == [1, 3]
    assert list(made.kinds) == [TokenKind.TOKEN_KIND_THINKING, TokenKind.TOKEN_KIND_ANSWER]
    assert math.isnan(made.entropy_bits[0])
    assert list(made.entropy_high_bits) == [9.0, 1.75]
    assert made.entropy_mass[1] == 0.96
    assert math.isnan(made.entropy_mass[0])
    assert math.isnan(made.certainty[1])


def test_columns_that_were_not_measured_may_be_left_out() -> None:
    (sent,) = bursts({"model": "m", "request": REQUEST, "phase": "sent"})
    assert (sent.phase, len(sent.times_us), len(sent.certainty)) == (Phase.PHASE_SENT, 0, 0)
    (flowing,) = bursts({"model": "m", "request": REQUEST, "phase": "flowing", "times_us": [NOW_US]})
    assert (list(flowing.tokens), list(flowing.kinds)) == ([0], [TokenKind.TOKEN_KIND_ANSWER])


def test_a_record_that_does_not_say_how_long_it_took_ends_when_it_is_told() -> None:
    (silent, ahead, said) = requests(
        record(finish_reason="error", error="ValueError"), record(start_us=NOW_US + 500_000), record(e2e_ms=3.5)
    )
    assert (silent.e2e_ms, ahead.e2e_ms, said.e2e_ms) == (5000.0, 0.0, 3.5)
    assert ahead.HasField("e2e_ms")
    assert Targets(ttft_ms=100.0).met(silent) is False


def test_a_record_holds_what_was_measured_and_nothing_else() -> None:
    (made,) = requests(
        record(ttft_ms=12.5, output_tokens=7, finish_reason="stop", stall=[{"at_ms": 1, "length_ms": 2}])
    )
    assert (made.producer, made.token_source, made.streamed) == ("sdk", "sdk", True)
    assert (made.ttft_ms, made.output_tokens, made.finish_reason) == (12.5, 7, "stop")
    assert made.start_boot_us == BOOT_US - 5_000_000
    assert made.stall[0].length_ms == 2
    assert not made.HasField("queue_ms")
    assert not made.HasField("tpot_ms")
    assert not requests(record())[0].token_source


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"bursts": [burst(model=CANARY)]}, "$.bursts[0].model"),
        ({"bursts": [burst(model="")]}, "$.bursts[0].model"),
        ({"bursts": [burst(model="m\n")]}, "$.bursts[0].model"),
        ({"bursts": [burst(request=CANARY)]}, "$.bursts[0].request"),
        ({"bursts": [burst(phase=CANARY)]}, "$.bursts[0].phase"),
        ({"bursts": [burst(text=CANARY)]}, "$.bursts[0]"),
        ({"bursts": [burst(tokens=["a", "b"])]}, "$.bursts[0].tokens[0]"),
        ({"bursts": [burst(tokens=[1])]}, "$.bursts[0].tokens"),
        ({"bursts": [burst(certainty=[1.5, 0])]}, "$.bursts[0].certainty[0]"),
        ({"bursts": [burst(times_us=[NOW_US, NOW_US - 1])]}, "$.bursts[0].times_us[1]"),
        ({"bursts": [burst(times_us=[NOW_US // 1000] * 2)]}, "$.bursts[0].times_us[0]"),
        ({"bursts": [burst(times_us=[NOW_US, NOW_US + 9_000_000])]}, "$.bursts[0].times_us[1]"),
        ({"bursts": [burst(phase="sent")]}, "$.bursts[0].times_us"),
        ({"bursts": [burst(times_us=[NOW_US] * (MAX_ROWS + 1))]}, "$.bursts[0].times_us"),
        ({"bursts": [burst()] * (MAX_BURSTS + 1)}, "$.bursts"),
        ({"requests": [record(finish_reason=CANARY)]}, "$.requests[0].finish_reason"),
        ({"requests": [record(error=CANARY)]}, "$.requests[0].error"),
        ({"requests": [record(runtime=CANARY)]}, "$.requests[0].runtime"),
        ({"requests": [record(prompt=CANARY)]}, "$.requests[0]"),
        ({"requests": [record(ttft_ms=-1)]}, "$.requests[0].ttft_ms"),
        ({"requests": [record(start_us=5)]}, "$.requests[0].start_us"),
        ({"prompt": CANARY}, "body"),
        ([], "body"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_taken(told: object, field: str) -> None:
    with pytest.raises(Refusal) as caught:
        taken(told)
    assert (caught.value.status, caught.value.what) == (400, field)


def test_a_request_whose_sender_is_gone_is_given_up_once() -> None:
    requests_open = OpenRequests()
    sent, alive, ended = (TokenBurst(model="m", request_id="r", phase=phase) for phase in (1, 2, 3))
    requests_open.heard(sent, 0.0)
    requests_open.heard(TokenBurst(model="m", request_id="other", phase=Phase.PHASE_SENT), 1.0)
    assert list(requests_open.silent(SILENT_AFTER_S - 1)) == []
    requests_open.heard(alive, SILENT_AFTER_S - 1)
    assert list(requests_open.silent(SILENT_AFTER_S + 1)) == [("m", "other")]
    assert list(requests_open.silent(SILENT_AFTER_S + 1)) == []
    requests_open.heard(ended, SILENT_AFTER_S + 2)
    assert list(requests_open.silent(9 * SILENT_AFTER_S)) == []


@pytest.mark.parametrize("body", [b"", b"{", b'{"bursts": [\xff]}', b"NaN", b'{"dropped": 1e400}'])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal):
        read_told(body)


async def test_what_is_taken_goes_on_the_bus(page: Page) -> None:
    ear = Ear(page.stack.home, (topics.TOKENS, topics.REQUESTS))
    try:
        heard: list[str] = []
        # A subscription takes its way through the forwarder; only a message that comes back tells that it stands.
        while {topics.token("m"), topics.request("m")} - set(heard):
            now_us = time.time_ns() // 1000
            told = {
                "bursts": [burst(model="m", times_us=[now_us, now_us])],
                "requests": [record(model="m", start_us=now_us)],
                "dropped": 2,
            }
            assert await page.post("/api/v1/tokens", told) == (200, {"bursts": 1, "requests": 1})
            with ear.changed:
                ear.changed.wait(0.1)
                heard = [topic for topic, _ in ear.messages]
    finally:
        ear.close()


async def test_the_ear_needs_the_token_and_its_switch(page: Page) -> None:
    assert (await page.post("/api/v1/tokens", {}, Authorization="Bearer wrong"))[0] == 401
    status, wrong = await page.post("/api/v1/tokens", {"bursts": [{"model": CANARY}]})
    assert (status, wrong["error"]["what"]) == (400, "$.bursts[0].model")
    assert CANARY not in json.dumps(wrong)
