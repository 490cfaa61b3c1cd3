"""Answers of model runtimes as recorded from them, cut into beginning, token and end; for tests.runtime_server."""

from __future__ import annotations

import json
import time
from typing import Any

MODEL = "tiny-test-model"
Script = dict[str, Any]


def sse(*events: object) -> bytes:
    return b"".join(
        b"data: " + (one if isinstance(one, bytes) else json.dumps(one, ensure_ascii=False).encode()) + b"\n\n"
        for one in events
    )


def named(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\n".encode() + sse({"type": kind, **fields})


def word(script: Script, index: int) -> str:
    """The text of one token; with `stamp` the monotonic time in ns at which it was made."""
    if script.get("stamp"):
        return str(time.monotonic_ns())
    if "wide" in script:
        return "x" * int(script["wide"])
    return str(script.get("text", " wört"))


def thinks(script: Script, index: int) -> bool:
    return index < int(script.get("thinking", 0))


def chat(script: Script, part: str, index: int = 0) -> bytes:
    """llama-server's /v1/chat/completions, stream_options.include_usage and timings in the last chunk."""
    head = {
        "created": 1764000000,
        "id": "chatcmpl-test",
        "model": MODEL,
        "system_fingerprint": "b1-test",
        "object": "chat.completion.chunk",
    }
    count = int(script.get("tokens", 5))
    if part == "begin":
        delta: dict[str, Any] = {"role": "assistant", "content": None}
        return sse({"choices": [{"finish_reason": None, "index": 0, "delta": delta}], **head})
    if part == "token":
        name = "reasoning_content" if thinks(script, index) else "content"
        choice = {"finish_reason": None, "index": 0, "delta": {name: word(script, index)}}
        if script.get("logprobs"):
            top = [
                {"id": 1, "token": word(script, index), "bytes": None, "logprob": -0.105},
                {"id": 2, "token": "x", "bytes": None, "logprob": -2.4},
            ]
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        return sse({"choices": [choice], **head})
    last: dict[str, Any] = {"choices": [{"finish_reason": "stop", "index": 0, "delta": {}}], **head}
    if not script.get("usage", True):
        return sse(last, b"[DONE]")
    timings = {
        "cache_n": 3,
        "prompt_n": 9,
        "prompt_ms": 4.5,
        "prompt_per_second": 2000.0,
        "predicted_n": count,
        "predicted_ms": 10.0,
        "predicted_per_second": 400.0,
    }
    usage = {
        "completion_tokens": count,
        "prompt_tokens": 12,
        "total_tokens": 12 + count,
        "prompt_tokens_details": {"cached_tokens": 3},
    }
    return sse(last, {"choices": [], **head, "usage": usage, "timings": timings}, b"[DONE]")


def completions(script: Script, part: str, index: int = 0) -> bytes:
    """vLLM's /v1/completions."""
    head = {"id": "cmpl-test", "object": "text_completion", "created": 1764000000, "model": MODEL}
    if part == "begin":
        return b""
    if part == "token":
        return sse(
            {
                **head,
                "choices": [
                    {
                        "index": 0,
                        "text": word(script, index),
                        "logprobs": None,
                        "finish_reason": None,
                        "stop_reason": None,
                    }
                ],
            }
        )
    count = int(script.get("tokens", 5))
    return sse(
        {
            **head,
            "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": "length", "stop_reason": None}],
        },
        {**head, "choices": [], "usage": {"prompt_tokens": 12, "total_tokens": 12 + count, "completion_tokens": count}},
        b"[DONE]",
    )


def responses(script: Script, part: str, index: int = 0) -> bytes:
    """/v1/responses."""
    if part == "begin":
        return named(
            "response.created",
            response={"id": "resp_test", "object": "response", "model": MODEL, "status": "in_progress", "usage": None},
        )
    if part == "token":
        kind = "response.reasoning_text.delta" if thinks(script, index) else "response.output_text.delta"
        return named(kind, item_id="msg_1", output_index=0, content_index=0, delta=word(script, index))
    count = int(script.get("tokens", 5))
    usage = {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens": count,
        "output_tokens_details": {"reasoning_tokens": int(script.get("thinking", 0))},
        "total_tokens": 12 + count,
    }
    return named(
        "response.completed",
        response={"id": "resp_test", "object": "response", "model": MODEL, "status": "completed", "usage": usage},
    )


def messages(script: Script, part: str, index: int = 0) -> bytes:
    """/v1/messages."""
    if part == "begin":
        message = {
            "id": "msg_test",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": MODEL,
            "stop_reason": None,
            "usage": {"input_tokens": 9, "cache_read_input_tokens": 3, "output_tokens": 1},
        }
        return (
            named("message_start", message=message)
            + named("ping")
            + named("content_block_start", index=0, content_block={"type": "text", "text": ""})
        )
    if part == "token":
        delta = (
            {"type": "thinking_delta", "thinking": word(script, index)}
            if thinks(script, index)
            else {"type": "text_delta", "text": word(script, index)}
        )
        return named("content_block_delta", index=0, delta=delta)
    usage = {"output_tokens": int(script.get("tokens", 5))}
    return (
        named("content_block_stop", index=0)
        + named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=usage)
        + named("message_stop")
    )


def ollama(script: Script, part: str, index: int = 0, chat_form: bool = True) -> bytes:
    """/api/chat and /api/generate."""
    head = {"model": MODEL, "created_at": "2026-01-01T00:00:00.000000Z"}
    if part == "begin":
        return b""
    said = word(script, index) if part == "token" else ""
    name = "thinking" if part == "token" and thinks(script, index) else "content" if chat_form else "response"
    body: dict[str, Any] = (
        {"message": {"role": "assistant", "content": "", name: said}} if chat_form else {"response": "", name: said}
    )
    end: dict[str, Any] = {"done": False}
    if part == "end":
        end = {
            "done": True,
            "done_reason": "stop",
            "total_duration": 60_000_000,
            "load_duration": 20_000_000,
            "prompt_eval_count": 12,
            "prompt_eval_duration": 5_000_000,
            "eval_count": int(script.get("tokens", 5)),
            "eval_duration": 30_000_000,
        }
    return json.dumps({**head, **body, **end}, ensure_ascii=False).encode() + b"\n"


def lm_studio(script: Script, part: str, index: int = 0) -> bytes:
    """LM Studio's /api/v1/chat, of a model that had to be loaded first."""
    if part == "begin":
        return (
            named("chat.start", model_instance_id=MODEL)
            + named("model_load.start", model_instance_id=MODEL)
            + named("model_load.progress", model_instance_id=MODEL, progress=0.5)
            + named("model_load.end", model_instance_id=MODEL, load_time_seconds=1.25)
            + named("prompt_processing.start")
            + named("prompt_processing.progress", progress=0.5)
            + named("prompt_processing.end")
        )
    if part == "token":
        return named("reasoning.delta" if thinks(script, index) else "message.delta", content=word(script, index))
    stats = {
        "input_tokens": 12,
        "total_output_tokens": int(script.get("tokens", 5)),
        "reasoning_output_tokens": int(script.get("thinking", 0)),
        "tokens_per_second": 50.0,
        "time_to_first_token_seconds": 0.3,
        "model_load_time_seconds": 1.25,
    }
    output = [{"type": "message", "content": "wört"}]
    result = {"model_instance_id": MODEL, "output": output, "stats": stats, "response_id": "resp_test"}
    return named("message.end") + named("chat.end", result=result)


def completion(script: Script, part: str, index: int = 0) -> bytes:
    """llama-server's own /completion."""
    if part == "begin":
        return b""
    if part == "token":
        return sse(
            {
                "index": 0,
                "content": word(script, index),
                "tokens": [7],
                "stop": False,
                "id_slot": 0,
                "tokens_predicted": index + 1,
                "tokens_evaluated": 12,
            }
        )
    count = int(script.get("tokens", 5))
    timings = {"cache_n": 3, "prompt_n": 9, "prompt_ms": 4.5, "predicted_n": count, "predicted_ms": 10.0}
    return sse(
        {
            "index": 0,
            "content": "",
            "tokens": [],
            "stop": True,
            "model": MODEL,
            "tokens_predicted": count,
            "tokens_evaluated": 12,
            "stop_type": "limit",
            "truncated": False,
            "timings": timings,
        }
    )


SHAPES = {
    "/v1/chat/completions": (chat, "text/event-stream"),
    "/v1/completions": (completions, "text/event-stream; charset=utf-8"),
    "/v1/responses": (responses, "text/event-stream"),
    "/v1/messages": (messages, "text/event-stream"),
    "/api/chat": (ollama, "application/x-ndjson"),
    "/api/generate": (lambda script, part, index=0: ollama(script, part, index, False), "application/x-ndjson"),
    "/api/v1/chat": (lm_studio, "text/event-stream"),
    "/completion": (completion, "text/event-stream"),
}
WHOLE: dict[str, Any] = {
    "/v1/chat/completions": {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "wört"}}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
        "timings": {"cache_n": 3, "prompt_n": 9, "prompt_ms": 4.5, "predicted_n": 5, "predicted_ms": 10.0},
    },
    "/api/chat": {
        "model": MODEL,
        "message": {"role": "assistant", "content": "wört"},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 12,
        "eval_count": 5,
        "eval_duration": 30_000_000,
    },
    "/api/v1/chat": {
        "model_instance_id": MODEL,
        "output": [{"type": "message", "content": "wört"}],
        "stats": {
            "input_tokens": 12,
            "total_output_tokens": 5,
            "reasoning_output_tokens": 0,
            "tokens_per_second": 50.0,
            "time_to_first_token_seconds": 0.3,
        },
    },
    "/v1/messages": {
        "id": "msg_test",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "wört"}],
        "stop_reason": "max_tokens",
        "usage": {"input_tokens": 12, "output_tokens": 5},
    },
}
