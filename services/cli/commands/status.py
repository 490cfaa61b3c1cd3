"""Which services run and how they are. Exit code 0: all are ready; 1: one is not; 3: nothing runs."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass

from bus.crash import end_of
from bus.home import Home
from services.cli.errors import FAILED, NOT_RUNNING, OK
from services.cli.supervisor import Program, Supervisor
from services.cli.text import printable, span, table

_HEALTH_WITHIN_S = 2.0
# Services speak once a second: one that has just started may not have been heard yet.
_HEARD_WITHIN_S = 1.5
_ASK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Standing:
    """One service: what supervisord says of its process, and what it says of itself (None: nothing)."""

    name: str
    process: str
    pid: int | None
    up_s: int | None
    health: str | None
    reason: str

    @property
    def well(self) -> bool:
        return self.process == "running" and self.health in ("ready", None)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wfmon status`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, home: Home) -> int:
    """Print the table or the object, and judge."""
    supervisor = Supervisor(home)
    pid = supervisor.pid()
    if pid is None:
        if args.json:
            print(json.dumps({"running": False, "home": str(home.root), "services": []}))
            return NOT_RUNNING
        raise supervisor.not_running()
    programs = supervisor.programs()
    healths, trouble = hear_all(home, programs)
    services = [standing(program, healths, time.time()) for program in programs]
    if args.json:
        print(json.dumps(as_object(home, pid, services, trouble)))
    else:
        print_table(home, pid, services, trouble)
    return OK if all(service.well for service in services) and not trouble else FAILED


def hear_all(home: Home, programs: list[Program]) -> tuple[dict[str, tuple[str, str]], str]:
    """Return what `ask_healths` does, once all that run were heard or had the time for it."""
    running = {program.name for program in programs if program.state == "RUNNING"}
    until_s = time.monotonic() + _HEARD_WITHIN_S
    while True:
        healths, trouble = ask_healths(home)
        if trouble or running <= healths.keys() or time.monotonic() >= until_s:
            return healths, trouble
        time.sleep(_ASK_AGAIN_S)


def ask_healths(home: Home) -> tuple[dict[str, tuple[str, str]], str]:
    """Return (service → its state and reason, why they could not be asked for)."""
    import grpc
    from wfmonitor.v1.health_pb2 import ServiceState
    from wfmonitor.v1.metrics_service_pb2 import ListHealthRequest
    from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

    from services.cli.connection import explained, open_door
    from services.cli.errors import CliError

    try:
        with open_door(home) as channel:
            answer = MetricsServiceStub(channel).ListHealth(ListHealthRequest(), timeout=_HEALTH_WITHIN_S)
    except grpc.RpcError as error:
        return {}, str(explained(error, home))
    except CliError as error:
        return {}, str(error)
    names = {health.service: ServiceState.Name(health.state) for health in answer.services}
    return {
        health.service: (names[health.service].removeprefix("SERVICE_STATE_").lower(), printable(health.reason))
        for health in answer.services
    }, ""


def standing(program: Program, healths: dict[str, tuple[str, str]], now_s: float) -> Standing:
    """Put together what supervisord and the service itself say."""
    runs = program.state == "RUNNING"
    health, reason = healths.get(program.name, (None, ""))
    if not runs and program.exit_code:
        reason = reason or end_of(program.exit_code)
    up_s = max(0, round(now_s - program.since_s)) if runs else None
    return Standing(program.name, program.state.lower(), program.pid or None, up_s, health if runs else "down", reason)


def as_object(home: Home, pid: int, services: list[Standing], trouble: str) -> dict[str, object]:
    """Return what --json prints."""
    return {
        "running": True,
        "home": str(home.root),
        "page": f"http://127.0.0.1:{home.ports.page}/",
        "grpc": f"127.0.0.1:{home.ports.grpc}",
        "supervisord_pid": pid,
        "services": [asdict(service) for service in services],
        "trouble": trouble or None,
    }


def print_table(home: Home, pid: int, services: list[Standing], trouble: str) -> None:
    """Print it for people."""
    rows = [["SERVICE", "PROCESS", "PID", "UP", "HEALTH", ""]]
    rows += [
        [
            service.name,
            service.process,
            str(service.pid or ""),
            span(service.up_s) if service.up_s is not None else "",
            service.health or "not heard",
            service.reason,
        ]
        for service in services
    ]
    print(table(rows))
    print(f"\nPage http://127.0.0.1:{home.ports.page}/   gRPC 127.0.0.1:{home.ports.grpc}")
    print(f"Home {home.root}   supervisord pid {pid}")
    if trouble:
        print(f"\n{trouble}")
