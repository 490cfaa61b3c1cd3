"""What a client gets through the tap is what the runtime says: one stream, two at once, as long as they can be."""

from __future__ import annotations

import json

import aiohttp
import pytest

from bus.clock import wall_us
from tests.llamacpp.asking import CHAT, COMPLETIONS, Asking, comparable, wanted
from tests.llamacpp.native import Native
from tests.tap.conftest import set_value

# The context of the servers less the prompt: as long as a stream can be.
LONGEST = 3900


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
@pytest.mark.parametrize("more", [{}, {"logprobs": 5}], ids=["plain", "logprobs"])
async def test_a_stream_is_the_same_through_the_tap(asking: Asking, path: str, more: dict[str, int]) -> None:
    if more and path == CHAT:
        more = {"logprobs": True, "top_logprobs": 5}
    body = wanted("demo-small", path, 60, **more)
    await asking.stream(path, body, direct=True)  # what comes second finds the prompt in the runtime's memory
    direct = await asking.stream(path, body, direct=True)
    through, record = await asking.measured(path, body)
    assert comparable(through.body) == comparable(direct.body)
    assert through.ended
    assert len(through.arrived_s) > 10
    assert (record.status, record.streamed, record.output_tokens) == (200, True, len(through.arrived_s))
    assert record.finish_reason in ("length", "stop")


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_a_whole_answer_is_the_same_and_counted_by_its_usage(asking: Asking, path: str) -> None:
    body = wanted("demo-small", path, 40)
    since_us = wall_us()
    direct = await asking.whole(path, body, direct=True)
    through = await asking.whole(path, body)
    assert comparable(through) == comparable(direct)
    record = (await asking.records(since_us))[-1]
    usage = json.loads(through)["usage"]
    assert (record.prompt_tokens, record.output_tokens) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert record.token_source == "usage"
    assert not record.HasField("ttft_ms")


async def test_requests_share_one_connection(asking: Asking) -> None:
    made, again = [], []
    trace = aiohttp.TraceConfig()

    async def new(*_: object) -> None:
        made.append(1)

    async def kept(*_: object) -> None:
        again.append(1)

    trace.on_connection_create_end.append(new)
    trace.on_connection_reuseconn.append(kept)
    async with aiohttp.ClientSession(trace_configs=[trace], trust_env=False) as one:
        client = Asking(asking.stack, asking.ear, one, asking.urls)
        for _ in range(20):
            assert (await client.stream(CHAT, wanted("demo-small", CHAT, 5))).ended
    assert (len(made), len(again)) == (1, 19)


async def test_a_stream_as_long_as_the_context_allows(asking: Asking) -> None:
    # Without an end of its own accord: the end token is out of reach.
    body = wanted("demo-small", COMPLETIONS, LONGEST, logit_bias={"2": -100})
    heard, record = await asking.measured(COMPLETIONS, body)
    assert heard.ended
    assert len(heard.arrived_s) == LONGEST
    assert (record.output_tokens, record.finish_reason) == (LONGEST, "length")
    burst_tokens = sum(sum(burst.tokens) or len(burst.times_us) for burst in asking.bursts(record.id, "demo-small"))
    assert burst_tokens == LONGEST


async def test_two_models_at_once_are_told_apart(asking: Asking) -> None:
    answered = await asking.two_at_once()
    for heard, record in answered:
        assert heard.ended
        assert record.output_tokens == len(heard.arrived_s) == 200
        times = [time for burst in asking.bursts(record.id, record.model) for time in burst.times_us]
        assert len(times) == 200
        assert times == sorted(times)
    assert sorted(record.concurrent for _, record in answered) == [0, 1]


async def test_ten_thousand_tokens_of_llama_server(asking: Asking, native: Native) -> None:
    set_value(asking.stack, "tap.routes", json.dumps({"": native.url}))
    asking.urls = {native.model: native.url}
    heard, record = await asking.measured(COMPLETIONS, wanted(native.model, COMPLETIONS, 10_000, ignore_eos=True))
    assert heard.ended
    assert record.output_tokens == 10_000
    assert record.finish_reason == "length"
