"""Write a tiny llama model with random weights, and its tokenizer, as a GGUF file.

    python build_model.py demo-small PATH       # run by the Python of demo.runtime, which has `gguf`

The models have learned nothing: they say syllables, in llama.cpp's own arithmetic. What is real is everything a
monitor measures: prompt processing, tokens one by one, probabilities, an end of its own accord.

The first dimension of the embedding is the same for all tokens, and the output layer reads it as a bias: that is
how control tokens and bare bytes are rare without training.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import gguf  # type: ignore[import-not-found]  # in the runtime's venv alone
import numpy as np
from numpy.typing import NDArray


class Shape(NamedTuple):
    """What the sizes of one model are."""

    layers: int
    width: int
    heads: int
    inner: int
    context: int
    seed: int
    closed: bool = False
    """ASCII in place of tokens for bytes: nearly every candidate's text is its own, and tells which it is."""


SHAPES = {
    "demo-small": Shape(layers=2, width=64, heads=4, inner=176, context=16384, seed=1),
    "demo-large": Shape(layers=8, width=128, heads=8, inner=352, context=16384, seed=2),
    "demo-closed": Shape(layers=2, width=64, heads=4, inner=176, context=16384, seed=3, closed=True),
}

CONSONANTS = ("b", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "sh", "th", "ch")
VOWELS = "aeiou"
SPACE = "\u2581"
"""What stands for a space in a sentencepiece vocabulary."""
# On the scale of the logits, whose deviation is about 2: one answer in some hundred tokens ends by itself.
_BIAS_OF_END = -1.5
_BIAS_OF_BYTES = -9.0
_BIAS_OF_CONTROL = -30.0
_SPREAD = 2.0
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


class Token(NamedTuple):
    """One row of the vocabulary."""

    text: str
    score: float
    kind: gguf.TokenType
    bias: float = 0.0


def vocabulary(*, closed: bool) -> list[Token]:
    """Control tokens, bytes or ASCII, syllables with and without a space before them, punctuation."""
    control = gguf.TokenType.CONTROL
    tokens = [
        Token("<unk>", 0.0, gguf.TokenType.UNKNOWN, _BIAS_OF_CONTROL),
        Token("<s>", 0.0, control, _BIAS_OF_CONTROL),
        Token("</s>", 0.0, control, _BIAS_OF_END),
    ]
    if not closed:
        tokens += [Token(f"<0x{byte:02X}>", 0.0, gguf.TokenType.BYTE, _BIAS_OF_BYTES) for byte in range(256)]
    syllables = [consonant + vowel for consonant in CONSONANTS for vowel in VOWELS]
    pieces = syllables + [SPACE + syllable for syllable in syllables] + [".", ",", "?", "!"]
    # Sentencepiece joins what has the highest score first: the earlier, the higher.
    tokens += [Token(piece, -float(rank), gguf.TokenType.NORMAL) for rank, piece in enumerate(pieces)]
    # The space alone, for what is no syllable; rarely said. Without bytes nothing else may be left unsaid.
    alone = [SPACE, *(chr(code) for code in (10, *range(33, 127)) if closed and chr(code) not in pieces)]
    tokens += [Token(text, -float(len(pieces)), gguf.TokenType.NORMAL, _BIAS_OF_BYTES) for text in alone]
    return tokens


class Weights:
    """Random matrices of one seed."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def matrix(self, outputs: int, inputs: int, gain: float = 1.0) -> NDArray[np.float32]:
        """Return one that keeps the deviation of what goes through it, times `gain`."""
        return self._random.normal(0.0, gain / np.sqrt(inputs), (outputs, inputs)).astype(np.float32)


def write(name: str, path: Path) -> None:
    """Write the model `name` of SHAPES to `path`, whole or not at all."""
    shape = SHAPES[name]
    tokens = vocabulary(closed=shape.closed)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    writer = gguf.GGUFWriter(half, "llama")
    writer.add_name(name)
    writer.add_description("A demo model: random weights, nothing learned.")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_tokenizer(writer, tokens)
    add_tensors(writer, shape, tokens)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    half.replace(path)


def add_tokenizer(writer: gguf.GGUFWriter, tokens: list[Token]) -> None:
    """The vocabulary, which of it is special, and how a conversation becomes a prompt."""
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token.text for token in tokens])
    writer.add_token_scores([token.score for token in tokens])
    writer.add_token_types([token.kind for token in tokens])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)


def add_tensors(writer: gguf.GGUFWriter, shape: Shape, tokens: list[Token]) -> None:
    """All weights; single precision, which at this size costs less than it saves in conversions."""
    weights, width = Weights(shape.seed), shape.width
    ones = np.ones(width, dtype=np.float32)
    embedding = weights.matrix(len(tokens), width, gain=np.sqrt(width))
    embedding[:, 0] = np.sqrt(width)
    writer.add_tensor("token_embd.weight", embedding)
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        writer.add_tensor(f"{block}.attn_norm.weight", ones)
        for part in ("attn_q", "attn_k", "attn_v"):
            writer.add_tensor(f"{block}.{part}.weight", weights.matrix(width, width))
        writer.add_tensor(f"{block}.attn_output.weight", still(weights.matrix(width, width)))
        writer.add_tensor(f"{block}.ffn_norm.weight", ones)
        for part in ("ffn_gate", "ffn_up"):
            writer.add_tensor(f"{block}.{part}.weight", weights.matrix(shape.inner, width))
        writer.add_tensor(f"{block}.ffn_down.weight", still(weights.matrix(width, shape.inner)))
    writer.add_tensor("output_norm.weight", ones)
    output = weights.matrix(len(tokens), width, gain=_SPREAD)
    # After the last norm the first dimension is about sqrt(width)/sqrt(2); what it says there is the bias.
    biases = np.array([token.bias for token in tokens], dtype=np.float32)
    output[biases < 0.0] = 0.0
    output[:, 0] = biases * np.float32(np.sqrt(2.0 / width))
    writer.add_tensor("output.weight", output)


def still(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the matrix without a say in the first dimension."""
    matrix[0, :] = 0.0
    return matrix


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in SHAPES:
        sys.exit(f"usage: build_model.py {'|'.join(SHAPES)} PATH")
    write(sys.argv[1], Path(sys.argv[2]))
