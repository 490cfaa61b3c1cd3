"""What the tap told of requests: counted by model, and the load that one of them waited for."""

from __future__ import annotations

from services.collector.runtime.asked import Asked


def test_requests_are_counted_by_the_model_and_an_unheard_one_is_not_known() -> None:
    asked = Asked()
    assert asked.count("llama3:latest") is None
    asked.hear("llama3", "ollama", 0.0, None)
    asked.hear("llama3:latest", "ollama", 1.0, None)
    asked.hear("/home/me/m.gguf", "llama-cpp-python", 1.0, None)
    assert asked.count("llama3:latest") == 2
    assert asked.count("m.gguf") == 1


def test_load_is_the_one_that_was_asked_first_and_overlaps() -> None:
    asked = Asked()
    asked.hear("a", "ollama", 50.0, 30.0)  # the model was there still
    asked.hear("a", "ollama", 100.5, 3000.0)
    asked.hear("a", "ollama", 100.0, 3500.0)
    asked.hear("a", "vllm", 99.0, 9000.0)
    asked.hear("a", "ollama", 104.0, 40.0)
    assert asked.load_ms("ollama", "a", 99.0, 101.0) == 3500.0
    assert asked.load_ms("ollama", "a", 200.0, 202.0) is None
    assert asked.load_ms("ollama", "b", 99.0, 101.0) is None


def test_memory_is_bounded_and_the_longest_unasked_goes_first() -> None:
    asked = Asked()
    for number in range(512):
        asked.hear(f"m{number}", "ollama", 0.0, 1.0)
    asked.hear("m0", "ollama", 0.0, None)
    asked.hear("new", "ollama", 0.0, None)
    assert asked.count("m1") is None
    assert asked.load_ms("ollama", "m1", 0.0, 1.0) is None
    assert asked.count("m0") == 2
