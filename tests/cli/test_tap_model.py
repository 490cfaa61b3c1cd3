"""Which model is asked where a person names none."""

from __future__ import annotations

import pytest
from wfmonitor.v1.requests_service_pb2 import Route

from services.cli.commands import tap_model
from services.cli.errors import CliError


def route(name: str, loaded: bool | None = None, chats: bool | None = None) -> Route:
    return Route(prefix=name, found=True, loaded=loaded, chats=chats)


@pytest.mark.parametrize(
    ("routes", "chosen"),
    [
        ([route("bge-m3", True, False), route("llama3", False, True), route("qwen3", True, True)], "qwen3"),
        ([route("bge-m3", True, False), route("qwen3", False, True)], "qwen3"),
        ([route("a", False, True), route("b"), route("c", True)], "c"),
        ([route("a"), route("b", chats=True)], "b"),
        ([route("a"), route("b")], "a"),
        ([Route(prefix="set"), route(""), route("a")], "a"),
        # Two runtimes have it: the tap leads to the first.
        ([route("a", False), route("a", True), route("b", True)], "b"),
    ],
)
def test_one_in_memory_that_chats_wins(routes: list[Route], chosen: str) -> None:
    assert tap_model.choose(routes) == chosen


@pytest.mark.parametrize(
    ("routes", "why"),
    [([], "start one"), ([Route(prefix="set")], "start one"), ([route("bge-m3", True, False)], "answers chats")],
)
def test_without_one_it_is_said_why(routes: list[Route], why: str) -> None:
    with pytest.raises(CliError, match=f"{why}.*--model NAME"):
        tap_model.choose(routes)


def test_only_a_runtimes_no_means_that_it_is_away() -> None:
    routes = [route("no", False), route("yes", True), route("unsaid")]
    assert [name for name in ("no", "yes", "unsaid", "other") if tap_model.is_away(routes, name)] == ["no"]
