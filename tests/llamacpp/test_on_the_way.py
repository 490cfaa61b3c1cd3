"""What may happen between a real llama.cpp and its client: a client slower than the runtime, a transport that cuts."""

from __future__ import annotations

import asyncio
import json

import psutil

from bus.clock import wall_us
from demo.serve import Server
from tests.llamacpp.asking import CHAT, COMPLETIONS, Asking, Heard, note, wanted
from tests.llamacpp.native import Native
from tests.llamacpp.relay import Relay, body_of
from tests.tap.conftest import set_value
from tests.waiting import until

# More than all the sockets on the way hold: a token with its candidates is some kB.
TOKENS, CANDIDATES = 2500, 150
# Two to four bytes a letter, which this model has no token for: llama-server holds them back until they are whole.
LETTERS = 'root ::= ("é " | "日本 " | "🙂 ")+'


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def test_a_client_slower_than_the_runtime(asking: Asking, servers: dict[str, Server]) -> None:
    body = wanted("demo-closed", COMPLETIONS, TOKENS, logprobs=CANDIDATES, logit_bias={"2": -100})
    tap = psutil.Process(asking.stack.pid("tap"))
    with Relay(port_of(servers["demo-closed"].url)) as relay:
        set_value(asking.stack, "tap.routes", json.dumps({"demo-closed": relay.url}))

        async def held_back() -> bool:
            before = len(relay.sent)
            await asyncio.sleep(0.3)  # a span: that nothing passes in it is what is looked at
            return len(relay.sent) == before > 100_000

        heard, since_us, before = Heard(0.0), wall_us(), tap.memory_info().rss
        async with asking.http.post(asking.url("demo-closed", COMPLETIONS), json=body) as answer:
            assert answer.connection is not None
            assert answer.connection.transport is not None
            answer.connection.transport.pause_reading()  # type: ignore[attr-defined]
            await until(held_back, 240.0)
            held, grown = len(relay.sent), tap.memory_info().rss - before
            answer.connection.transport.resume_reading()  # type: ignore[attr-defined]
            heard.body = await answer.read()
        sent = bytes(relay.sent)
    print(f"the runtime was held back at {held >> 10} of {len(sent) >> 10} KiB; the tap grew by {grown >> 10} KiB")
    assert held < 0.9 * len(sent)
    assert grown < 16 << 20
    assert heard.body == body_of(sent)
    for line in heard.body.split(b"\n"):
        note(heard, line.strip(), 0.0)
    assert heard.ended
    record = (await asking.records(since_us))[-1]
    assert record.output_tokens == len(heard.arrived_s) == TOKENS
    assert record.finish_reason == "length"


async def test_a_transport_that_cuts_inside_letters_and_lines(asking: Asking, native: Native) -> None:
    tokens = 60
    body = wanted(native.model, CHAT, tokens, grammar=LETTERS, ignore_eos=True, stream_options={"include_usage": True})
    with Relay(port_of(native.url), cutting=True) as relay:
        set_value(asking.stack, "tap.routes", json.dumps({native.model: relay.url}))
        heard, record = await asking.measured(CHAT, body)
        sent = bytes(relay.sent)
        print(f"{len(sent)} bytes, cut in {relay.cuts} places")
        assert relay.cuts > len(sent) / 12
    assert heard.body == body_of(sent)
    text = "".join(
        choice["delta"].get("content") or "" for event in heard.events for choice in event.get("choices", [])
    )
    assert set(text) <= set("é日本🙂 ")
    assert any(byte > 0x7F for byte in heard.body), "no letter of several bytes: nothing to cut inside of"
    assert heard.ended
    assert record.output_tokens == tokens
    assert record.token_source == "usage"
    bursts = asking.bursts(record.id, native.model)
    assert sum(sum(burst.tokens) or len(burst.times_us) for burst in bursts) == len(heard.arrived_s)
