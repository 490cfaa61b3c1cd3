"""`wfmon compare --drift`, `--relearn` and `--restore`: a model against what it was."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from wfmonitor.v1 import drift_service_pb2 as pb
from wfmonitor.v1.drift_service_pb2_grpc import DriftServiceStub

from bus.plain import measured
from services.cli.errors import OK, USAGE, CliError
from services.cli.text import ABSENT, printable, table

_TIMEOUT_S = 20.0
_ACTOR = "person:cli"
_HEAD = ["MODEL", "OF", "TYPE", "BASELINE", "± s.d.", "MOVED", ""]


def run(channel: Any, args: argparse.Namespace) -> int:
    """List baselines, or begin or restore those of the named models."""
    stub = DriftServiceStub(channel)
    if args.drift:
        answers = [
            stub.ListBaselines(pb.ListBaselinesRequest(model=model), timeout=_TIMEOUT_S)
            for model in args.models or [""]
        ]
    elif not args.models:
        raise CliError("name the models, as wfmon compare --drift lists them", USAGE)
    else:
        change, request = (stub.Relearn, pb.RelearnRequest) if args.relearn else (stub.Restore, pb.RestoreRequest)
        answers = [
            change(request(model=model, type=args.type, actor=_ACTOR), timeout=_TIMEOUT_S) for model in args.models
        ]
    show([one for answer in answers for one in answer.baselines if args.type in ("", one.type)], as_json=args.json)
    if args.relearn and not args.json:
        print(f"\nLearned anew. Back: wfmon compare --restore {' '.join(map(printable, args.models))}")
    return OK


def show(baselines: list[pb.Baseline], *, as_json: bool) -> None:
    """Print them."""
    if as_json:
        for one in baselines:
            print(json.dumps(measured(one), ensure_ascii=False))
    elif baselines:
        print(table([_HEAD, *lines(baselines)]))
    else:
        print("No baseline yet: nobody has scored an answer, nor measured its entropy. See docs/accuracy.md")


def lines(baselines: Iterable[pb.Baseline]) -> list[list[str]]:
    """Return each as cells of a table; how far it has moved is in alarm limits."""
    return [
        [
            printable(one.model),
            "accuracy" if one.metric == "model.accuracy_drift" else "confidence",
            printable(one.type),
            mean(one),
            f"{one.deviation:.3f}" if one.HasField("level") else ABSENT,
            f"{one.level:+.2f}" if one.HasField("level") else ABSENT,
            state(one),
        ]
        for one in baselines
    ]


def mean(one: pb.Baseline) -> str:
    """Return what is usual: the mean score, or, of confidence, which is its negative, the mean entropy in bits."""
    if not one.count:
        return ABSENT
    return f"{one.mean:.3f}" if one.metric == "model.accuracy_drift" else f"{-one.mean:.3f} bits"


def state(one: pb.Baseline) -> str:
    """Return how it stands, in words."""
    learning = f"learns, {one.count} of {one.wanted}" if one.count < one.wanted else ""
    drifts = f"drifts {'down' if one.level < 0 else 'up'}" if one.drifts else ""
    return ", ".join(filter(None, (learning, drifts, "can be restored" if one.before else "")))
