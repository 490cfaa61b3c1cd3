"""How far two models disagree: the number, what is the same prompt, and that nothing else is held."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tap.disagreement import (
    LONGEST_REQUEST,
    MOST_ALONE,
    MOST_CANDIDATES,
    MOST_POSITIONS,
    Answer,
    Disagreements,
    disagreement,
    prompt_of,
    tops_of,
)

Words = dict[str, float]
PROMPT = json.dumps({"model": "a", "messages": [{"role": "user", "content": "Which?"}]}).encode()
SAME = json.dumps({"temperature": 0, "messages": [{"role": "user", "content": "Which?"}], "model": "b"}).encode()
OTHER = json.dumps({"model": "b", "messages": [{"role": "user", "content": "What?"}]}).encode()
SHARES = st.dictionaries(st.sampled_from("abcdefghijkl"), st.floats(0.01, 1.0), min_size=2, max_size=12)


def event(*positions: Words) -> bytes:
    """One chunk of /v1/chat/completions with so many tokens."""
    content = [
        {"token": "x", "logprob": -1.0, "top_logprobs": [{"token": t, "logprob": math.log(p)} for t, p in one.items()]}
        for one in positions
    ]
    return json.dumps({"choices": [{"index": 0, "delta": {"content": "x"}, "logprobs": {"content": content}}]}).encode()


def plain(one: Words, other: Words) -> float:
    """By the definition: ten likeliest of each, renormalised; entropy of the middle less the mean of both."""

    def shares(of: Words) -> Words:
        kept = dict(sorted(of.items(), key=lambda item: (-item[1], -hash(item[0])))[:MOST_CANDIDATES])
        return {token: value / sum(kept.values()) for token, value in kept.items()}

    def entropy(of: Words) -> float:
        return -sum(p * math.log2(p) for p in of.values() if p > 0.0)

    p, q = shares(one), shares(other)
    middle = {token: (p.get(token, 0.0) + q.get(token, 0.0)) / 2.0 for token in {*p, *q}}
    return entropy(middle) - (entropy(p) + entropy(q)) / 2.0


class Council:
    """Answers that are compared, and what was told of them."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, float]] = []
        self.all = Disagreements(lambda *one: self.told.append(one))

    def begin(self, model: str, body: bytes) -> Answer:
        answer = self.all.begin(model, body)
        assert answer is not None
        return answer


@given(SHARES, SHARES)
def test_it_is_the_divergence_by_its_definition(one: Words, other: Words) -> None:
    council = Council()
    both = council.begin("a", PROMPT), council.begin("b", SAME)
    for answer, words in zip(both, (one, other), strict=True):
        answer.hear(event(words))
    ((model, against, value),) = council.told
    assert (model, against) == ("b", "a")
    assert value == pytest.approx(plain(one, other), abs=1e-6)
    assert 0.0 <= value <= 1.0


def test_equals_are_zero_and_strangers_one_whichever_comes_first() -> None:
    p = {1: 0.5, 2: 0.5}
    assert disagreement(p, p) == 0.0
    assert disagreement(p, {3: 1.0}) == 1.0
    assert disagreement(p, {1: 1.0}) == disagreement({1: 1.0}, p)


def test_positions_are_aligned_by_their_number_however_they_come() -> None:
    council = Council()
    fast, slow = council.begin("a", PROMPT), council.begin("b", SAME)
    fast.hear(event({"x": 0.5, "y": 0.5}, {"u": 0.5, "v": 0.5}))
    fast.end()
    slow.hear(event({"x": 0.5, "y": 0.5}))
    slow.hear(b'{"choices":[{"index":0,"delta":{},"finish_reason":null}]}')
    slow.hear(event({"y": 0.5, "z": 0.5}))
    slow.hear(event({"y": 0.5, "z": 0.5}))
    assert [value for _, _, value in council.told] == [pytest.approx(0.0), pytest.approx(1.0)]


@pytest.mark.parametrize(("model", "body"), [("b", OTHER), ("a", SAME)])
def test_another_prompt_or_the_same_model_is_not_compared(model: str, body: bytes) -> None:
    council = Council()
    answers = council.begin("a", PROMPT), council.begin(model, body)
    for answer in answers:
        answer.hear(event({"x": 0.5, "y": 0.5}))
    assert council.told == []


@pytest.mark.parametrize(
    "body", [b"{}", b"no json", b"", b"[" * 100_000, b'{"prompt": "' + b"x" * LONGEST_REQUEST + b'"}']
)
def test_a_request_that_asks_nothing_readable_is_left_alone(body: bytes) -> None:
    assert Council().all.begin("b", body) is None


def test_without_candidates_nothing_is_held_or_told() -> None:
    council = Council()
    answers = council.begin("a", PROMPT), council.begin("b", SAME)
    for answer in answers:
        answer.hear(b'{"choices":[{"index":0,"delta":{"content":"top_logprobs"},"logprobs":null}]}')
        answer.hear(event({"only": 1.0}))
    assert council.told == []
    assert [answer.tops for answer in answers] == [[None], [None]]


def test_who_comes_after_the_last_one_ended_is_compared_with_nobody() -> None:
    council = Council()
    first = council.begin("a", PROMPT)
    first.hear(event({"x": 0.5, "y": 0.5}))
    first.end()
    first.end()
    assert council.all.held == 0
    assert not council.all._groups
    council.begin("b", SAME).hear(event({"x": 0.5, "y": 0.5}))
    assert council.told == []


def test_who_is_asked_a_little_later_is_compared_from_the_first_position() -> None:
    council = Council()
    first = council.begin("a", PROMPT)
    first.hear(event(*[{"x": 0.5, "y": 0.5}] * 3))
    council.begin("b", SAME).hear(event(*[{"x": 0.5, "y": 0.5}] * 5))
    assert len(council.told) == 3


def test_what_cannot_be_read_ends_the_comparison() -> None:
    council = Council()
    one, other = council.begin("a", PROMPT), council.begin("b", SAME)
    one.hear(b'{"top_logprobs": [')
    one.hear(event({"x": 0.5, "y": 0.5}))
    other.hear(event({"x": 0.5, "y": 0.5}))
    assert council.told == []


def test_what_is_held_is_bounded() -> None:
    council = Council()
    alone = council.begin("alone", OTHER)
    for _ in range(2 * MOST_ALONE):
        alone.hear(event({"x": 0.5, "y": 0.5}))
    assert alone.ended
    assert council.all.held == 0
    one, other = council.begin("a", PROMPT), council.begin("b", SAME)
    long = event(*[{"x": 0.5, "y": 0.5}] * 1000)
    for _ in range(20):
        one.hear(long)
        other.hear(long)
    assert len(one.tops) + len(other.tops) <= MOST_POSITIONS
    assert council.all.held == 0, "both were given up, and what they held with them"


def test_nothing_of_the_prompt_is_held() -> None:
    council = Council()
    answer = council.begin("a", PROMPT)
    answer.hear(event({"secret": 0.5, "word": 0.5}))
    held = repr((vars(answer), council.all._groups, vars(council.all)))
    assert "Which" not in held
    assert "secret" not in held


def test_the_prompt_is_told_apart_by_a_key_of_this_run() -> None:
    assert prompt_of(PROMPT, b"k" * 16) == prompt_of(SAME, b"k" * 16) != prompt_of(OTHER, b"k" * 16)
    assert prompt_of(PROMPT, b"k" * 16) != prompt_of(PROMPT, b"l" * 16)
    assert prompt_of(b'{"prompt": "x", "system": "s"}', b"k") != prompt_of(b'{"prompt": "x"}', b"k")


@pytest.mark.parametrize(
    "told",
    [
        {"choices": [{"index": 0, "logprobs": {"top_logprobs": [{"x": -0.7, "y": -0.7}]}}]},
        {"choices": [{"index": 0, "logprobs": {"content": [{"top_logprobs": [["x", -0.7], ["y", -0.7]]}]}}]},
        {"logprobs": [{"token": "x", "top_logprobs": [["x", -0.7], ["y", -0.7]]}]},
        {"completion_probabilities": [{"id": 3, "token": "x", "top_logprobs": [["x", -0.7], ["y", -0.7]]}]},
    ],
)
def test_every_language_of_runtimes_is_understood(told: dict[str, object]) -> None:
    def named(value: object) -> object:
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
            return {"token": value[0], "logprob": value[1]}
        if isinstance(value, list):
            return [named(one) for one in value]
        return {key: named(one) for key, one in value.items()} if isinstance(value, dict) else value

    assert tops_of(json.dumps(named(told)).encode()) == [{hash("x"): pytest.approx(0.5), hash("y"): pytest.approx(0.5)}]
