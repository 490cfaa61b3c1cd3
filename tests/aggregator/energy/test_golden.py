"""The golden traces of E(t) and its states, and the golden pairs (CONTRACTS §2, §3); golden/make.py made them."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.aggregator.energy.pair import Pair, Verdict
from services.aggregator.energy.profile import Profile
from services.aggregator.energy.session import Session

FOLDER = Path(__file__).parent / "golden"
TRACES = sorted(FOLDER.glob("trace_*.json"))
PAIRS = sorted(FOLDER.glob("pair_*.json"))


def apply(session: Session, event: dict[str, Any]) -> None:
    at_s = event["at_ms"] / 1000.0
    if event["what"] == "prompt":
        session.prompt(event["request"], at_s)
    elif event["what"] == "token":
        session.token(event["request"], at_s, event["certainty"])
    else:
        session.end(event["request"], at_s)


def as_expected(session: Session, wanted: dict[str, Any]) -> dict[str, Any]:
    now_s = wanted["at_ms"] / 1000.0
    return {
        "at_ms": wanted["at_ms"],
        "energy": pytest.approx(session.energy.at(now_s), abs=1e-6),
        "state": session.state(now_s).name,
        "stalls": session.counts.stalls,
        "bursts": session.counts.bursts,
        "tokens": session.counts.tokens,
        "running": session.running(now_s),
    }


@pytest.mark.parametrize("every_ms", [0, 10, 137])
@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_a_trace_is_what_it_was_computed_to_be_whatever_the_tick(path: Path, every_ms: int) -> None:
    trace = json.loads(path.read_text())
    numbers = trace["profile"]
    session = Session(Profile(numbers["name"], numbers["tps_max"], numbers["stall_ms"], numbers["alpha"]))
    ticks = range(0, trace["expected"][-1]["at_ms"], every_ms) if every_ms else ()
    steps: list[tuple[int, int, Callable[[], object]]] = [(at, 1, partial(session.state, at / 1000.0)) for at in ticks]
    steps += [(event["at_ms"], 0, partial(apply, session, event)) for event in trace["events"]]
    compared = 0

    def compare(wanted: dict[str, Any]) -> None:
        nonlocal compared
        assert wanted == as_expected(session, wanted)
        compared += 1

    steps += [(wanted["at_ms"], 2, partial(compare, wanted)) for wanted in trace["expected"]]
    for _, _, step in sorted(steps, key=lambda step: step[:2]):
        step()
    assert compared > 40


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.stem)
def test_a_pair_is_called_what_it_is(path: Path) -> None:
    golden = json.loads(path.read_text())
    one, other = np.array(golden["one"]) / 1000.0, np.array(golden["other"]) / 1000.0
    pair = Pair()
    verdicts: list[Verdict] = [pair.judge(one, other, float(end), 0.9) for end in np.arange(11.0, 59.0, 0.1)]
    assert any(verdict.resonant for verdict in verdicts) is golden["resonance"]
    assert any(verdict.desynchronised for verdict in verdicts) is golden["desync"]
    shown = [verdict.interference for verdict in verdicts]
    if golden["interference"] == 0:
        assert np.mean([r is not None for r in shown]) <= 0.01
    elif golden["interference"] is not None:
        assert np.mean([r is not None and np.sign(r) == golden["interference"] for r in shown]) >= 0.95


def test_all_of_them_are_there() -> None:
    assert len(TRACES) == 8
    assert [path.stem.removeprefix("pair_") for path in PAIRS] == [
        "bursts", "in_step", "independent", "lagged", "one_stopped", "opposed", "steady",
    ]  # fmt: skip
