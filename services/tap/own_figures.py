"""What the tap counts of itself, in its Health."""

from __future__ import annotations

import asyncio

from bus.clock import until_beat_s
from bus.context import ServiceContext
from services.tap.beside import Besides
from services.tap.bursts import Bursts
from services.tap.keeper import Keeper
from services.tap.listening import Door
from services.tap.measures import Measures
from services.tap.meter import Figures
from services.tap.proxy import Proxy


async def count(
    ctx: ServiceContext,
    figures: Figures,
    bursts: Bursts,
    keeper: Keeper,
    series: Measures,
    proxy: Proxy,
    besides: Besides,
    door: Door,
) -> None:
    """Put the tap's own counts into its Health, once a second."""
    while True:
        ctx.counters.update(
            requests_total=figures.requests,
            requests_running=len(figures.under_way),
            tokens_total=figures.tokens,
            bursts_total=bursts.published,
            unmeasured_total=figures.unmeasured,
            left_out_total=figures.left_out,
            measure_failures_total=figures.failures + besides.failures_total,
            records_lost_total=keeper.lost_total,
            models_left_out_total=series.left_out_total,
            times_late_total=series.late_total,
            refused_total=proxy.refused_total,
            unanswered_total=proxy.failed_total,
            asked_beside_total=besides.asked_total,
            refused_beside_total=besides.refused_total,
            left_in_total=besides.left_in_total,
            malformed_total=door.malformed.total,
            silent_total=door.silent_total,
        )
        await asyncio.sleep(until_beat_s())
