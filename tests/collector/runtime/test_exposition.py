"""Reading /metrics: prometheus_client's parser, and line by line where it fails."""

from __future__ import annotations

import pytest

from services.collector.runtime import exposition
from tests.collector.runtime.standin_runtime import recorded


def test_one_bad_line_costs_only_itself() -> None:
    page = exposition.read(recorded("llama_server_b10900_bad_line.txt"), ("llamacpp:",))
    assert exposition.total(page, "llamacpp:prompt_tokens_cached_total") == 4096.0
    assert exposition.total(page, "llamacpp:requests_deferred") == 2.0, "what stands after the bad line"
    assert not any("per_pos" in name for name in page)


def test_both_ways_of_reading_find_the_same() -> None:
    body = recorded("vllm_0.11_1.txt")
    whole = exposition.read(body, ("vllm:",))
    by_line = exposition.read(body + b"vllm:broken{ 1\n", ("vllm:",))
    assert whole == by_line


def test_counters_are_found_with_and_without_their_ending_and_created_is_left_out() -> None:
    page = exposition.read(
        b"# TYPE x:n counter\nx:n 4\n# TYPE x:m_total counter\nx:m_total 5\nx:m_created 6\n", ("x:",)
    )
    assert exposition.total(page, "x:n") == exposition.total(page, "x:n_total") == 4.0
    assert exposition.total(page, "x:m") == 5.0
    assert list(page) == ["x:n", "x:m"]


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe\x00", b"x: \n", b"x:a NaN\n", b'x:a{b="c\n', b"x:a 1 2 3 4\nx:b\n" * 50]
)
def test_rubbish_raises_nothing(body: bytes) -> None:
    exposition.read(body, ("x:",))


def test_what_nobody_asked_for_is_not_parsed() -> None:
    body = b"go_goroutines 8\n" * 10 + b"vllm:num_requests_running 1\n"
    assert list(exposition.read(body, ("vllm:",))) == ["vllm:num_requests_running"]


def test_exponents_and_labels_are_read() -> None:
    page = exposition.read(recorded("llama_server_large_counters.txt"), ("llamacpp:",))
    assert exposition.total(page, "llamacpp:prompt_tokens_total") == 3_214_570.0
    page = exposition.read(b'a{x="1",y="2"} 3\na{x="1",y="5"} 4\na{x="2",y="2"} 9\n', ("a",))
    assert exposition.total(page, "a", x="1") == 7.0
    assert exposition.total(page, "b", "a", y="2") == 12.0
    assert exposition.total(page, "b") is None
