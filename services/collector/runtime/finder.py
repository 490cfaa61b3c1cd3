"""Finds runtimes: at their usual ports and among the processes. Nobody is disturbed who is none.

A port where something else listens was asked a few harmless questions once; it is asked again after 30 s, 1 min …
10 min, for a runtime may have taken its place.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from bus.retries import Retries
from services.collector.runtime.asked import Asked
from services.collector.runtime.candidates import Candidate, First, ask_first
from services.collector.runtime.door import Closed, Door, Faulty, Knock, Slow, knock
from services.collector.runtime.watch import Runtime, Watch

LOOK_EVERY_S = 10.0


class Kind(Protocol):
    """A class of `samplers/runtime/`."""

    name: str

    def __call__(self, candidate: Candidate) -> Runtime: ...

    def recognises(self, first: First) -> bool:
        """By the answer to /v1/models, which all of them give."""


class Finder:
    """Keeps a watch a runtime."""

    def __init__(
        self,
        kinds: Sequence[tuple[Kind, tuple[int, ...]]],
        candidates: Callable[[float], Iterable[Candidate]],
        ports: Callable[[], Iterable[int]],
        event: Callable[..., None],
        every_s: Callable[[], float],
        asked: Asked | None = None,
    ) -> None:
        """`kinds` with their usual ports; `candidates` by process; `ports` that a person named besides."""
        self._kinds = kinds
        self._candidates, self._ports = candidates, ports
        self._event, self._every_s, self._asked = event, every_s, asked
        self.watches: tuple[Watch, ...] = ()
        self.fault = ""
        """Why the last look failed."""
        self._retries = Retries()
        self._since_s = math.inf
        """When the looking began."""
        self._closed: set[int] = set()
        """Ports at which nothing listened at an earlier look."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="runtime-finder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the looking, and all watches; they finish the request in hand by themselves."""
        self._stop.set()
        for watch in self.watches:
            watch.stop()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look(time.monotonic())
                self.fault = ""
            except Exception as error:  # no descriptors left, say: the next look is soon
                self.fault = f"looking failed: {type(error).__name__}"
            self._stop.wait(LOOK_EVERY_S)

    def look(self, now_s: float) -> None:
        """One look for what came and went."""
        self._since_s = min(self._since_s, now_s)
        self._closed |= {watch.candidate.port for watch in self.watches if watch.gone}
        self.watches = tuple(watch for watch in self.watches if not watch.gone)
        watched = {watch.candidate.port for watch in self.watches}
        found = {candidate.port: candidate for candidate in self._candidates(now_s)}
        usual = {port for _, ports in self._kinds for port in ports}
        for port in sorted((usual | set(self._ports()) | found.keys()) - watched):
            if not self._retries.due(port, now_s) or self._stop.is_set():
                continue
            candidate = found.get(port) or Candidate(port)
            said = knock(candidate.port, candidate.host)
            if said is not Knock.OPEN:
                self._retries.forget(port)
                if said is Knock.CLOSED:
                    self._closed.add(port)
                continue
            kind = identify(candidate, self._kinds)
            if kind is None:
                self._retries.failed(port, now_s)
                continue
            self._retries.forget(port)
            watch = self._watch(candidate, kind)
            self._closed.discard(port)
            self.watches = (*self.watches, watch)
            watch.start()

    def _watch(self, candidate: Candidate, kind: Kind) -> Watch:
        """A watch that knows whether what is there was loaded since the looking began."""
        began_s = candidate.began_s
        new = began_s is not None and began_s > self._since_s
        if getattr(kind, "loads_without_port", False):
            began_s = None
        else:
            new = new or candidate.port in self._closed
        runtime = kind(candidate)
        return Watch(candidate, runtime, self._event, self._every_s, new=new, began_s=began_s, asked=self._asked)


def identify(candidate: Candidate, kinds: Sequence[tuple[Kind, tuple[int, ...]]]) -> Kind | None:
    """Which runtime listens there; None where it is none, or does not tell."""
    door = Door(candidate.port, candidate.host)
    try:
        first = ask_first(door)
        for kind, _ in kinds:
            if kind.recognises(first):
                return kind
        for kind, ports in kinds:
            proof = getattr(kind, "proof", "")
            if proof and (candidate.hint == kind.name or candidate.port in ports) and _proves(door, kind, proof):
                return kind
    except (Closed, Slow, Faulty):
        return None
    if first.answer.status in (401, 403):  # it keeps to itself, but its process has a name
        return next((kind for kind, _ in kinds if kind.name == candidate.hint), None)
    return None


def _proves(door: Door, kind: Kind, proof: str) -> bool:
    answer = door.get(proof)
    try:
        return answer.good and bool(kind.proves(answer.body))  # type: ignore[attr-defined]
    except (ValueError, RecursionError):  # not the JSON it would be
        return False
