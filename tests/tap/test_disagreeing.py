"""Two models asked the same through the running tap: the number on the bus, absent without its preconditions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from wfmonitor.v1.sample_pb2 import SampleBatch

from bus import topics
from services.tap.disagreeing import METRIC
from tests.stack import Ear
from tests.tap.conftest import Tapped

PATH = "/v1/chat/completions"


@pytest.fixture
def ear(tapped: Tapped) -> Iterator[Ear]:
    heard = Ear(tapped.stack.home, (topics.SAMPLES,))
    yield heard
    heard.close()


def told(messages: list[tuple[str, bytes]]) -> dict[str, list[float]]:
    """Source and other of each disagreement that was heard, with its values."""
    found: dict[str, list[float]] = {}
    for topic, payload in messages:
        batch = SampleBatch.FromString(payload) if "/model:" in topic else SampleBatch()
        rows = len(batch.times_us)
        for at, key in enumerate(batch.series):
            if key.metric == METRIC:
                found[f"{batch.source} {key.labels[0].value}"] = list(batch.values[at * rows : (at + 1) * rows])
    return found


@pytest.mark.usefixtures("of_many_models")
async def test_two_models_on_one_prompt_are_told_of_both(tapped: Tapped, ear: Ear) -> None:
    script = {"X-Script": json.dumps({"tokens": 20, "gap_ms": 20, "logprobs": True})}

    async def ask(model: str) -> None:
        body = {"model": model, "stream": True, "logprobs": True, "messages": [{"role": "user", "content": "Which?"}]}
        async with tapped.http.post(f"{tapped.url}{PATH}", json=body, headers=script) as answer:
            await answer.read()

    found: dict[str, list[float]] = {}
    while len(found) < 2:  # who listens from a moment ago may have missed the first; the test's own limit ends this
        await asyncio.gather(ask("one"), ask("other"))
        with ear.changed:
            found = told(ear.messages)
    assert set(found) == {"model:one other", "model:other one"}
    assert all(0.0 <= value <= 1.0 for values in found.values() for value in values)
