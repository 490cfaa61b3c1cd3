"""With the settings on, real runtimes are asked for counts and log-probabilities, and no client sees any of it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import pytest

from tests.llamacpp.asking import CHAT, COMPLETIONS, Asking, comparable, wanted
from tests.llamacpp.native import Native
from tests.tap.conftest import set_value

# What llama-server measured differs from run to run; that it stands where it stood does not.
_MEASURED = re.compile(rb'("(?:prompt|predicted)_(?:ms|per_token_ms|per_second)": ?)[0-9.eE+-]+')


def alike(body: bytes) -> bytes:
    """An answer without its random id, its time and what the runtime measured of itself."""
    return _MEASURED.sub(rb"\g<1>0", comparable(body))


@pytest.fixture
async def beside(asking: Asking) -> AsyncIterator[Asking]:
    """A tap that asks for more than its clients."""
    set_value(asking.stack, "tap.ask_usage", True)
    set_value(asking.stack, "tap.ask_logprobs", 10)
    yield asking
    set_value(asking.stack, "tap.ask_usage", False)
    set_value(asking.stack, "tap.ask_logprobs", 0)


async def compare(asking: Asking, model: str, path: str) -> None:
    body = wanted(model, path, 40)
    _, plain = await asking.measured(path, body)  # learned from; what comes next finds the prompt in the cache
    assert not any(bits > 0 for burst in asking.bursts(plain.id, model) for bits in burst.entropy_low_bits)
    direct = await asking.stream(path, body, direct=True)
    for _ in range(2):
        through, record = await asking.measured(path, body)
        assert alike(through.body) == alike(direct.body)
        assert record.status == 200
        assert record.token_source == "usage"
        # The models' weights are random: ten candidates hold too little for one number, and enough for the bounds.
        bounds = [bits for burst in asking.bursts(record.id, model) for bits in burst.entropy_low_bits]
        assert any(bits > 0 for bits in bounds)


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_llama_server_is_asked_and_its_client_sees_the_plain_answer(
    beside: Asking, native: Native, path: str
) -> None:
    set_value(beside.stack, "tap.routes", json.dumps({"": native.url}))
    beside.urls = {native.model: native.url}
    await compare(beside, native.model, path)


async def test_a_runtime_that_cannot_answers_as_ever(beside: Asking) -> None:
    """llama-cpp-python without `logits_all` refuses log-probabilities, and knows no counts in a stream."""
    body = wanted("demo-closed", CHAT, 20)
    await beside.measured(CHAT, body)
    direct = await beside.stream(CHAT, body, direct=True)
    for _ in range(3):
        through, record = await beside.measured(CHAT, body)
        assert alike(through.body) == alike(direct.body)
        assert record.status == 200
