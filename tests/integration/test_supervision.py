"""supervisord and the listener with the real stack: words of a person, health, back-off, signals."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import ServiceState
from wfmonitor.v1.metrics_service_pb2 import ListEventsRequest
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

from bus import topics
from bus.clock import wall_us
from bus.home import REPOSITORY
from bus.supervision import LISTENER
from tests.stack import Stack, runs, wait_until


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as running:
        yield running


def ctl(stack: Stack, *words: str) -> str:
    """supervisorctl as a person calls it; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(stack.home.root / "supervisor.conf"), *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def events(stack: Stack, kind: str, service: str) -> list[Event]:
    found = [Event.FromString(payload) for topic, payload in stack.ear.messages[:] if topic == topics.event(kind)]
    return [event for event in found if event.source == f"monitor:{service}"]


def test_status_names_every_program_running(stack: Stack) -> None:
    status = ctl(stack, "status")
    for program in (*stack.services, LISTENER):
        assert re.search(rf"^{program}\s+RUNNING", status, re.MULTILINE), status


def test_stop_start_and_restart_by_supervisorctl(stack: Stack) -> None:
    assert "collector: stopped" in ctl(stack, "stop", "collector")
    assert "STOPPED" in ctl(stack, "status", "collector")
    stack.ear.wait_for(lambda _: bool(events(stack, "stopped", "collector")), 30, "the event of the stop")
    began_us = wall_us()
    assert "collector: started" in ctl(stack, "start", "collector")
    stack.wait_ready("collector", after_us=began_us)
    pid, began_us = stack.pid("gateway"), wall_us()
    ctl(stack, "restart", "gateway")
    stack.wait_ready("gateway", after_us=began_us)
    assert stack.pid("gateway") != pid


def test_tail_shows_the_log(stack: Stack) -> None:
    assert "info aggregator: ready" in ctl(stack, "tail", "aggregator")


def beats_of_each(stack: Stack, count: int) -> None:
    """Waits for so many new heartbeats of every service."""
    before = {service: len(stack.healths(service)) for service in stack.services}

    def came(_: object) -> bool:
        return all(len(stack.healths(service)) >= already + count for service, already in before.items())

    stack.ear.wait_for(came, 30, f"{count} heartbeats of each service")


def test_every_service_beats_each_second_with_its_heads(stack: Stack) -> None:
    beats_of_each(stack, 3)
    for service in stack.services:
        health = stack.healths(service)[-1]
        assert health.pid == stack.pid(service)
        assert health.state == ServiceState.SERVICE_STATE_READY
    assert any(head.journal == "samples" and head.seq for head in stack.healths("collector")[-1].heads)
    assert any(head.journal == "events" for head in stack.healths("governance")[-1].heads)


def test_a_killed_service_is_said_down_started_again_and_marked_once(stack: Stack) -> None:
    known = {event.id for event in events(stack, "restart", "collector")}
    began_us = wall_us()
    pid = stack.kill("collector")
    stack.wait_ready("collector", after_us=began_us)
    down = [h for h in stack.healths("collector") if h.state == ServiceState.SERVICE_STATE_DOWN and h.pid == pid]
    assert down
    assert "killed by SIGKILL" in down[-1].reason

    def kept() -> list[Event]:
        with grpc.insecure_channel(f"unix:{stack.home.socket('aggregator')}") as channel:
            request = ListEventsRequest(start_us=began_us, kind="restart")
            answer = MetricsServiceStub(channel).ListEvents(request, timeout=30)
            return [event for event in answer.events if event.source == "monitor:collector"]

    wait_until(lambda: bool(kept()), 30, "the restart to be kept for the charts")
    # It is told each second for a while; it stands there once.
    (event,) = kept()
    assert event.id not in known
    assert event.attributes["pid"] == str(pid)


@pytest.mark.parametrize("service", ["governance", "collector", "aggregator", "gateway", "forwarder"])
def test_sigterm_drains_in_two_seconds_and_leaves_no_socket(stack: Stack, service: str) -> None:
    pid = stack.pid(service)
    began_s = time.monotonic()
    rpc = stack.supervisor.supervisor
    rpc.stopProcess(service)
    took_s = time.monotonic() - began_s
    info = rpc.getProcessInfo(service)
    assert isinstance(info, dict)
    assert info["exitstatus"] == 0, stack.log_tail(service)
    assert not stack.home.socket(service).exists()
    began_us = wall_us()
    rpc.startProcess(service, False)
    stack.wait_ready(service, after_us=began_us)
    # That it was in time is in its exit status: a service that has not drained after 2 s ends with another.
    print(f"{service} (pid {pid}) drained in {took_s:.2f} s")


def test_sighup_reloads_and_nothing_stops(stack: Stack) -> None:
    pids = {service: stack.kill(service, signal.SIGHUP) for service in stack.services}
    beats_of_each(stack, 2)
    for service, pid in pids.items():
        assert stack.pid(service) == pid
        # The end of an earlier life may be told late.
        assert max(stack.healths(service), key=lambda health: health.time_us).pid == pid
    # supervisord writes the log.
    wait_until(lambda: "reloading" in stack.log_tail("collector"), 15, "the collector to say that it reloads")


def test_the_listener_killed_is_back_and_restarts_what_died_meanwhile(stack: Stack) -> None:
    began_us = wall_us()
    stack.kill(LISTENER)
    stack.kill("collector")
    stack.wait_ready(LISTENER, "collector", after_us=began_us)


def test_a_service_that_cannot_start_is_tried_again_with_longer_waits_and_asks_for_help(stack: Stack) -> None:
    """The reason it kept is in the events; mended, it comes back by itself."""
    keys = stack.home.keys / "service.key"
    whole = keys.read_bytes()
    began_us = wall_us()
    keys.write_bytes(b"broken")
    try:
        stack.kill("collector")
        stack.ear.wait_for(
            lambda _: bool(events(stack, "restart_loop", "collector")), 60, "the event that asks for a person"
        )
    finally:
        keys.write_bytes(whole)
    (loop, *_) = events(stack, "restart_loop", "collector")
    assert "service.key is damaged" in loop.attributes["reason"]
    assert "remove the file" in loop.attributes["reason"]
    assert "collector.log" in loop.attributes["mend"]
    stack.wait_ready("collector", after_us=began_us, timeout_s=60)


def test_what_supervisord_leaves_behind_ends_by_itself(stack: Stack) -> None:
    """kill -9 of supervisord alone: its services end, so that the next one does not meet locks held."""
    pids = [stack.pid(service) for service in (*stack.services, LISTENER)]
    os.kill(stack.supervisor_pid, signal.SIGKILL)

    wait_until(lambda: not any(map(runs, pids)), 30, "the services to end after their supervisor")
    began_us = wall_us()
    stack.launch()
    stack.wait_ready(*stack.services, LISTENER, after_us=began_us)


def test_the_services_share_their_libraries_and_ps_tells_which_is_which(stack: Stack) -> None:
    for service in (*stack.services, LISTENER):
        told = psutil.Process(stack.pid(service)).cmdline()
        assert told[:5] == [sys.executable, "-m", f"services.{service}", "--home", str(stack.home.root)]
    if sys.platform == "linux":  # an exec would have given it an environment that names the program
        environment = (Path("/proc") / str(stack.pid("gateway")) / "environ").read_bytes()
        assert b"SUPERVISOR_PROCESS_NAME" not in environment


def test_a_plain_supervisord_runs_the_same_configuration() -> None:
    with Stack(services=("gateway",), supervisord="supervisor.supervisord") as plain:  # all run, one is waited for
        assert "RUNNING" in ctl(plain, "status", "gateway")
