"""The GenAI conventions: `gen_ai.client.*` and `gen_ai.server.*`, and the names of senders that went before them.

What a client and what a server told of one model are apart by their label `runtime`: `otlp-client:PROVIDER`,
`otlp:PROVIDER`; and both are apart from what the monitor measured itself.
"""

from __future__ import annotations

from bus.series import Series
from services.gateway.otlp.points import Attributes
from services.gateway.otlp.shapes import As, Rule, label, one_of

# Attributes: older spellings → today's.
ATTRIBUTES = {
    "gen_ai.system": "gen_ai.provider.name",
    "llm.system": "gen_ai.provider.name",
    "gen_ai.token_type": "gen_ai.token.type",
    "llm.token.type": "gen_ai.token.type",
    "llm.request.model": "gen_ai.request.model",
    "llm.response.model": "gen_ai.response.model",
    "llm.model": "gen_ai.request.model",
    "gen_ai.type": "gen_ai.operation.name",
}
NAMES = {
    "gen_ai.client.time_to_first_chunk": "gen_ai.client.operation.time_to_first_chunk",
    "gen_ai.client.time_per_output_chunk": "gen_ai.client.operation.time_per_output_chunk",
    "gen_ai.client.time_to_first_token": "gen_ai.client.operation.time_to_first_chunk",
    "llm.chat_completions.streaming_time_to_first_token": "gen_ai.client.operation.time_to_first_chunk",
    "llm.chat_completions.tokens": "gen_ai.client.token.usage",
    "llm.chat_completions.duration": "gen_ai.client.operation.duration",
    "gen_ai.server.ttft": "gen_ai.server.time_to_first_token",
    "gen_ai.server.tbt": "gen_ai.server.time_per_output_token",
    "gen_ai.usage.prompt_tokens": "gen_ai.usage.input_tokens",
    "gen_ai.usage.completion_tokens": "gen_ai.usage.output_tokens",
    "gen_ai.requests": "gen_ai.total.requests",
}

# What an agent or a tool does is no generation, and would be taken for a slow one.
NOT_GENERATING = one_of("execute_tool", "invoke_agent", "create_agent", "invoke_workflow")
_INPUT = {"gen_ai.token.type": one_of("input", "prompt")}
_OUTPUT = {"gen_ai.token.type": one_of("output", "completion")}
_CACHED = {"gen_ai.token.type": one_of("input_cached", "cached", "cache_read")}
_TOTAL = (("type", "total"),)
_MS = 1000.0


def _times(metric: str) -> Rule:
    return Rule(metric, As.TIMES, "s", _MS)


RULES: dict[str, tuple[Rule, ...]] = {
    "gen_ai.client.token.usage": (
        Rule("model.prompt_tokens_total", As.TOTAL, "{token}", when=_INPUT),
        Rule("model.cached_tokens_total", As.TOTAL, "{token}", when=_CACHED),
        Rule("model.tokens_total", As.TOTAL, "{token}", when=_OUTPUT),
        Rule("model.tps", As.RATE, "{token}", when=_OUTPUT, fixed=_TOTAL),
    ),
    "gen_ai.client.operation.duration": (
        # A call that was refused after 2 ms is no answer that took 2 ms.
        Rule("model.e2e_ms", As.TIMES, "s", _MS, without=one_of("error.type")),
        Rule("model.requests_total", As.COUNT, "s", fixed=(("reason", "error"),), needs=one_of("error.type")),
        Rule("model.errors_total", As.COUNT, "s", needs=one_of("error.type")),
        Rule("model.requests_total", As.COUNT, "s", without=one_of("error.type")),
    ),
    "gen_ai.client.operation.time_to_first_chunk": (_times("model.ttft_ms"),),
    "gen_ai.client.operation.time_per_output_chunk": (_times("model.itl_ms"),),
    "gen_ai.server.request.duration": (_times("model.e2e_ms"),),
    "gen_ai.server.time_to_first_token": (_times("model.ttft_ms"),),
    "gen_ai.server.time_per_output_token": (_times("model.tpot_ms"),),
    "gen_ai.usage.input_tokens": (Rule("model.prompt_tokens_total", As.TOTAL, "{token}"),),
    "gen_ai.usage.output_tokens": (
        Rule("model.tokens_total", As.TOTAL, "{token}"),
        Rule("model.tps", As.RATE, "{token}", fixed=_TOTAL),
    ),
    "gen_ai.total.requests": (Rule("model.requests_total", As.TOTAL, "{request}"),),
}


def series(rule: Rule, name: str, attributes: Attributes) -> Series | str:
    """The series of a model; a text where the point does not say which, and why it cannot be taken."""
    model = attributes.get("gen_ai.request.model") or attributes.get("gen_ai.response.model")
    if not model:
        return "neither gen_ai.request.model nor gen_ai.response.model names a model"
    if (operation := attributes.get("gen_ai.operation.name")) in NOT_GENERATING:
        return f"gen_ai.operation.name {operation} is no generation of a model"
    place = "otlp" if name.startswith("gen_ai.server.") else "otlp-client"
    provider = attributes.get("gen_ai.provider.name")
    runtime = label(f"{place}:{provider}" if provider else place)
    return Series(rule.metric, f"model:{label(model)}", tuple(sorted((*rule.fixed, ("runtime", runtime)))))
