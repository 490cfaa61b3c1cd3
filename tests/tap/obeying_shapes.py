"""Streams of runtimes that obey the request: what each prints with and without counts and log-probabilities.

Written from their sources: llama.cpp moves its timings to the last chunk and has no empty members; vLLM prints
`"logprobs": null`; Ollama prints lines without a word where it holds the word back; others space their JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.tap.runtime_shapes import MODEL, Script, word

HEAD = {"created": 1764000000, "id": "chatcmpl-test", "model": MODEL, "object": "chat.completion.chunk"}
TIMINGS = {"cache_n": 3, "prompt_n": 9, "prompt_ms": 4.5, "predicted_n": 5, "predicted_ms": 10.0}


def compact(event: object) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def data(event: object, dumps: Callable[[object], str] = compact, end: str = "\n\n") -> bytes:
    return f"data: {dumps(event)}{end}".encode()


def counts(asked: dict[str, Any]) -> bool:
    return bool((asked.get("stream_options") or {}).get("include_usage"))


def candidates(script: Script, index: int, top: int) -> list[dict[str, Any]]:
    said = word(script, index)
    found = [{"token": said, "bytes": list(said.encode()), "logprob": -0.105}]
    found += [{"token": f'"logprobs":{one}', "bytes": [one], "logprob": -2.5 - one} for one in range(1, top)]
    return [{**found[0], "top_logprobs": found}]


def usage(script: Script) -> dict[str, Any]:
    count = int(script.get("tokens", 5))
    return {"completion_tokens": count, "prompt_tokens": 12, "total_tokens": 12 + count}


def llama_cpp(script: Script, part: str, index: int = 0) -> bytes:
    """llama-server's chat: members come when they have a value; the timings stand in whichever chunk is last."""
    asked = script["asked"]
    if part == "begin":
        delta: dict[str, Any] = {"role": "assistant", "content": None}
        return data({"choices": [{"finish_reason": None, "index": 0, "delta": delta}], **HEAD})
    if part == "token":
        choice: dict[str, Any] = {"finish_reason": None, "index": 0, "delta": {"content": word(script, index)}}
        if asked.get("logprobs"):
            choice["logprobs"] = {"content": candidates(script, index, int(asked["top_logprobs"]))}
        return data({"choices": [choice], **HEAD})
    last: dict[str, Any] = {"choices": [{"finish_reason": "stop", "index": 0, "delta": {}}], **HEAD}
    if not counts(asked):
        return data({**last, "timings": TIMINGS}) + b"data: [DONE]\n\n"
    end = {"choices": [], **HEAD, "usage": usage(script), "timings": TIMINGS}
    return data(last) + data(end) + b"data: [DONE]\n\n"


def vllm(script: Script, part: str, index: int = 0) -> bytes:
    """vLLM's chat: every choice has logprobs, null where not asked for."""
    asked = script["asked"]
    choice: dict[str, Any] = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}
    if part == "begin":
        return data({**HEAD, "choices": [{**choice, "delta": {"role": "assistant", "content": ""}}]})
    if part == "token":
        if asked.get("logprobs"):
            choice["logprobs"] = {"content": candidates(script, index, int(asked["top_logprobs"]))}
        return data({**HEAD, "choices": [{**choice, "delta": {"content": word(script, index)}}]})
    end = {**HEAD, "choices": [{**choice, "finish_reason": "length", "stop_reason": None}]}
    tail = data({**HEAD, "choices": [], "usage": usage(script)}) if counts(asked) else b""
    return data(end) + tail + b"data: [DONE]\n\n"


def spaced(script: Script, part: str, index: int = 0) -> bytes:
    """Python's own spelling, CRLF, a usage of null in each chunk where counts are asked for, and comments between."""
    asked = script["asked"]
    more: dict[str, Any] = {"usage": None} if counts(asked) else {}
    if part == "begin":
        return b": hello\r\n\r\n"
    if part == "token":
        choice: dict[str, Any] = {}
        if asked.get("logprobs"):
            choice["logprobs"] = {"content": candidates(script, index, int(asked["top_logprobs"]))}
        choice |= {"index": 0, "delta": {"content": word(script, index)}, "finish_reason": None}
        return data({**more, **HEAD, "choices": [choice]}, json.dumps, "\r\n\r\n")
    end = data(
        {**HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **more}, json.dumps, "\r\n\r\n"
    )
    tail = data({**HEAD, "choices": [], "usage": usage(script)}, json.dumps, "\r\n\r\n") if more else b""
    return end + tail + b"data: [DONE]\r\n\r\n"


def legacy(script: Script, part: str, index: int = 0) -> bytes:
    """vLLM's /v1/completions."""
    asked = script["asked"]
    choice: dict[str, Any] = {"index": 0, "text": word(script, index), "logprobs": None, "finish_reason": None}
    if part == "begin":
        return b""
    if part == "token":
        if top := asked.get("logprobs"):
            said = word(script, index)
            best = {said: -0.1} | {f"t{one}": -3.0 - one for one in range(1, int(top))}
            choice["logprobs"] = {
                "text_offset": [index],
                "token_logprobs": [-0.1],
                "tokens": [said],
                "top_logprobs": [best],
            }
        return data({**HEAD, "choices": [choice]})
    end = data({**HEAD, "choices": [{**choice, "text": "", "finish_reason": "length", "stop_reason": None}]})
    tail = data({**HEAD, "choices": [], "usage": usage(script)}) if counts(asked) else b""
    return end + tail + b"data: [DONE]\n\n"


def ollama(script: Script, part: str, index: int = 0) -> bytes:
    """Ollama's chat; every second token is held back, and told with the next."""
    asked = script["asked"]
    line: dict[str, Any] = {"model": MODEL, "created_at": "2026-01-01T00:00:00Z"}
    if part == "begin":
        return b""
    if part == "end":
        end = {"done": True, "done_reason": "stop", "prompt_eval_count": 12, "eval_count": int(script.get("tokens", 5))}
        return (compact({**line, "message": {"role": "assistant", "content": ""}, **end}) + "\n").encode()
    holds = index % 2 == 0
    if holds and not asked.get("logprobs"):
        return b""
    line["message"] = {"role": "assistant", "content": "" if holds else word(script, index)}
    line["done"] = False
    if asked.get("logprobs"):
        line["logprobs"] = candidates(script, index, int(asked["top_logprobs"]))
    return (compact(line) + "\n").encode()


OBEYING: dict[str, tuple[str, Callable[..., bytes]]] = {
    "llama.cpp": ("/v1/chat/completions", llama_cpp),
    "vllm": ("/v1/chat/completions", vllm),
    "spaced": ("/v1/chat/completions", spaced),
    "legacy": ("/v1/completions", legacy),
    "ollama": ("/api/chat", ollama),
}


def stream(name: str, script: Script, asked: dict[str, Any]) -> bytes:
    """A whole answer to a request with these members."""
    make, script = OBEYING[name][1], {**script, "asked": asked}
    tokens = (make(script, "token", index) for index in range(int(script.get("tokens", 5))))
    return make(script, "begin") + b"".join(tokens) + make(script, "end")
