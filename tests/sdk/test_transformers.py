"""The streamer under the real `generate` of a tiny model with random weights, where torch is (docs/testing.md)."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from wirthforge_probe import Probe
from wirthforge_transformers import ProbeStreamer

from tests.sdk.ear import TOKEN, EarDoor

ABSENT = "library absent: torch or transformers; pip install torch transformers"
torch = pytest.importorskip("torch", reason=ABSENT)
transformers = pytest.importorskip("transformers", reason=ABSENT)

VOCABULARY = 97


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(7)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=128, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=None
    )
    return transformers.GPT2LMHeadModel(config).eval()


@pytest.fixture
def door() -> Iterator[EarDoor]:
    with EarDoor() as open_door:
        yield open_door


@pytest.fixture
def probe(door: EarDoor) -> Iterator[Probe]:
    made = Probe(token=TOKEN, url=door.url)
    yield made
    made.close()


PROMPT = [[1, 2, 3, 4, 5]]


def test_every_token_of_generate_is_told_with_its_entropy(model: Any, door: EarDoor, probe: Probe) -> None:
    with ProbeStreamer(probe, "tiny", topk=VOCABULARY) as streamer:
        out = model.generate(
            torch.tensor(PROMPT),
            attention_mask=torch.ones(1, 5, dtype=torch.long),
            max_new_tokens=20,
            do_sample=True,
            temperature=0.3,
            pad_token_id=0,
            streamer=streamer,
            logits_processor=streamer.watch(),
        )
    door.wait_for(lambda: bool(door.records), "the record")
    record = door.records[0]
    assert (record.prompt_tokens, record.output_tokens, record.runtime) == (5, 20, "transformers")
    assert record.output_tokens == out.shape[1] - 5
    assert door.tokens() == 20
    told = [bits for burst in door.bursts for bits in burst.entropy_bits]
    logs = model(out[:, :-1]).logits[0, 4:].log_softmax(-1)
    exact = (-(logs.exp() * logs).sum(-1) / math.log(2)).tolist()
    # All candidates were seen, before the temperature: the entropy is the model's own.
    assert told == pytest.approx(exact, abs=1e-3)
    assert (probe.dropped, probe.trouble) == (0, None)


def test_few_candidates_bound_the_entropy(model: Any, door: EarDoor, probe: Probe) -> None:
    streamer = ProbeStreamer(probe, "tiny", topk=5)
    out = model.generate(
        torch.tensor(PROMPT), max_new_tokens=10, pad_token_id=0, streamer=streamer, logits_processor=streamer.watch()
    )
    door.wait_for(lambda: bool(door.records), "the record")
    low = [bits for burst in door.bursts for bits in burst.entropy_low_bits]
    high = [bits for burst in door.bursts for bits in burst.entropy_high_bits]
    logs = model(out[:, :-1]).logits[0, 4:].log_softmax(-1)
    exact = (-(logs.exp() * logs).sum(-1) / math.log(2)).tolist()
    assert len(exact) == len(low) == 10
    assert all(a - 1e-4 <= bits <= b + 1e-4 for a, bits, b in zip(low, exact, high, strict=True))


def test_a_generate_that_fails_ends_and_the_next_is_its_own(model: Any, door: EarDoor, probe: Probe) -> None:
    streamer = ProbeStreamer(probe, "tiny")

    def fail(_ids: Any, _scores: Any) -> Any:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError), streamer:
        model.generate(torch.tensor(PROMPT), max_new_tokens=5, streamer=streamer, logits_processor=[fail])
    model.generate(torch.tensor(PROMPT), max_new_tokens=3, pad_token_id=0, streamer=streamer)
    door.wait_for(lambda: len(door.records) == 2, "both records")
    assert [(one.finish_reason, one.error, one.output_tokens) for one in door.records] == [
        ("error", "RuntimeError", 0),
        ("", "", 3),
    ]


def test_an_inner_streamer_gets_everything_and_a_batch_is_not_measured(door: EarDoor, probe: Probe) -> None:
    class Inner:
        def __init__(self) -> None:
            self.got: list[Any] = []

        def put(self, value: Any) -> None:
            self.got.append(value)

        def end(self) -> None:
            self.got.append("end")

    inner = Inner()
    streamer = ProbeStreamer(probe, "tiny", inner=inner)
    streamer.put(torch.zeros(2, 5))
    streamer.put(torch.zeros(2))
    streamer.end()
    streamer.put(torch.zeros(1, 5))
    streamer.put(torch.zeros(1, 4))  # speculation: four tokens at once
    streamer.end()
    door.wait_for(lambda: bool(door.records), "the record")
    assert len(inner.got) == 6
    assert [one.output_tokens for one in door.records] == [4]
