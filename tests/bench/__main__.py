"""`python -m tests.bench`: measures every figure side by side with its references, prints the table, writes JSON."""

from __future__ import annotations

import argparse
import signal
import sys
from difflib import get_close_matches
from pathlib import Path

from rich.console import Console

from tests.bench.figures import FIGURES
from tests.bench.harness import report
from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure
from tests.bench.harness.runner import run

ROUNDS = 5
RESULT = "bench-result.json"


def chosen(names: list[str]) -> list[Figure]:
    """The figures of `--only`; all without. Ends the program at an unknown name, naming the nearest."""
    known = {figure.name: figure for figure in FIGURES}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            sys.exit(f"no figure {name}; {hint}")
    return [figure for figure in FIGURES if not names or figure.name in names]


def main() -> int:
    """Exit code 1 where a figure does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this figure; may be repeated")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}; medians are shown")
    parser.add_argument("--quick", action="store_true", help="short spans: shows that it works, measures little")
    parser.add_argument("--output", type=Path, default=Path(RESULT), help=f"default {RESULT}")
    parser.add_argument("--markdown", action="store_true", help="print the table as it stands in docs/bench.md")
    arguments = parser.parse_args()
    console, progress = Console(), Console(stderr=True, highlight=False)
    figures = chosen(arguments.only)
    # As Ctrl-C does: whatever was started is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    outcomes = []
    with Bench(quick=arguments.quick) as bench:
        for outcome in run(figures, bench, arguments.rounds, lambda line: progress.print(line, markup=False)):
            outcomes.append(outcome)
            # After each figure: a run of half an hour that is broken off has still said something.
            report.write(arguments.output, outcomes, arguments.rounds, arguments.quick)
    if arguments.markdown:
        print(report.markdown(outcomes))
    else:
        report.show(outcomes, console)
    print(f"written to {arguments.output.resolve()}")
    return int(any(outcome.holds_by == "no" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
