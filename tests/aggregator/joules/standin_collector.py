"""The real collector over two stand-in GPUs: `python -m tests.aggregator.joules.standin_collector --home DIR`.

The power of each swings; the driver's sign is a file in its home.
"""

from __future__ import annotations

import math
import sys
import time
from functools import partial
from pathlib import Path

from bus.service import run
from services.collector import __main__ as wiring
from services.collector.sampler import Machine
from tests.collector.standin_pynvml import Card, StandIn


class Swinging(StandIn):
    """Power between 50 and 250 W, in opposite directions."""

    def nvmlDeviceGetPowerUsage(self, card: Card) -> int:
        turn = math.sin(time.monotonic() * 1.7) * (1 if card is self.cards[0] else -1)
        return round(150_000 + 100_000 * turn)


if __name__ == "__main__":
    sys.modules["pynvml"] = Swinging(Card(), Card("Stand-in B"))
    dev = Path(sys.argv[sys.argv.index("--home") + 1]) / "dev"
    dev.mkdir(exist_ok=True)
    (dev / "nvidiactl").touch()
    wiring.Machine = partial(Machine, dev=dev)  # type: ignore[misc, assignment]
    sys.exit(run("collector", wiring.collector, ring_bytes=wiring.RING_BYTES))
