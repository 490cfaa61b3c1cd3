"""Through a running tap: an answer's validity leaves as a score and nothing else, and bytes are what they were."""

from __future__ import annotations

import json

import pytest

from bus import topics
from tests.stack import Ear
from tests.tap.conftest import Tapped, trend_of

# A name of its own: other tests of the same tap are scored as well.
MODEL = "asks-for-json"
pytestmark = pytest.mark.usefixtures("of_many_models")
ASKED = {"model": MODEL, "stream": True, "response_format": {"type": "json_object"}}


def scores(ear: Ear) -> list[float]:
    return [value for batch in trend_of(ear, MODEL) for value in batch.values]


async def test_json_that_was_asked_for_is_scored_and_the_stream_is_untouched(tapped: Tapped) -> None:
    ear = Ear(tapped.stack.home, (topics.SAMPLES, topics.health("tap")))
    try:
        ear.wait_for(bool, 30, "the tap to be heard")
        for text, tokens in (("{}", 1), ("no json", 3)):
            headers = {"X-Script": json.dumps({"tokens": tokens, "text": text})}
            answers = []
            for url in (tapped.runtime.url, tapped.url):
                async with tapped.http.post(f"{url}/v1/chat/completions", json=ASKED, headers=headers) as answer:
                    answers.append(await answer.read())
            assert answers[0] == answers[1]
        ear.wait_for(lambda _: scores(ear) == [1.0, 0.0], 30, "both scores")
        (series,) = trend_of(ear, MODEL)[0].series
        assert series.metric == "model.accuracy_proxy"
        assert [(label.name, label.value) for label in series.labels] == [("type", "structured")]
        assert all(b"no json" not in payload for _, payload in ear.messages)
    finally:
        ear.close()


async def test_a_request_for_plain_text_is_not_judged(tapped: Tapped) -> None:
    ear = Ear(tapped.stack.home, (topics.SAMPLES, topics.health("tap"), topics.REQUESTS))
    try:
        ear.wait_for(bool, 30, "the tap to be heard")
        plain = {name: value for name, value in ASKED.items() if name != "response_format"}
        headers = {"X-Script": json.dumps({"tokens": 1, "text": "{}"})}
        async with tapped.http.post(f"{tapped.url}/v1/chat/completions", json=plain, headers=headers) as answer:
            await answer.read()
        ear.wait_for(
            lambda heard: any(topic.startswith(topics.REQUESTS) for topic, _ in heard), 30, "the request's record"
        )
        assert not scores(ear)
    finally:
        ear.close()
