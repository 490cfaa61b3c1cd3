"""A streamer for `transformers` that tells a WIRTHFORGE Monitor each token that `generate` takes.

    from wirthforge_probe import Probe
    from wirthforge_transformers import ProbeStreamer

    with ProbeStreamer(Probe(), "Qwen/Qwen3-0.6B", topk=20) as streamer:
        model.generate(**inputs, streamer=streamer, logits_processor=streamer.watch())

Leaving the `with` ends what a failed `generate` left open. `inner` is a streamer of yours that gets everything first.
With `topk`, `watch()` reads that many candidates a token from the logits, before temperature and filters: one copy
from the GPU each token, so leave it out where speed is all. One sequence at a time, as with every streamer; a batch
passes through unmeasured. Token ids never reach the probe.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from wirthforge_probe import Generation, Probe

__all__ = ["ProbeStreamer"]


class ProbeStreamer:
    """The streamer of one call of `generate` at a time; `end` makes it ready for the next."""

    def __init__(
        self, probe: Probe, model: str, *, inner: Any = None, topk: int = 0, vocabulary: int | None = None
    ) -> None:
        self._probe = probe
        self._model = model
        self._inner = inner
        self._topk = topk
        self._vocabulary = vocabulary
        self._begun = False
        self._generation: Generation | None = None
        self._candidates: list[float] | None = None

    def put(self, value: Any) -> None:
        """transformers: the prompt's ids first, shape (1, n), then each step's, (1,) or, speculating, (1, n)."""
        if self._inner is not None:
            self._inner.put(value)
        shape = tuple(getattr(value, "shape", ()))
        if not self._begun:
            self._begun = True
            if len(shape) == 2 and shape[0] == 1:
                self._generation = self._probe.generation(
                    self._model, "transformers", prompt_tokens=shape[1], vocabulary=self._vocabulary
                )
        elif self._generation is not None:
            count = int(shape[-1]) if shape else 1
            # The candidates are one position's: they tell nothing of several tokens.
            self._generation.token(self._candidates if count == 1 else None, count)
        self._candidates = None

    def end(self) -> None:
        """transformers: nothing more comes. Why it ended it does not say."""
        self._finish("", "")
        if self._inner is not None:
            self._inner.end()

    def _finish(self, reason: str, error: str) -> None:
        if self._generation is not None:
            self._generation.finish(reason, error)
        self._begun, self._generation = False, None

    def __enter__(self) -> ProbeStreamer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._finish("error" if issubclass(kind, Exception) else "abort", kind.__name__)

    def watch(self) -> Any:
        """The LogitsProcessorList to give to `generate`; changes no score. Empty without `topk`."""
        from transformers import LogitsProcessorList

        return LogitsProcessorList([self._look] if self._topk else [])

    def _look(self, _input_ids: Any, scores: Any) -> Any:
        """The likeliest candidates of the one sequence, as natural logarithms of their probabilities."""
        try:
            self._candidates = None
            if scores.shape[0] == 1:
                self._vocabulary = self._vocabulary or int(scores.shape[-1])
                logs = scores[0].float().log_softmax(-1)
                self._candidates = logs.topk(min(self._topk, logs.shape[-1])).values.tolist()
        except Exception:
            self._candidates = None  # measuring is no reason for an answer to fail
        return scores
