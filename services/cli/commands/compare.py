"""Models side by side: synthetic prompts of stated lengths through the tap, fixed and bounded; results are kept.

wfmon compare llama3:8b qwen3:8b              time to first token, pace, throughput, joules a token, video memory
wfmon compare llama3:8b --prompt-tokens 128,1024 --output-tokens 64 --concurrency 1,4 --rounds 5
wfmon compare --history                       what was measured before; --json for programs
wfmon compare --drift                         models against what they were: scores of tasks, else confidence
wfmon compare --relearn llama3:8b             its baselines begin anew, after a change of yours; --restore takes it back

Values are the median and, in brackets, the range from p25 to p75. Ctrl-C ends the run and the request with it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bus.home import Home
from bus.model_names import same_model
from services.cli.errors import FAILED, INTERRUPTED, OK, USAGE, CliError
from services.cli.options import add_key, key_of
from services.cli.text import ABSENT, clock, printable, scaled, table

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from wfmonitor.v1.compare_service_pb2 import CompareCell, ComparePlan, CompareRun, Spread
    from wfmonitor.v1.compare_service_pb2_grpc import CompareServiceStub

_TIMEOUT_S = 20.0
_HEAD = ["MODEL", "PROMPT", "AT A TIME", "TTFT ms", "TPOT ms", "TOKENS/s", "JOULES/TOKEN", "VRAM", "n", ""]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wfmon compare`."""
    parser.add_argument("models", nargs="*", metavar="MODEL", help="as wfmon tap routes lists them")
    parser.add_argument("--prompt-tokens", type=counts, default=[], metavar="N,N", help="default 128,1024")
    parser.add_argument("--output-tokens", type=int, default=0, metavar="N", help="default 64")
    parser.add_argument("--concurrency", type=counts, default=[], metavar="N,N", help="requests at a time, default 1,4")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="default 5")
    parser.add_argument("--anyway", action="store_true", help="also while requests of your programs run")
    parser.add_argument("--load", action="store_true", help="agree to load models that are not in memory")
    add_key(parser)
    parser.add_argument("--history", action="store_true", help="what was measured before, of these models or of all")
    drift = parser.add_mutually_exclusive_group()
    drift.add_argument("--drift", action="store_true", help="how far models have moved from their own baselines")
    drift.add_argument("--relearn", action="store_true", help="begin the baselines of these models anew; audited")
    drift.add_argument(
        "--restore",
        action="store_true",
        help="the baselines from before --relearn, the first one if there were several",
    )
    parser.add_argument("--type", default="", metavar="T", help="of drift: score, structured or probe alone")
    parser.add_argument("--json", action="store_true", help="one JSON object a comparison; not measured is null")


def counts(text: str) -> list[int]:
    """Return the numbers of "128,1024"."""
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} are no whole numbers; write them as 128,1024") from None


def run(args: argparse.Namespace, home: Home) -> int:
    """Ask the tap, which measures, and print."""
    from wfmonitor.v1 import compare_service_pb2 as pb
    from wfmonitor.v1.compare_service_pb2_grpc import CompareServiceStub

    from services.cli.connection import door

    if args.drift or args.relearn or args.restore:
        from services.cli.commands import compare_drift

        with door(home) as channel:
            return compare_drift.run(channel, args)
    if not args.models and not args.history:
        raise CliError("name the models to compare, as wfmon tap routes lists them; or --history", USAGE)
    if min(args.output_tokens, args.rounds, *args.prompt_tokens, *args.concurrency) < 0:
        raise CliError("numbers below zero measure nothing", USAGE)
    with door(home) as channel:
        stub = CompareServiceStub(channel)
        if args.history:
            return history(stub, args.models, as_json=args.json)
        plan = pb.ComparePlan(
            models=args.models,
            prompt_tokens=args.prompt_tokens,
            output_tokens=args.output_tokens,
            concurrency=args.concurrency,
            rounds=args.rounds,
            anyway=args.anyway,
            load=args.load,
            api_key=key_of(args),
        )
        return compare(stub, plan, as_json=args.json)


def compare(stub: CompareServiceStub, plan: ComparePlan, *, as_json: bool) -> int:
    """Begin, show what is done, print the table; an interrupt ends the run."""
    from wfmonitor.v1 import compare_service_pb2 as pb

    from bus.plain import measured

    begun = begin(stub, plan)
    last = begun
    try:
        for last in stub.WatchCompare(pb.WatchCompareRequest(id=begun.id)):
            progress(last)
    except KeyboardInterrupt:
        last = stub.CancelCompare(pb.CancelCompareRequest(id=begun.id), timeout=_TIMEOUT_S)
        progress(last)
    if as_json:
        print(json.dumps(measured(last), ensure_ascii=False))
    else:
        print(in_full(last))
    if last.state == "cancelled":
        return INTERRUPTED
    return OK if last.state == "done" and not any(cell.error for cell in last.cells) else FAILED


def begin(stub: CompareServiceStub, plan: ComparePlan) -> CompareRun:
    """Start; where models would have to be loaded, say so and ask a person."""
    import grpc

    try:
        return stub.StartCompare(plan, timeout=_TIMEOUT_S)
    except grpc.RpcError as error:
        told = error.details() if isinstance(error, grpc.Call) else ""
        if plan.load or "--load" not in (told or "") or not sys.stdin.isatty():
            raise
        print(told, file=sys.stderr)
        if input("Load, and compare? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CliError("nothing was loaded or measured") from None
    plan.load = True
    return stub.StartCompare(plan, timeout=_TIMEOUT_S)


def progress(run_: CompareRun) -> None:
    """Show on the terminal what is being done; nothing where the output is no terminal."""
    if sys.stderr.isatty():
        text = f"{run_.requests_done}/{run_.requests}  {printable(run_.now)}"[:110] if run_.now else ""
        print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)


def history(stub: CompareServiceStub, models: Sequence[str], *, as_json: bool) -> int:
    """Print what was kept, a row a cell, the newest run first."""
    from wfmonitor.v1 import compare_service_pb2 as pb

    from bus.plain import measured

    asked = [pb.ListComparesRequest(limit=200, model=model) for model in models or [""]]
    found = {run_.id: run_ for one in asked for run_ in stub.ListCompares(one, timeout=_TIMEOUT_S).runs}
    runs = sorted(found.values(), key=lambda run_: run_.start_us, reverse=True)
    if as_json:
        for run_ in runs:
            print(json.dumps(measured(run_), ensure_ascii=False))
        return OK
    if not runs:
        what = " or ".join(map(printable, models))
        print(f"Nothing was compared yet{what and ' of ' + what}: wfmon compare {what or 'MODEL …'}")
        return OK
    rows = [["WHEN", *_HEAD]]
    for run_ in runs:
        when = clock(run_.start_us, date=True)[:16]
        rows += [[when, *line(cell)] for cell in run_.cells if not models or is_of(run_, cell, models)]
    print(table(rows))
    return OK


def is_of(run_: CompareRun, cell: CompareCell, models: Sequence[str]) -> bool:
    """Whether a cell is of one of these models, by the name that was asked for or by what its runtime calls it."""
    # Cells of earlier versions do not say what was asked for; where it was one model, the plan does.
    asked = cell.asked or (run_.plan.models[0] if len(run_.plan.models) == 1 else "")
    return any(same_model(name, model) for name in (cell.model, asked) for model in models)


def in_full(run_: CompareRun) -> str:
    """Return the table of one run, and how it was measured."""
    plan = run_.plan
    rows = table([_HEAD, *(line(cell) for cell in run_.cells)]) if run_.cells else "Nothing was measured."
    how = (
        f"{plan.rounds} rounds, {plan.output_tokens} tokens of output asked for; median [p25 to p75]. TTFT: sent to "
        "the first token. TPOT: (last - first token) / (tokens - 1). TOKENS/s: all streams of a round together."
    )
    ended = {"cancelled": "\nIt was ended before its end.", "failed": f"\nIt failed: {run_.reason}."}.get(
        run_.state, ""
    )
    if run_.reason and run_.state != "failed":
        ended += f"\nNote: {run_.reason}."
    return f"{rows}\n\n{how}{ended}"


def line(cell: CompareCell) -> list[str]:
    """Return one cell as a row; an en dash stands for what was not measured."""
    notes = [f"{cell.failed} failed: {printable(cell.error)}"] if cell.failed else []
    notes += [f"{cell.disturbed} beside other requests"] if cell.disturbed else []
    return [
        printable(cell.model),
        f"{cell.prompt_tokens}" + _counted(cell),
        str(cell.concurrency or ABSENT),
        _spread(cell, "ttft_ms", 1),
        _spread(cell, "tpot_ms", 2),
        _spread(cell, "throughput_tps", 1),
        _joules(cell),
        _vram(cell),
        str(cell.ttft_ms.n) if cell.HasField("ttft_ms") else "0",
        "; ".join(notes),
    ]


def _counted(cell: CompareCell) -> str:
    if not cell.HasField("counted_prompt_tokens"):
        return ""
    return f" ({cell.counted_prompt_tokens.median:.0f})"


def _joules(cell: CompareCell) -> str:
    if not cell.HasField("joules_per_token"):
        return ABSENT
    # Runs of earlier versions kept no spread.
    spread = f"{cell.joules_per_token:.2f}"
    if cell.HasField("joules_per_token_spread"):
        spread = _spread(cell, "joules_per_token_spread", 2)
    return f"{spread} ({cell.joules_attribution})"


def _vram(cell: CompareCell) -> str:
    if not cell.HasField("vram_bytes"):
        return ABSENT
    if not cell.HasField("vram_bytes_spread"):
        return scaled(cell.vram_bytes)
    found = cell.vram_bytes_spread
    return f"{scaled(found.median)} [{scaled(found.p25)} to {scaled(found.p75)}]"


def _spread(cell: Message, name: str, digits: int) -> str:
    if not cell.HasField(name):
        return ABSENT
    found: Spread = getattr(cell, name)
    return f"{found.median:.{digits}f} [{found.p25:.{digits}f} to {found.p75:.{digits}f}]"
