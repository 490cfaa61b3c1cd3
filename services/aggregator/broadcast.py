"""The aggregator's voice: live frames and standing windows, each only while somebody listens (DESIGN §2)."""

import asyncio
from collections.abc import Callable

from google.protobuf.message import Message
from wfmonitor.v1.window_pb2 import WindowValue

from bus import topics
from bus.clock import boot_us, monotonic_s, wall_us
from bus.logs import ServiceLogger
from services.aggregator.live import LiveComposer
from services.aggregator.pace import FramePace
from services.aggregator.standing import GRID_US, WAIT_US, Query, StandingQueries

KEY_EVERY_S = 1.0

Publish = Callable[[str, Message], None]
Hear = Callable[[WindowValue], None]
Changed = Callable[[], None]  # somebody begins or ends to listen
Behind = Callable[[], bool]  # takes in what has come; whether more is known to be on its way
# Windows wait so long for rows that are known to be on their way: a pause of ours, a gap that is being pulled.
# Told without them they would be wrong, and nobody would tell them again.
HOLD_S = 2.0
# Whoever listens is looked after each GRID_US + WAIT_US at least: so much later, we were stopped or had no turn.
PAUSE_S = 2 * (GRID_US + WAIT_US) / 1e6
AGAIN_S = 0.02


class LiveVoice:
    """A frame as soon as there is news and its pace allows, while somebody subscribes to `1/live/`."""

    def __init__(self, composer: LiveComposer, publish: Publish, changed: Changed) -> None:
        self._composer = composer
        self._publish = publish
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._pace = FramePace()
        self._due_s = self._key_s = float("-inf")
        self.listening = False

    def subscribed(self, begins: bool) -> None:
        """The first listener came, or the last one left. The first frame is a key frame."""
        self.listening = begins
        self._changed()
        self._key_s = float("-inf")
        if begins:
            self.news()
        else:
            self._composer.forget_news()
            self._cancel()

    def news(self, *, tokens: bool = False, whole: bool = False) -> None:
        """Something came in: sees to it that a frame leaves; for tokens sooner than one for rows may be due.

        `whole`: nothing else of the same tick is to come.
        """
        if not self.listening:
            return
        now_s = monotonic_s()
        due_s = self._pace.due_s(now_s, tokens=tokens, whole=whole)
        if self._timer is not None:
            if self._due_s <= due_s:
                return
            self._timer.cancel()
        self._due_s = due_s
        self._timer = self._loop.call_later(due_s - now_s, self._send)

    def taken_in(self) -> None:
        """All that has come is taken in: a frame that is due leaves now, without another turn of the loop."""
        if self._timer is not None and self._due_s <= monotonic_s():
            self._timer.cancel()
            self._send()

    def _send(self) -> None:
        self._timer = None
        now_s = monotonic_s()
        key = now_s - self._key_s >= KEY_EVERY_S
        frame = self._composer.frame(wall_us(), key=key)
        if frame is None:
            return
        self._pace.left(now_s, tokens=bool(frame.tokens))
        if key:
            self._key_s = now_s
        self._publish(topics.LIVE, frame)
        if self._composer.has_news:
            self.news()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class WindowVoice:
    """Evaluates standing queries as their producers pass the grid, for the bus and for Watch."""

    def __init__(
        self, standing: StandingQueries, publish: Publish, changed: Changed, behind: Behind, log: ServiceLogger
    ) -> None:
        self._standing = standing
        self._behind = behind
        self._held_since_s: float | None = None
        self._looked_s = self._resumed_s = float("-inf")
        self._publish = publish
        self._changed = changed
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._soon = False
        self._topics: dict[Query, str] = {}  # asked for on the bus
        self._hearers: dict[Query, list[Hear]] = {}  # asked for by Watch
        self._watch_missed = 0

    def subscribed(self, topic: str, begins: bool) -> None:
        """A subscription on the bus began or ended; one that means no query is logged and left alone."""
        try:
            query = Query(**topics.parse_window(topic)._asdict())
            if begins and query not in self._topics:
                self._standing.begin(query, wall_us())
                self._topics[query] = topic
                self._begun()
            elif not begins and self._topics.pop(query, "") == topic:
                self._standing.end(query)
            self._changed()
        except ValueError as fault:
            if begins:
                self._log.warning("a standing query was refused", topic=topic, reason=str(fault))

    @property
    def listening(self) -> bool:
        """Whether anybody listens to any window."""
        return len(self._standing) > 0

    def listen(self, query: Query, hear: Hear) -> None:
        """Calls `hear` with each value (valid during the call). Raises ValueError as StandingQueries.begin."""
        self._standing.begin(query, wall_us())
        self._hearers.setdefault(query, []).append(hear)
        self._begun()
        self._changed()

    def unlisten(self, query: Query, hear: Hear) -> None:
        self._hearers[query].remove(hear)
        if not self._hearers[query]:
            del self._hearers[query]
        self._standing.end(query)
        self._changed()

    def missed(self, so_far: int) -> None:
        """A Watch left a value out, the `so_far`-th of its own, for its reader did not take it in time."""
        self._watch_missed += 1
        if so_far & (so_far - 1) == 0:
            self._log.warning("a watcher reads slower than values come; the oldest are left out", count=so_far)

    @property
    def counters(self) -> dict[str, float]:
        """What Health says of the windows."""
        return {"standing_queries": len(self._standing), "watch_missed_total": self._watch_missed}

    def news(self) -> None:
        """Rows came in: what they complete is evaluated once their neighbours are in as well."""
        if len(self._standing) and not self._soon:
            self._soon = True
            self._loop.call_soon(self._evaluate)

    def _begun(self) -> None:
        """Somebody begins to listen; until the first one did, nobody had to look."""
        if len(self._standing) == 1:
            self._looked_s = monotonic_s()
        self._wake()

    def _evaluate(self) -> None:
        self._soon = False
        # Before we look: where we are stopped after that, nothing of the pause is told.
        now_us = wall_us()
        offset_us = now_us - boot_us()
        if self._hold():
            self._timer = self._loop.call_later(AGAIN_S, self._evaluate)
            return
        if self._standing.due(now_us, offset_us, self._send):
            self.news()
        self._wake()

    def _hold(self) -> bool:
        """Whether to wait for rows on their way; the first time that, and no longer than HOLD_S.

        After a pause of ours not even a message may have reached us that would tell of them: rows have WAIT_US from
        then, as they have from each grid point.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_s = monotonic_s()
        if now_s - self._looked_s > PAUSE_S:
            self._resumed_s = now_s
        self._looked_s = now_s
        if not self._behind() and now_s - self._resumed_s >= WAIT_US / 1e6:
            self._held_since_s = None
            return False
        if self._held_since_s is None:
            self._held_since_s = now_s
        return now_s - self._held_since_s < HOLD_S

    def _wake(self) -> None:
        """Sets the alarm for the grid point that nobody may pass in time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        next_us = self._standing.wake_us()
        if next_us is not None:
            wait_s = max(0.0, (next_us + WAIT_US - wall_us()) / 1e6)
            self._timer = self._loop.call_later(min(wait_s, (GRID_US + WAIT_US) / 1e6), self._evaluate)

    def _send(self, query: Query, value: WindowValue) -> None:
        topic = self._topics.get(query)
        if topic is not None:
            self._publish(topic, value)
        for hear in self._hearers.get(query, ()):
            hear(value)
