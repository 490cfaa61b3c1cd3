"""llama.cpp: looking neither wakes nor loads, and no increase of a counter is not a speed of 0."""

from __future__ import annotations

import json
import math

import pytest

from services.collector.runtime.candidates import Candidate
from services.collector.runtime.door import Slow
from services.collector.runtime.reading import Reading
from services.collector.samplers.runtime import llama_server
from services.collector.samplers.runtime.llama_server import LlamaServer, Props, may_ask_metrics
from tests.collector.runtime.standin_runtime import Page, StandIn, never, recorded
from tests.collector.runtime.values import told

METRICS = "llama_server_b10900_"
MODEL = "llama-3-8b-q4.gguf"


def plain(**pages: Page | bytes) -> dict[str, Page | bytes]:
    start = {"Process-Start-Time-Unix": "12345"}
    return {
        "/health": b'{"status":"ok"}',
        "/props": recorded(METRICS + "props.json"),
        "/v1/models": recorded(METRICS + "models.json"),
        "/metrics": Page(recorded(METRICS + "1_computing.txt"), headers=start),
        "/slots": recorded(METRICS + "slots_1.json"),
    } | {f"/{name}": page for name, page in pages.items()}


def props(**changes: object) -> bytes:
    return json.dumps(json.loads(recorded(METRICS + "props.json")) | changes).encode()


class Seen:
    """One server under a look each five seconds."""

    def __init__(self, runtime: StandIn, candidate: Candidate | None = None) -> None:
        self.runtime = runtime
        self.kind = LlamaServer(candidate or Candidate(runtime.port))
        self.now_s = 0.0

    def look(self, metrics: str = "", slots: str = "", life: str = "12345") -> Reading:
        if metrics:
            page = Page(recorded(METRICS + metrics), headers={"Process-Start-Time-Unix": life})
            self.runtime.pages["/metrics"] = page
        if slots:
            self.runtime.pages["/slots"] = Page(recorded(METRICS + slots))
        self.now_s += 5.0
        return self.kind.look(self.runtime.door, self.now_s)


def test_no_new_token_while_a_request_is_computed_is_unknown_and_not_zero() -> None:
    with StandIn(plain(), never) as runtime:
        seen = Seen(runtime)
        seen.look()
        values = told(seen.look("2_computing.txt"))
    assert math.isnan(values["tps[type=stream]"])
    assert math.isnan(values["tpot_ms[type=mean]"])
    assert values["tps[type=total]"] == 0.0, "the live count of the slots stood still: that is known"
    assert values["prompt_tps[type=stream]"] == pytest.approx(800.0)
    assert values["requests_running"] == 2.0


def test_speed_is_tokens_over_the_seconds_they_took_not_over_the_pause_between_looks() -> None:
    with StandIn(plain(), never) as runtime:
        seen = Seen(runtime)
        seen.look("2_computing.txt")
        values = told(seen.look("3_one_ended.txt"))
    assert values["tps[type=stream]"] == pytest.approx(45.0)
    assert values["tpot_ms[type=mean]"] == pytest.approx(1000.0 / 45.0)
    assert values["spec_accept_ratio"] == pytest.approx(300 / 720)
    assert values["tokens_total"] == 9540.0


def test_live_speed_and_context_come_from_the_slots() -> None:
    with StandIn(plain(), never) as runtime:
        seen = Seen(runtime)
        assert math.isnan(told(seen.look())["tps[type=total]"])
        values = told(seen.look("2_computing.txt", "slots_2.json"))
    assert values["tps[type=total]"] == pytest.approx(90 / 5.0)
    assert values["context_used_ratio"] == pytest.approx(602 / 2048)


def test_request_that_began_since_makes_the_live_speed_unknown() -> None:
    other = recorded(METRICS + "slots_2.json").replace(b'"id_task":17', b'"id_task":18')
    with StandIn(plain(), never) as runtime:
        seen = Seen(runtime)
        seen.look()
        runtime.pages["/slots"] = Page(other)
        assert math.isnan(told(seen.look("2_computing.txt"))["tps[type=total]"])


def test_idle_is_zero_only_when_nothing_ended_in_between() -> None:
    with StandIn(plain(), never) as runtime:
        seen = Seen(runtime)
        seen.look("3_one_ended.txt")
        assert math.isnan(told(seen.look("4_idle.txt"))["tps[type=total]"])
        runtime.paths()
        assert told(seen.look("5_still_idle.txt"))["tps[type=total]"] == 0.0
        assert "/slots" not in runtime.paths(), "a server that computes nothing may be about to sleep"


def test_restart_by_its_header_is_no_speed() -> None:
    with StandIn(plain(), never) as runtime:
        seen = Seen(runtime)
        seen.look("2_computing.txt")
        values = told(seen.look("3_one_ended.txt", life="777"))
    assert math.isnan(values["tps[type=stream]"])


def test_cached_tokens_are_left_out_of_its_prompt_tokens_and_so_added_for_the_share() -> None:
    with StandIn(plain(), never) as runtime:
        seen = Seen(runtime)
        seen.look()
        values = told(seen.look("2_computing.txt"))
    assert values["cache_hit_ratio"] == pytest.approx(512 / (512 + 1024))
    assert values["prompt_tokens_total[type=computed]"] == 21504.0


def asleep(path: str, query: dict[str, str]) -> bool:
    return path in ("/metrics", "/slots") or never(path, query)


def test_sleeper_is_left_asleep() -> None:
    with StandIn(plain(props=props(is_sleeping=True)), asleep) as runtime:
        reading = Seen(runtime).look()
    assert reading.models[MODEL].asleep
    assert not reading.models[MODEL].values


@pytest.mark.parametrize(
    ("build", "sleeping", "sleeps", "may"),
    [
        ("b10900-abcdef0", False, True, True),
        ("b10518-abcdef0", False, True, False),
        ("b10518-abcdef0", False, None, False),
        ("b10518-abcdef0", False, False, True),
        ("b6700-abcdef0", None, None, True),
        ("homemade", False, None, False),
    ],
)
def test_metrics_of_a_build_that_they_would_keep_awake_are_not_asked(
    build: str, sleeping: bool | None, sleeps: bool | None, may: bool
) -> None:
    assert may_ask_metrics(Props(build_info=build, is_sleeping=sleeping), sleeps) is may


def test_model_of_an_older_build_may_fall_asleep_while_we_look() -> None:
    with StandIn(plain(props=props(build_info="b9000-abcdef0")), asleep) as runtime:
        candidate = Candidate(runtime.port, flags={"--sleep-idle-seconds": True})
        reading = Seen(runtime, candidate).look()
    assert "awake" in reading.note
    assert list(reading.models) == [MODEL]


def router_disturbed(path: str, query: dict[str, str]) -> bool:
    """What loads a model: any GET that is passed on to one, unless it says not to; and any for one not loaded."""
    passed_on = path in ("/metrics", "/slots", "/props") and "model" in query
    loads = passed_on and (query.get("autoload") != "false" or query["model"] != "org/loaded:Q4_K_M")
    return (
        loads or (path in ("/metrics", "/slots") and not passed_on) or path.startswith("/models/") or never(path, query)
    )


def test_router_loads_no_model_because_somebody_looks() -> None:
    models = [
        {"id": "org/loaded:Q4_K_M", "path": "/home/CANARY", "status": {"value": "loaded", "args": ["llama-server"]}},
        {"id": "org/unloaded", "status": {"value": "unloaded"}},
        {"id": "org/loading", "status": {"value": "loading", "args": []}},
        {"id": "org/asleep", "status": {"value": "sleeping", "args": []}},
        {"id": "org/fetched", "status": {"value": "downloading", "progress": {}}},
    ]
    pages = plain(models=json.dumps({"data": models}).encode())
    pages["/props"] = props(role="router", model_path="none")
    pages["/props?model=org%2Floaded%3AQ4_K_M&autoload=false"] = recorded(METRICS + "props.json")
    with StandIn(pages, router_disturbed) as runtime:
        reading = Seen(runtime).look()
        assert "/metrics?model=org%2Floaded%3AQ4_K_M&autoload=false" in runtime.paths()
    assert set(reading.models) == {"org/loaded:Q4_K_M", "org/asleep"}
    assert reading.loading == {"org/loading"}
    assert told(reading, "org/loaded:Q4_K_M")["requests_running"] == 1.0
    assert reading.models["org/asleep"].asleep


def test_server_that_loads_is_asked_nothing_else() -> None:
    with StandIn({"/health": Page(b"", 503)}, never) as runtime:
        reading = Seen(runtime).look()
        assert runtime.paths() == ["/health"]
    assert reading.loading == {""}


def test_metrics_that_do_not_answer_during_a_decode_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    with StandIn(plain(), never) as runtime:
        seen = Seen(runtime)
        door = runtime.door
        get = door.get

        def slow(path: str, deadline_s: float = 0.0) -> object:
            if path == "/metrics":
                assert deadline_s == llama_server.METRICS_DEADLINE_S
                raise Slow
            return get(path, deadline_s)

        monkeypatch.setattr(door, "get", slow)
        reading = seen.kind.look(door, 1.0)
    assert list(reading.models) == [MODEL], "it is there"
    assert not reading.models[MODEL].values


def test_server_without_metrics_says_how_to_get_them() -> None:
    with StandIn(plain(props=props(endpoint_metrics=False)), asleep) as runtime:
        assert "--metrics" in Seen(runtime).look().note


def without_metrics(*slots: dict[str, object], **changes: object) -> dict[str, Page | bytes]:
    return plain(props=props(endpoint_metrics=False, **changes), slots=json.dumps(slots).encode())


def slot(task: int | None, decoded: int = 0, busy: bool = False) -> dict[str, object]:
    told = {"id": 0, "n_ctx": 2048, "is_processing": busy}
    if task is not None:
        told |= {"id_task": task, "n_prompt_tokens": 512 + decoded, "next_token": [{"n_decoded": decoded}]}
    return told


def no_metrics(path: str, query: dict[str, str]) -> bool:
    return path == "/metrics" or never(path, query)


def test_slots_tell_of_a_server_without_metrics_what_runs_and_whether_anybody_asked() -> None:
    with StandIn(without_metrics(slot(None)), no_metrics) as runtime:
        seen = Seen(runtime, Candidate(runtime.port, flags={}))

        def look(*slots: dict[str, object]) -> Reading:
            runtime.pages["/slots"] = Page(json.dumps(slots).encode())
            return seen.look()

        unused = look(slot(None))
        assert told(look(slot(None))) == {"requests_running": 0.0, "tps[type=total]": 0.0}
        computing = look(slot(3, 10, busy=True))
        assert math.isnan(told(computing)["tps[type=total]"])
        values = told(look(slot(3, 110, busy=True)))
        assert values == {
            "requests_running": 1.0,
            "tps[type=total]": pytest.approx(20.0),
            "context_used_ratio": pytest.approx(622 / 2048),
        }
        ended = look(slot(3, 200))
        assert math.isnan(told(ended)["tps[type=total]"]), "what it made in these seconds was seen in part"
        assert told(look(slot(3, 200)))["tps[type=total]"] == 0.0
        between = look(slot(9, 5))
        assert math.isnan(told(between)["tps[type=total]"]), "a whole request came and went"
    used = [reading.models[MODEL].used for reading in (unused, computing, ended, between)]
    assert None not in used
    assert len(set(used)) == 4


def test_idle_slot_that_forgets_its_request_does_not_tell_whether_anybody_asked() -> None:
    with StandIn(without_metrics(slot(-1)), no_metrics) as runtime:
        seen = Seen(runtime, Candidate(runtime.port, flags={}))
        seen.look()
        reading = seen.look()
    assert reading.models[MODEL].used is None
    assert math.isnan(told(reading)["tps[type=total]"])


@pytest.mark.parametrize(
    ("changes", "flags"),
    [({}, {"--sleep-idle-seconds": True}), ({}, None), ({"endpoint_slots": False}, {}), ({"is_sleeping": True}, {})],
)
def test_slots_that_could_wake_or_are_off_are_not_asked(changes: dict[str, object], flags: dict[str, bool]) -> None:
    with StandIn(without_metrics(slot(None), **changes), asleep) as runtime:
        Seen(runtime, Candidate(runtime.port, flags=flags)).look()


def test_no_content_and_no_path_is_kept() -> None:
    with StandIn(plain(), never) as runtime:
        seen = Seen(runtime)
        seen.look()
        reading = seen.look("2_computing.txt", "slots_2.json")
    assert "CANARY" not in repr(reading) + repr(vars(seen.kind))
    assert reading.models[MODEL].info == {
        "quantisation": "Q4_K - Medium",
        "context_length": "8192",
        "parameters": "8030261312",
        "size_bytes": "4912898304",
        "slots": "4",
        "version": "b10900-abcdef0",
    }


def test_large_counters_are_read() -> None:
    with StandIn(plain(metrics=recorded("llama_server_large_counters.txt")), never) as runtime:
        values = told(Seen(runtime).look())
    assert values["tokens_total"] == 1_048_580.0
    assert values["requests_waiting"] == 2.0
