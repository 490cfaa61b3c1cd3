"""Exact entropies of a model along given texts, straight from its logits; run by the Python of demo.runtime.

    python exact.py MODEL.gguf < asked.json > told.json

Reads {"prompt": text, "texts": [what each token says], "ks": [K …]}, or {"prompt": …, "tokens": [ids], "ks": …};
writes {"bits": [H of each token's distribution], "vocabulary": V,
"certainty": {K: [1 − H/ln K of the renormalised top-K]}}.
"""

from __future__ import annotations

import json
import sys

import llama_cpp  # type: ignore[import-not-found]  # in the runtime's venv alone
import numpy as np


def by_text(model: llama_cpp.Llama) -> dict[str, int]:
    """Tokens by what they say, those that say the same left out."""
    found: dict[str, list[int]] = {}
    for token in range(model.n_vocab()):
        found.setdefault(model.detokenize([token]).decode("utf-8", "ignore"), []).append(token)
    return {text: tokens[0] for text, tokens in found.items() if text and len(tokens) == 1}


def main() -> None:
    asked = json.load(sys.stdin)
    model = llama_cpp.Llama(sys.argv[1], n_ctx=4096, n_threads=1, logits_all=True, verbose=False)
    known = by_text(model)
    tokens = asked["tokens"] if "tokens" in asked else [known[text] for text in asked["texts"]]
    bits: list[float] = []
    certainty: dict[int, list[float]] = {k: [] for k in asked["ks"]}
    model.eval(model.tokenize(asked["prompt"].encode(), add_bos=True, special=True))
    for token in tokens:
        logits = model.scores[model.n_tokens - 1].astype(np.float64)
        logits -= logits.max()
        chances = np.exp(logits) / np.exp(logits).sum()
        bits.append(float(-(chances[chances > 0] * np.log2(chances[chances > 0])).sum()))
        for k in asked["ks"]:
            top = np.sort(chances)[::-1][:k]
            top = top / top.sum()
            certainty[k].append(
                float(1 + (top[top > 0] * np.log(top[top > 0])).sum() / np.log(len(top))) if k > 1 else 1.0
            )
        model.eval([token])
    json.dump({"bits": bits, "certainty": certainty, "vocabulary": model.n_vocab()}, sys.stdout)


if __name__ == "__main__":
    main()
