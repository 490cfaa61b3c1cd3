"""Which rate group a sampler belongs in: what it asks for, what a person set, what it costs. Pure."""

from __future__ import annotations

from services.collector.guard import Guard
from services.collector.sampler import GROUPS

# A read that takes longer than this does not belong on a 60 Hz grid (DESIGN §5.1) …
FAST_READ_S = 0.001
# … and one that takes more than this share of its period, in CPU, belongs on a slower one.
DEAR_SHARE = 0.02
_READS_BEFORE_A_JUDGEMENT = 20


def choose(guard: Guard, present: str, forced: str, rates_hz: dict[str, float]) -> str:
    """The group for the next ticks. `forced` is a group's name or "auto".

    A sampler with `may_rise = True` goes up to "render" while its reads are fast. A dear one goes
    down one group and stays there: its cost, not the clock, decides when it may come back.
    """
    if forced in GROUPS:
        return forced
    wanted = guard.sampler.group
    if guard.reads < _READS_BEFORE_A_JUDGEMENT:
        return present or wanted
    if getattr(guard.sampler, "may_rise", False):
        # Half as long on the way up, so that it does not swing at the limit.
        limit_s = FAST_READ_S if present == "render" else FAST_READ_S / 2.0
        wanted = "render" if guard.wall_s < limit_s else wanted
    while wanted != "trend" and guard.cpu_s * rates_hz[wanted] > DEAR_SHARE:
        wanted = GROUPS[GROUPS.index(wanted) + 1]
    return wanted
