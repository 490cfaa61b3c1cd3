"""The probe in a program: what it tells, what it drops, and that it never gets into the way."""

import ast
import gc
import itertools
import json
import math
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wirthforge_probe
from wfmonitor.v1.request_pb2 import Phase
from wirthforge_probe import Probe

from bus.home import DEFAULT_PORT_BASE, Home
from bus.targets import Targets
from tests.sdk.ear import TOKEN, EarDoor
from tests.stack import wait_until

FILE = Path(wirthforge_probe.__file__)
CANARY = "Ada Lovelace Marylebone"


@pytest.fixture
def door() -> Iterator[EarDoor]:
    with EarDoor() as open_door:
        yield open_door


@pytest.fixture
def probe(door: EarDoor) -> Iterator[Probe]:
    made = Probe(token=TOKEN, url=door.url)
    yield made
    made.close()


def test_a_generation_is_told_from_its_prompt_to_its_end(door: EarDoor, probe: Probe) -> None:
    with probe.generation("org/tiny:q4", runtime="transformers", prompt_tokens=12) as answer:
        door.wait_for(lambda: len(door.bursts) == 1, "the prompt")
        answer.token(topk=[0.7, 0.2, 0.05, 0.04], thinking=True)
        answer.token(topk=[math.log(0.9), math.log(0.05)], count=2)
        answer.token()
        answer.finish("stop")
    door.wait_for(lambda: bool(door.records), "the record")
    sent, ended = door.bursts[0], door.bursts[-1]
    assert (sent.phase, ended.phase) == (Phase.PHASE_SENT, Phase.PHASE_ENDED)
    assert {(one.model, one.request_id) for one in door.bursts} == {("org/tiny:q4", sent.request_id)}
    flow = door.bursts[1:]
    assert list(itertools.chain(*(one.tokens for one in flow))) == [1, 2, 1]
    assert list(itertools.chain(*(one.kinds for one in flow))) == [2, 1, 1]
    record = door.records[0]
    assert (record.id, record.runtime, record.finish_reason) == (sent.request_id, "transformers", "stop")
    assert (record.prompt_tokens, record.output_tokens, record.reasoning_tokens) == (12, 4, 1)
    assert 0 < record.ttft_ms <= record.ttfa_ms <= record.e2e_ms
    assert record.tpot_ms == pytest.approx((record.e2e_ms - record.ttft_ms) / 3)
    assert record.itl_max_ms >= record.itl_p50_ms > 0
    assert not record.HasField("queue_ms")
    assert (probe.dropped, probe.trouble, door.refusals) == (0, None, [])


def test_tokens_wait_no_longer_than_a_frame_to_be_sent_together(door: EarDoor, probe: Probe) -> None:
    with probe.generation("m") as answer:
        for count in range(1, 21):
            answer.token()
            door.wait_for(lambda count=count: door.tokens() == count, f"token {count} on its own")
    assert door.connections == 1


def test_an_exception_of_the_caller_ends_it_by_its_class_alone(door: EarDoor, probe: Probe) -> None:
    with pytest.raises(ValueError, match=CANARY), probe.generation("m"):
        raise ValueError(CANARY)
    with pytest.raises(KeyboardInterrupt), probe.generation("m"):
        raise KeyboardInterrupt
    door.wait_for(lambda: len(door.records) == 2, "both records")
    assert [(one.finish_reason, one.error) for one in door.records] == [
        ("error", "ValueError"),
        ("abort", "KeyboardInterrupt"),
    ]
    assert not any(one.HasField("ttft_ms") for one in door.records)


def test_a_generation_that_fails_before_its_first_token_lasts_until_then(door: EarDoor, probe: Probe) -> None:
    def fail_after(tokens: int) -> None:
        with probe.generation("m") as answer:
            for _ in range(tokens):
                answer.token()
            door.wait_for(lambda: door.tokens() == tokens and len(door.bursts) > tokens, "what came before")
            raise TimeoutError

    for tokens in (0, 1):
        with pytest.raises(TimeoutError):
            fail_after(tokens)
    door.wait_for(lambda: len(door.records) == 2, "both records")
    told = [one for body in door.bodies for one in json.loads(body)["requests"]]
    assert all(one["e2e_ms"] > 0 for one in told)  # said by the probe, not made up for by the door
    assert told[1]["e2e_ms"] > told[1]["ttft_ms"]
    assert [Targets(ttft_ms=1e6).met(one) for one in door.records] == [False, False]


def test_a_generation_that_is_forgotten_ends(door: EarDoor, probe: Probe) -> None:
    probe.generation("m").token()
    gc.collect()
    door.wait_for(lambda: bool(door.records), "the end")
    assert door.records[0].finish_reason == "abort"


def test_a_generation_that_waits_says_that_it_lives(
    door: EarDoor, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wirthforge_probe, "_ALIVE_EACH_S", 0.05)
    with probe.generation("m"):
        door.wait_for(lambda: len(door.bursts) == 4, "three signs of life after the prompt")
    assert [burst.phase for burst in door.bursts[1:4]] == [Phase.PHASE_FLOWING] * 3
    assert door.tokens() == 0


def test_two_at_once_know_of_each_other(door: EarDoor, probe: Probe) -> None:
    with probe.generation("a"), probe.generation("b"):
        pass
    door.wait_for(lambda: len(door.records) == 2, "both records")
    assert {one.model: one.concurrent for one in door.records} == {"a": 0, "b": 1}


def test_a_task_is_told_as_the_accuracy_proxy(door: EarDoor, probe: Probe) -> None:
    probe.task("org/tiny:q4", 1)
    probe.task("org/tiny:q4", 2)
    door.wait_for(lambda: bool(door.events), "the score")
    (event,) = door.events
    assert (event["source"], event["fields"]) == ("model:org/tiny:q4", {"accuracy_proxy[type=score]": 1.0})
    wait_until(lambda: probe.dropped == 1, 30, "the score beyond 1 to be dropped")


def test_text_that_is_handed_by_mistake_is_not_sent(door: EarDoor, probe: Probe) -> None:
    probe.generation(CANARY).token()
    probe.generation("m", runtime=CANARY).finish()
    probe.task(CANARY, 1.0)
    probe.task("m", CANARY)  # type: ignore[arg-type]
    with probe.generation("m", prompt_tokens=CANARY, vocabulary=CANARY) as answer:  # type: ignore[arg-type]
        answer.token(topk=CANARY)  # type: ignore[arg-type]
        answer.token(topk=CANARY.encode())
        answer.token(topk=[(CANARY, -0.5), (CANARY, -1.5)])  # type: ignore[list-item]
        answer.token(topk=["0.5", "0.25"])  # type: ignore[list-item]
        answer.token(topk={CANARY: 0.5})  # type: ignore[arg-type]
        answer.token(CANARY, CANARY, CANARY)  # type: ignore[arg-type]
        answer.finish(CANARY, CANARY)
    door.wait_for(lambda: bool(door.records), "the record")
    everything = b"".join(door.bodies)
    assert not any(word.encode() in everything for word in CANARY.split())
    assert door.tokens() == 6  # they count all the same
    assert not any(value == value for burst in door.bursts for value in burst.certainty)
    assert probe.trouble is not None
    assert not any(word in probe.trouble for word in CANARY.split())
    assert door.refusals == []


@pytest.mark.parametrize(
    "odd",
    [
        {"count": 100_001},
        {"count": 2**70},
        {"thinking": np.array([True, False])},
        {"topk": [float("nan"), 0.5]},
        {"topk": [10**400]},
    ],
    ids=["count", "huge count", "thinking", "nan", "huge topk"],
)
def test_a_figure_that_is_none_costs_nobody_elses(door: EarDoor, probe: Probe, odd: dict[str, Any]) -> None:
    other = probe.generation("other")
    with probe.generation("odd") as answer:
        answer.token(**odd)
        other.token(count=np.int64(3))
        other.finish("error", "E" * 500)
    door.wait_for(lambda: len(door.records) == 2, "both records")
    assert {record.model: record.output_tokens for record in door.records} == {"other": 3, "odd": 1}
    assert (door.refusals, probe.dropped) == ([], 0)


def test_an_answer_of_more_than_a_day_has_no_record_and_costs_no_other(
    door: EarDoor, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = wirthforge_probe._now_ns
    monkeypatch.setattr(wirthforge_probe, "_now_ns", lambda: now_ns() - 86_401 * 10**9)
    begun = probe.generation("long")
    monkeypatch.undo()
    begun.finish("stop")
    probe.generation("short").finish("stop")
    door.wait_for(lambda: bool(door.records), "the record of the short one")
    assert [record.model for record in door.records] == ["short"]
    assert door.refusals == []


@pytest.mark.parametrize("url", ["http://example.org:80", "https://127.0.0.1:1", "http://user@127.0.0.1:1", "nonsense"])
def test_it_speaks_to_this_machine_alone(url: str) -> None:
    probe = Probe(token=TOKEN, url=url)
    with probe.generation("m"):
        wait_until(lambda: probe.trouble is not None, 30, "the refusal")
    assert "this machine alone" in str(probe.trouble)
    probe.close()


def test_without_a_monitor_nothing_happens_and_is_counted(tmp_path: Path) -> None:
    probe = Probe(home=tmp_path / "none")
    with probe.generation("m") as answer:
        while probe.dropped < 50:  # after some seconds of looking
            answer.token(topk=[0.5, 0.5])
            time.sleep(0.01)
    probe.task("m", 0.5)
    assert "no monitor was found" in str(probe.trouble)
    probe.close()


def test_a_door_that_comes_back_is_found_and_told_what_was_lost(door: EarDoor, probe: Probe) -> None:
    door.status = 429
    with probe.generation("m") as answer:
        answer.token()
        wait_until(lambda: "429" in str(probe.trouble), 30, "the refusal")
        door.status = 200
        answer.token()
        answer.token()
    door.wait_for(lambda: bool(door.records), "the record")
    assert door.records[0].output_tokens == 3  # measured, whatever became of its bursts
    assert door.dropped == probe.dropped > 0
    wait_until(lambda: probe.trouble is None, 30, "the trouble to be over")


def test_a_door_that_restarts_loses_nothing_that_could_wait(door: EarDoor) -> None:
    with EarDoor() as first:
        probe = Probe(token=TOKEN, url=first.url)
        answer = probe.generation("m")
        first.wait_for(lambda: bool(first.bursts), "the prompt")
    probe._door.close()  # as a process that dies closes its connections; a thread's server leaves them open
    answer.token()
    wait_until(lambda: "no monitor" in str(probe.trouble), 30, "the closed door")
    with EarDoor(first.port) as second:
        answer.token()
        second.wait_for(lambda: second.tokens() == 2, "both tokens")
    answer.finish()
    assert probe.dropped == 0
    probe.close()


def test_more_than_can_wait_is_dropped_at_once(door: EarDoor, probe: Probe) -> None:
    answer = probe.generation("m")
    for _ in range(200_000):
        answer.token()
    answer.finish("stop")
    door.wait_for(lambda: door.bursts[-1].phase == Phase.PHASE_ENDED, "the end", 30)
    assert len(probe._sender.queue) == 0
    assert door.tokens() + probe.dropped == 200_000
    assert bool(door.records) == (probe.dropped == 0)  # counts that are not true are not told


def run(script: str, door: EarDoor, **more: str) -> subprocess.CompletedProcess[str]:
    head = f"import sys; sys.path.insert(0, {str(FILE.parent)!r})\nfrom wirthforge_probe import Probe\n"
    head += f"probe = Probe(token={TOKEN!r}, url={door.url!r})\n"
    return subprocess.run(
        [sys.executable, "-X", "dev", "-c", head + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | more,
    )


def test_what_was_told_last_arrives_when_the_program_ends(door: EarDoor) -> None:
    done = run(
        """
        import wirthforge_probe
        wirthforge_probe._EXIT_WITHIN_S = 20.0  # a busy machine may need longer than a program is held up for
        answer = probe.generation("m")
        for _ in range(1000):
            answer.token(topk=[0.5, 0.4])
        """,
        door,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert door.tokens() == 1000
    assert door.records[0].finish_reason == "abort"


def test_a_program_ends_within_half_a_second_of_a_monitor_that_hangs(door: EarDoor) -> None:
    """A busy machine may hold it up longer once, not each time."""
    script = """
        import atexit, socket, time
        silent = socket.create_server(("127.0.0.1", 0))
        probe = Probe(token="t", url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        probe.generation("m").token()
        held = silent.accept()
        began = time.monotonic()
        import wirthforge_probe
        wirthforge_probe._close_all()
        print(time.monotonic() - began)
    """
    took_s: list[float] = []
    while not took_s or (took_s[-1] >= 0.5 and len(took_s) < 5):
        done = run(script, door)
        assert done.returncode == 0, done.stderr
        took_s.append(float(done.stdout))
    assert min(took_s) < 0.5, took_s


def test_a_fork_begins_anew(door: EarDoor) -> None:
    script = """
        import os
        answer = probe.generation("parent")
        answer.token()
        child = os.fork()
        if child == 0:
            answer.token(count=1000)                # the parent's: silent here
            with probe.generation("child") as own:
                own.token()
            probe.close()
            os._exit(0)
        os.waitpid(child, 0)
        answer.token()
        answer.finish("stop")
    """
    done = run(script, door, PYTHONWARNINGS="ignore::DeprecationWarning")
    assert (done.returncode, done.stderr) == (0, "")
    assert {one.model: one.output_tokens for one in door.records} == {"parent": 2, "child": 1}


def test_the_file_is_one_of_the_standard_library_alone_and_of_python_3_9() -> None:
    tree = ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 9))
    names = {one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_it_looks_where_the_monitor_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WFMON_HOME", raising=False)
    assert wirthforge_probe._home() == Home.resolve().root
    copied = tmp_path / "lib" / "wirthforge_probe.py"
    monkeypatch.setattr(wirthforge_probe, "__file__", str(copied))
    monkeypatch.setattr("bus.home.REPOSITORY", tmp_path)
    assert wirthforge_probe._home() == Home.resolve().root
    monkeypatch.setenv("WFMON_HOME", "~/elsewhere")
    assert wirthforge_probe._home() == Home.resolve().root
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "token").write_text("secret\n")
    found = Probe(home=tmp_path)._door
    assert found._find() == (DEFAULT_PORT_BASE, "secret")
    (tmp_path / "wfmon.toml").write_text('bus = "tcp"\nport_base = 9_790\n')
    assert found._find() == (9790, "secret")


def test_the_bodies_are_plain_json_without_what_was_not_measured(door: EarDoor, probe: Probe) -> None:
    with probe.generation("m") as answer:
        answer.token()
    door.wait_for(lambda: bool(door.records), "the record")
    record = next(body["requests"][0] for body in map(json.loads, door.bodies) if body["requests"])
    assert not {"prompt_tokens", "tpot_ms", "itl_p50_ms", "entropy_mean_bits"} & record.keys()


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="gives a folder to another user")
def test_the_token_is_not_shown_to_another_user_who_holds_the_port(door: EarDoor, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "token").write_text(TOKEN)
    (tmp_path / "wfmon.toml").write_text(f"port_base = {door.port}\n")
    probe = Probe(home=tmp_path)
    with probe.generation("m") as answer:
        door.wait_for(lambda: bool(door.bursts), "the prompt, at a door of the home's own user")
        os.chown(tmp_path, 12345, -1)
        probe._door.close()
        answer.token()
        wait_until(lambda: "another user" in str(probe.trouble), 30, "the door to be mistrusted")
    assert door.tokens() == 0
    probe.close()
