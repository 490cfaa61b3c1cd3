"""What ran beside a request, and which request is the last one."""

from __future__ import annotations

import argparse

from wfmonitor.v1.request_pb2 import RequestRecord

from services.cli.commands import requests
from services.cli.commands.request_company import beside

T0 = 1_700_000_000_000_000


def record(id_: str, begin_ms: float, length_ms: float | None, model: str = "m") -> RequestRecord:
    made = RequestRecord(id=id_, model=model, start_us=T0 + round(begin_ms * 1000))
    if length_ms is not None:
        made.e2e_ms = length_ms
    return made


def test_beside_a_request_ran_who_shares_a_moment_with_it() -> None:
    one = record("one", 1000, 500)
    others = [
        one,
        record("before", 0, 1000),
        record("into", 0, 1001),
        record("within", 1200, 10, "n"),
        record("under way", 1400, None),
        record("after", 1500, 10),
    ]
    assert beside(one, others) == "2 of m, 1 of n"
    assert beside(one, [one]) == "no other request ran"


def test_last_has_a_length_of_time_or_none() -> None:
    parser = argparse.ArgumentParser()
    requests.add_arguments(parser)
    assert [parser.parse_args(words).last for words in ([], ["--last"], ["--last", "1h"])] == [None, "", "1h"]


def test_slow_is_short_for_the_order_by_length() -> None:
    parser = argparse.ArgumentParser()
    requests.add_arguments(parser)
    sorts = [parser.parse_args(words).sort for words in ([], ["--slow"], ["--sort", "e2e"], ["--sort", "joules"])]
    assert sorts == [None, "e2e", "e2e", "joules"]
