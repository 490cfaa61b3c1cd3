"""One synthetic request of a comparison, sent through the tap's own port and measured as a client does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec

from bus.clock import boot_us, monotonic_s, wall_us
from services.tap.compare_loaded import bearer
from services.tap.compare_sums import Sent
from services.tap.dialects.openai import OpenAi
from services.tap.facts import Facts
from services.tap.framing import framing_of
from services.tap.reading import Reading
from services.tap.record import Outcome, RecordBuilder, Start

PATH = "/v1/chat/completions"
_TIMEOUT = aiohttp.ClientTimeout(total=600.0, sock_connect=5.0, sock_read=300.0)
_REFUSED = frozenset({400, 422})
_LONGEST_REFUSAL = 4096


class CompareClient:
    """Sends; `ask` returns the request's record, whatever became of it."""

    def __init__(self, session: aiohttp.ClientSession, port: int, under_way: Callable[[], int]) -> None:
        self._session = session
        self._url = f"http://127.0.0.1:{port}{PATH}"
        self.under_way = under_way
        """How many requests run through the tap now."""
        self.key = ""
        """The API key that goes with each request; "" is none."""
        self._plain: set[str] = set()
        """Models whose runtime refuses `ignore_eos`."""

    async def ask(self, model: str, prompt: str, tokens: int, concurrency: int) -> Sent:
        """Send one prompt, take its stream to the end. Cancelling it ends the runtime's work."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if model not in self._plain:
            sent = await self._send(body | {"ignore_eos": True}, concurrency)
            if sent.record.status not in _REFUSED:
                return sent
            self._plain.add(model)
        return await self._send(body, concurrency)

    async def _send(self, body: dict[str, Any], concurrency: int) -> Sent:
        begin_s = monotonic_s()
        builder = RecordBuilder(Start("", PATH, body["model"], "", begin_s, wall_us(), boot_us(), concurrency - 1))
        # Before it goes out, one less than all of a round may run.
        status, outcome, disturbed = 0, Outcome.NO_ANSWER, self.under_way() >= concurrency
        reading: Reading | None = None
        try:
            async with self._session.post(
                self._url,
                data=msgspec.json.encode(body),
                headers={"Content-Type": "application/json"} | bearer(self.key),
                timeout=_TIMEOUT,
            ) as answer:
                status, outcome = answer.status, Outcome.TRUNCATED
                framing = framing_of(answer.headers.get("Content-Type", ""))
                if status != 200 or framing is None:
                    await answer.content.read(_LONGEST_REFUSAL)
                    outcome = Outcome.COMPLETE
                else:
                    reading = Reading(framing, OpenAi())
                    async for data in answer.content.iter_any():
                        builder.add(reading.feed(data, monotonic_s()))
                        disturbed = disturbed or self.under_way() > concurrency
                    builder.add(reading.end(monotonic_s()))
                    outcome = Outcome.COMPLETE
        except (aiohttp.ClientError, TimeoutError):
            pass
        facts, streamed = (Facts(), False) if reading is None else (reading.facts, reading.streamed)
        return Sent(begin_s, builder.finish(monotonic_s(), status, facts, outcome, streamed=streamed), disturbed)
