"""probe.js under Node: the same messages as the Python probe, and the same numbers."""

import json
import math
import shutil
import subprocess
from pathlib import Path

import pytest
from wfmonitor.v1.request_pb2 import Phase
from wirthforge_probe import _measure

from tests.sdk.ear import TOKEN, EarDoor

MODULE = Path(__file__).resolve().parents[2] / "sdk" / "probe.js"
CANARY = "Ada Lovelace Marylebone"

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")


def node(script: str) -> str:
    done = subprocess.run(
        ["node", "--input-type=module", "-e", f'import {{ Probe, measure }} from "{MODULE.as_uri()}";\n{script}'],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_generation_is_told_from_its_prompt_to_its_end() -> None:
    with EarDoor() as door:
        node(f"""
            const probe = new Probe({{ url: "{door.url}/api/v1/tokens", token: "{TOKEN}" }});
            const answer = probe.generation("org/tiny:q4", {{ runtime: "webllm", promptTokens: 5 }});
            answer.token({{ topk: [0.7, 0.25], thinking: true }});
            setTimeout(() => {{ answer.token({{ count: 2 }}); answer.finish("stop"); }}, 30);
            probe.task("org/tiny:q4", 0.5);
        """)
        door.wait_for(lambda: bool(door.records and door.events), "the record and the score")
    assert door.refusals == []
    phases = [Phase.PHASE_SENT, Phase.PHASE_FLOWING, Phase.PHASE_FLOWING, Phase.PHASE_ENDED]
    assert [one.phase for one in door.bursts] == phases
    record = door.records[0]
    assert (record.output_tokens, record.reasoning_tokens, record.prompt_tokens) == (3, 1, 5)
    assert (record.finish_reason, record.runtime) == ("stop", "webllm")
    assert record.itl_max_ms == pytest.approx(record.e2e_ms - record.ttft_ms)
    assert record.itl_max_ms > 20
    assert door.events[0]["fields"] == {"accuracy_proxy[type=score]": 0.5}


def test_a_generation_that_fails_before_its_first_token_lasts_until_then() -> None:
    with EarDoor() as door:
        node(f"""
            const probe = new Probe({{ url: "{door.url}/api/v1/tokens", token: "{TOKEN}" }});
            const none = probe.generation("m"), one = probe.generation("m");
            one.token();
            setTimeout(() => {{ none.finish("error", "TimeoutError"); one.finish("error", "TimeoutError"); }}, 30);
        """)
        door.wait_for(lambda: len(door.records) == 2, "both records")
    told = [one for body in door.bodies for one in json.loads(body)["requests"]]
    assert all(one["e2e_ms"] > 20 for one in told)  # said by the probe, not made up for by the door
    assert [one.finish_reason for one in door.records] == ["error", "error"]


def test_text_that_is_handed_by_mistake_is_not_sent() -> None:
    with EarDoor() as door:
        node(f"""
            const text = "{CANARY}";
            const probe = new Probe({{ url: "{door.url}/api/v1/tokens", token: "{TOKEN}" }});
            probe.generation(text).token();
            probe.task(text, 1);
            probe.task("m", text);
            const answer = probe.generation("m", {{ promptTokens: text, vocabulary: text }});
            answer.token({{ topk: text, count: text, thinking: text, text }});
            answer.token({{ topk: [text, [text]] }});
            answer.finish(text, text);
        """)
        door.wait_for(lambda: bool(door.records), "the record")
    everything = b"".join(door.bodies)
    assert not any(word.encode() in everything for word in CANARY.split())
    assert (door.tokens(), door.refusals) == (2, [])


def test_a_figure_that_is_none_costs_nobody_elses() -> None:
    with EarDoor() as door:
        node(f"""
            const probe = new Probe({{ url: "{door.url}/api/v1/tokens", token: "{TOKEN}" }});
            const other = probe.generation("other"), odd = probe.generation("odd", {{ promptTokens: -5 }});
            odd.token({{ count: 1e9, topk: [1n, Symbol("x")] }});
            other.token();
            for (const one of [odd, other]) one.finish("stop");
        """)
        door.wait_for(lambda: len(door.records) == 2, "both records")
    assert {record.model: record.output_tokens for record in door.records} == {"other": 1, "odd": 1}
    assert not any(record.HasField("prompt_tokens") for record in door.records)
    assert door.refusals == []


def test_its_numbers_are_those_of_the_python_probe() -> None:
    cases = [[0.6, 0.3, 0.05], [-0.1, -3.0, -4.5], [0.25] * 4, [1.0], [0.9, 0.9], [0.5], [0.999, 0.002], [0.3, 0.2]]
    told = json.loads(node(f"console.log(JSON.stringify({json.dumps(cases)}.map((one) => measure(one, 1000))))"))
    for case, theirs in zip(cases, told, strict=True):
        ours = _measure(case, 1000)
        assert (ours is None) == (theirs is None), case
        if ours is not None:
            assert (theirs["bits"] is None) == (ours.bits is None)
            found = (theirs["bits"] or math.inf, theirs["low"], theirs["high"], theirs["certainty"], theirs["mass"])
            assert found == pytest.approx((ours.bits or math.inf, *ours[1:]))


def test_without_a_monitor_nothing_happens_and_is_counted() -> None:
    said = node("""
        const probe = new Probe({ url: "http://127.0.0.1:1/api/v1/tokens" });
        const far = new Probe({ url: "https://example.org/api/v1/tokens" });
        for (const one of [probe, far]) { const answer = one.generation("m"); answer.token(); answer.finish(); }
        setTimeout(() => console.log(JSON.stringify([probe.dropped, far.dropped, probe.trouble, far.trouble])), 200);
    """)
    near, far, why, why_far = json.loads(said)
    assert near > 0
    assert far > 0
    assert "no monitor answers" in why
    assert "neither" in why_far
