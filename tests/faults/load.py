"""Load while faults happen: events through the HTTP door, changes of settings, listeners, and a busy core."""

import contextlib
import http.client
import json
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Self

import grpc
import psutil
from wfmonitor.v1.settings_service_pb2 import ChangeRequest, ListAuditRequest, ListChangesRequest, VerifyAuditRequest
from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

from bus import topics
from tests.stack import Ear, Stack

SOURCE = "model:load"
_POSTS_A_SECOND = 20
_CHANGES_A_SECOND = 4
_KEY = "collector.budget_percent"


class Load:
    """`with Load(stack) as load:` until it is left. What was accepted stands in `accepted` and `changes`."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._stop = threading.Event()
        self.accepted: set[float] = set()
        """Values that the gateway said it took."""
        self.sent = 0
        self.changes: list[str] = []
        """Ids of changes that governance said it made."""
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._post, self._change)]

    def __enter__(self) -> Self:
        # A page's live stream and two standing queries: the aggregator has to work for somebody.
        windows = (topics.window("10s", "system.cpu.percent", "avg"), topics.window("1s", "system.mem.percent", "p95"))
        self._ear = Ear(self._stack.home, (topics.LIVE, *windows))
        self._busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        self._busy_process = psutil.Process(self._busy.pid)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._busy.kill()
        self._busy.wait()
        self._ear.close()

    @property
    def share(self) -> float:
        """What a bare busy process got of a core meanwhile: 1 on a machine with a core to spare."""
        used = self._busy_process.cpu_times()
        return min(1.0, (used.user + used.system) / (time.time() - self._busy_process.create_time()))

    @property
    def frames(self) -> int:
        """Live frames heard."""
        return sum(topic == topics.LIVE for topic, _ in self._ear.messages)

    def _post(self) -> None:
        number = 0
        while not self._stop.wait(1 / _POSTS_A_SECOND):
            number += 1
            event = {
                "ts": time.time() * 1000,
                "source": SOURCE,
                "kind": "performance",
                "fields": {"tps": number},
                "ver": "1.0",
            }
            self.sent += 1
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._send(json.dumps(event)) == 200:
                    self.accepted.add(float(number))

    def _send(self, body: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._stack.home.ports.page, timeout=2)
        try:
            headers = {"Authorization": f"Bearer {self._stack.token()}", "Content-Type": "application/json"}
            connection.request("POST", "/api/v1/ingest", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def _change(self) -> None:
        value = 0
        while not self._stop.wait(1 / _CHANGES_A_SECOND):
            value = (value + 1) % 7
            with (
                contextlib.suppress(grpc.RpcError),
                grpc.insecure_channel(f"unix:{self._stack.home.socket('governance')}") as channel,
            ):
                request = ChangeRequest(key=_KEY, value=json.dumps(2 + value), actor="person:test")
                answer = SettingsServiceStub(channel).Change(request, timeout=2)
                if answer.change.id:
                    self.changes.append(answer.change.id)

    def lost_changes(self) -> list[str]:
        """What is wrong with the accepted changes: each must be listed and audited once, in an intact chain."""
        with grpc.insecure_channel(f"unix:{self._stack.home.socket('governance')}") as channel:
            stub = SettingsServiceStub(channel)
            listed = [change.id for change in stub.ListChanges(ListChangesRequest(limit=1000)).changes]
            audited: list[str] = []
            after = 0
            while rows := stub.ListAudit(ListAuditRequest(after=after, limit=200)).rows:
                audited += [row.event.id for row in rows]
                after = rows[-1].number
            verdict = stub.VerifyAudit(VerifyAuditRequest())
        # ListChanges tells of the newest thousand.
        wrong = [f"{id_} listed {listed.count(id_)} times" for id_ in self.changes[-900:] if listed.count(id_) != 1]
        wrong += [f"{id_} audited {n} times" for id_ in self.changes if (n := _times(id_, audited)) != 1]
        if not verdict.intact:
            wrong.append(f"the audit chain is broken at {verdict.broken_at}: {verdict.reason}")
        return wrong


def _times(id_: str, audited: list[str]) -> int:
    return sum(one.removeprefix("change:") == id_ for one in audited)
