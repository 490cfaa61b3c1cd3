"""Entropy and certainty by the tap against the exact logits of the models: inside the stated bounds in every case."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from demo.runtime import Runtime
from demo.serve import model_file
from tests.llamacpp.asking import CHAT, COMPLETIONS, PROMPT, Asking, text_of, wanted
from tests.llamacpp.native import Native
from tests.tap.conftest import set_value

TOKENS = 60
# Logits in single precision, computed once by the server and once by us, in batches of other sizes.
ROUNDING_BITS = 2e-3
EXACT = Path(__file__).with_name("exact.py")
ALL = 10_000
"""More candidates than any of the vocabularies has."""


class Told(NamedTuple):
    """What the tap said of one token."""

    bits: float
    low: float
    high: float
    certainty: float


def exact(runtime: Runtime, model: str, **asked: Any) -> dict[str, Any]:
    """The figures from the logits themselves."""
    done = subprocess.run(
        [str(runtime.python), "-P", str(EXACT), str(model_file(runtime, model))],
        input=json.dumps({"prompt": PROMPT} | asked),
        capture_output=True,
        text=True,
        env=runtime.environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


async def told(asking: Asking, path: str, body: dict[str, Any]) -> tuple[list[Told], list[dict[str, Any]]]:
    """What the tap published of each token of one answer, and the events that brought them."""
    heard, record = await asking.measured(path, body)
    columns = [
        Told(*row)
        for burst in asking.bursts(record.id, body["model"])
        for row in zip(
            burst.entropy_bits, burst.entropy_low_bits, burst.entropy_high_bits, burst.certainty, strict=True
        )
    ]
    events = [event for event in heard.events if text_of(event)]
    assert len(columns) == len(events) > TOKENS // 2
    return columns, events


def listed(event: dict[str, Any]) -> int:
    """How many candidates an event of llama-cpp-python lists for its one token."""
    probs = event["choices"][0]["logprobs"]
    return len(probs["content"][0]["top_logprobs"] if "content" in probs else probs["top_logprobs"][0])


def check(found: list[Told], truth: dict[str, Any], k: int) -> None:
    """Every token inside its bounds; the point where it is stated; certainty as defined."""
    for one, bits, certainty in zip(found, truth["bits"], truth["certainty"][str(k)], strict=True):
        assert one.low - ROUNDING_BITS <= bits <= one.high + ROUNDING_BITS, (one, bits)
        if not math.isnan(one.bits):
            assert one.low <= one.bits <= one.high
        if not math.isnan(certainty):
            assert one.certainty == pytest.approx(certainty, abs=1e-3)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("k", [2, 5, 20, 100, ALL])
@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_of_llama_cpp_python(asking: Asking, runtime: Runtime, path: str, k: int, temperature: float) -> None:
    model = "demo-closed"
    probs = {"logprobs": True, "top_logprobs": k} if path == CHAT else {"logprobs": k}
    body = wanted(model, path, TOKENS, temperature=temperature, logit_bias={"2": -100}, **probs)
    found, events = await told(asking, path, body)
    prompt = f"user: {PROMPT}\nassistant: " if path == CHAT else PROMPT
    truth = exact(runtime, model, prompt=prompt, texts=[text_of(event) for event in events], ks=[k])
    for index, event in enumerate(events):
        if listed(event) != min(k, truth["vocabulary"]):
            # The token that was taken joins the candidates where it is none of them, and of those that say the
            # same one is left over: another K.
            truth["certainty"][str(k)][index] = math.nan
    check(found, truth, k)


@pytest.mark.parametrize("k", [2, 20, ALL])
async def test_of_llama_server(asking: Asking, runtime: Runtime, native: Native, k: int) -> None:
    set_value(asking.stack, "tap.routes", json.dumps({"": native.url}))
    asking.urls = {native.model: native.url}
    body = wanted(native.model, CHAT, TOKENS, ignore_eos=True, logprobs=True, top_logprobs=k)
    found, events = await told(asking, CHAT, body)
    tokens = [event["choices"][0]["logprobs"]["content"][0]["id"] for event in events]
    truth = exact(runtime, native.model, prompt=f"user: {PROMPT}\nassistant: ", tokens=tokens, ks=[k])
    check(found, truth, k)
    if k == ALL:
        assert [one.bits for one in found] == pytest.approx(truth["bits"], abs=ROUNDING_BITS)
