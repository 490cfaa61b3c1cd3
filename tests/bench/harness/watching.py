"""Looks at the running stack that several figures share: one span a round, read by each of them."""

from __future__ import annotations

import time

from tests.bench.harness import accounting
from tests.bench.harness.accounting import Cost
from tests.bench.harness.bench import Bench
from tests.bench.harness.live import page_of, stack_of

IDLE_S = 120.0
PAGE_S = 60.0


def idle(bench: Bench) -> Cost:
    """What the whole stack used in two minutes with no page open, supervisord included."""
    stack = stack_of(bench)
    return bench.once("idle", lambda: accounting.watch([stack.supervisor_pid], bench.seconds(IDLE_S, 3.0)))


def with_page(bench: Bench) -> Cost:
    """The same with one page open and drawing; the browser is not in it."""
    stack, page = stack_of(bench), page_of(bench)

    def look() -> Cost:
        seconds = bench.seconds(PAGE_S, 3.0)
        before, begun_s = accounting.snapshot([stack.supervisor_pid]), time.monotonic()
        page.wait_for_timeout(1000 * seconds)  # the browser's own messages are served meanwhile
        after, ended_s = accounting.snapshot([stack.supervisor_pid]), time.monotonic()
        return accounting.between(before, after, ended_s - begun_s)

    return bench.once("with page", look)


def shares(cost: Cost) -> str:
    """Who used it, dearest first: `collector 1.20 %, aggregator 0.90 %`."""
    percents = {name.rpartition(".")[2]: 100.0 * cpu_s / cost.seconds for name, cpu_s in cost.cpu_of.items()}
    ranked = sorted(percents.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name} {percent:.2f} %" for name, percent in ranked)
