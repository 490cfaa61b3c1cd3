"""What a model runtime is called, alike by all who measure it: the samplers, the tap, records, comparisons."""

from __future__ import annotations

LLAMA_CPP = "llama.cpp"
LLAMA_CPP_PYTHON = "llama-cpp-python"
OLLAMA = "ollama"
VLLM = "vllm"
LM_STUDIO = "lm-studio"
SGLANG = "sglang"
TGI = "tgi"
LITELLM = "litellm"

RUNTIME_NAMES = frozenset({LLAMA_CPP, LLAMA_CPP_PYTHON, OLLAMA, VLLM, LM_STUDIO, SGLANG, TGI, LITELLM})

# What records and comparisons that were kept earlier say.
_EARLIER = {"lmstudio": LM_STUDIO}


def runtime_name(kept: str) -> str:
    """The present name of a runtime under the one that was kept; a name that is not known here stays as it is.

    >>> runtime_name("lmstudio"), runtime_name("vllm")
    ('lm-studio', 'vllm')
    """
    return _EARLIER.get(kept, kept)
