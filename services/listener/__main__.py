"""supervisord's event listener: process states become health and events on the bus, and ended services start again.

It speaks supervisord's listener protocol on standard input and output, so nothing else may print there.
"""

import argparse
import os
import select
import signal
import sys
import xmlrpc.client

import zmq
from supervisor import childutils
from supervisor.states import ProcessStates

from bus.clock import monotonic_s, until_beat_s, wall_us
from bus.crash import EXIT_REFUSED, end_of, read_crash
from bus.home import Home, HomeError
from bus.locks import AlreadyRunning, hold_pid_file
from bus.logs import ServiceLogger, open_log
from bus.supervision import LISTENER, SERVICES
from bus.transport import Publisher
from services.listener.backoff import BackOff
from services.listener.voice import Voice

# supervisord's ticks come each 5 s. While all services live, the question whether one ended unheard is asked each
# minute only: it costs both processes 2 ms. (A number that another process took over is found then at the latest.)
_ASK_EVERY_TICKS = 12


class Listener:
    """Turns supervisord's events into restarts and words."""

    def __init__(self, home: Home, log: ServiceLogger, voice: Voice, rpc: xmlrpc.client.ServerProxy) -> None:
        self._home = home
        self._log = log
        self._voice = voice
        self._rpc = rpc
        self._backoff = BackOff()
        self._beat_due_s = 0.0
        self._pids: dict[str, int] = {}
        self._ticks = 0

    def on_event(self, name: str, payload: str) -> None:
        """One event of supervisord's: `PROCESS_STATE_EXITED` and its kin, or a tick."""
        if name.startswith("TICK"):
            self._ticks += 1
            if self._ticks % _ASK_EVERY_TICKS == 0 or not all(
                _lives(self._pids.get(service, 0)) for service in SERVICES
            ):
                self.catch_up()
            return
        fields = dict(pair.split(":", 1) for pair in payload.split())
        service = fields["processname"]
        if service not in SERVICES:
            return
        now_s = monotonic_s()
        if int(fields.get("pid", 0)):
            self._pids[service] = int(fields["pid"])
        if name in ("PROCESS_STATE_STARTING", "PROCESS_STATE_RUNNING"):
            self._backoff.started(service, now_s)
        elif name in ("PROCESS_STATE_STOPPING", "PROCESS_STATE_STOPPED"):
            self._backoff.stopped(service)
            if name == "PROCESS_STATE_STOPPED":
                self._voice.down(
                    service, int(fields.get("pid", 0)), "stopped by a person", self._backoff.restarts(service)
                )
                self._voice.event("stopped", service, f"{service} was stopped", now_s)
        elif name in ("PROCESS_STATE_EXITED", "PROCESS_STATE_FATAL", "PROCESS_STATE_BACKOFF"):
            self._ended(service, now_s)

    def _ended(self, service: str, now_s: float) -> None:
        if service in self._backoff.due_s:
            return  # found by catch_up before its event came
        pid = self._pids.get(service, 0)
        wait_s = self._backoff.ended(service, now_s)
        restarts = self._backoff.restarts(service)
        reason = read_crash(self._home, service, pid) or self._exit_status(service)
        self._log.warning("a service ended", service=service, pid=pid, reason=reason, seconds=round(wait_s, 1))
        self._voice.down(service, pid, f"{reason}; starts again in {wait_s:.1f} s", restarts)
        self._voice.event(
            "restart", service, f"{service} ended and is started again", now_s, reason=reason, pid=str(pid)
        )
        if self._backoff.asks_for_help(service):
            title = f"{service} keeps ending: {reason}"
            mend = f"see {self._home.log}/{service}.log"
            self._voice.event("restart_loop", service, title, now_s, reason=reason, mend=mend)

    def _exit_status(self, service: str) -> str:
        try:
            info = self._rpc.supervisor.getProcessInfo(service)
        except (OSError, xmlrpc.client.Error):
            return "ended without a word"
        return end_of(int(info["exitstatus"])) if isinstance(info, dict) else "ended without a word"

    def catch_up(self) -> None:
        """Finds services that ended while nobody listened."""
        try:
            processes = self._rpc.supervisor.getAllProcessInfo()
        except (OSError, xmlrpc.client.Error) as error:
            self._log.warning("supervisord does not answer", error=str(error))
            return
        ended = (ProcessStates.EXITED, ProcessStates.FATAL, ProcessStates.BACKOFF)
        for info in processes if isinstance(processes, list) else []:
            service = str(info["name"])
            if service in SERVICES and info["state"] in ended:
                self._ended(service, monotonic_s())
            elif info["pid"]:
                self._pids[service] = int(info["pid"])

    def turn(self) -> float:
        """Does what is due; returns the seconds until something is due again."""
        now_s = monotonic_s()
        for service in self._backoff.due(now_s):
            self._backoff.started(service, now_s)
            try:
                self._rpc.supervisor.startProcess(service, False)
            except xmlrpc.client.Fault as fault:
                if "ALREADY_STARTED" not in str(fault):
                    self._log.warning("a service could not be started", service=service, error=str(fault))
                    self._backoff.ended(service, now_s)
            except OSError as error:
                self._log.warning("supervisord does not answer", error=str(error))
                self._backoff.ended(service, now_s)
        if now_s >= self._beat_due_s:
            self._beat_due_s = now_s + until_beat_s(now_s)
            self._voice.beat(now_s, {name: self._backoff.restarts(name) for name in SERVICES})
        return self._backoff.wait_s(now_s, self._beat_due_s - now_s)


def _lives(pid: int) -> bool:
    """Whether a process that is ours has this number; 0 stands for none known."""
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def listen(listener: Listener) -> None:
    """Serves supervisord until it closes our standard input."""
    childutils.listener.ready()
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], listener.turn())
        if not readable:
            continue
        line = sys.stdin.readline()
        if not line:
            return
        headers = childutils.get_headers(line)
        payload = sys.stdin.read(int(headers["len"]))
        listener.on_event(headers["eventname"], payload)
        childutils.listener.ok()
        childutils.listener.ready()


def main() -> int:
    os.umask(0o077)
    parser = argparse.ArgumentParser(prog="python -m services.listener")
    parser.add_argument("--home", help="the folder of data, keys and logs")
    home = Home.resolve(parser.parse_args().home)
    log = open_log(LISTENER)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if "SUPERVISOR_SERVER_URL" not in os.environ:
        log.error("the listener is started by supervisord, not by hand; run: wfmon up")
        return EXIT_REFUSED
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        home.prepare()
        with hold_pid_file(home.pid_file(LISTENER), LISTENER):
            publisher = Publisher(home, context)
            rpc = childutils.getRPCInterface(os.environ)
            listener = Listener(home, log, Voice(publisher, wall_us()), rpc)
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            log.info("ready", pid=os.getpid())
            listener.catch_up()
            listen(listener)
    except (HomeError, AlreadyRunning) as refusal:
        log.error(str(refusal))
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
