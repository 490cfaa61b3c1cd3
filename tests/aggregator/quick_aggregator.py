"""The real aggregator that flushes more often: `python -m tests.aggregator.quick_aggregator --home DIR`."""

import sys

from bus.service import run
from services.aggregator import __main__ as wiring

FLUSH_S = 2.0

if __name__ == "__main__":
    wiring.FLUSH_S = FLUSH_S
    sys.exit(run(wiring.NAME, wiring.aggregator, listens=True))
