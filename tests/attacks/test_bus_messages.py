"""What is not a sound message hurts nobody on the bus (SECURITY S14, S19).

The sender holds the services' key: it is one of ours gone wrong, since a stranger is not heard at all.
"""

import re
import time
from collections.abc import Iterator

import psutil
import pytest
import zmq
from google.protobuf.message import DecodeError
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health
from wfmonitor.v1.sample_pb2 import Label, RateGroup, SampleBatch, SeriesKey

from bus import topics
from bus.clock import boot_us, wall_us
from bus.transport import MAX_MESSAGE_BYTES, connected, endpoints
from tests.attacks.mutants import DEEP, HOSTILE_NAME, Message, Mutator, nested
from tests.faults.ledger import Ledger
from tests.stack import Ear, Stack, wait_until

SEED = 20260114
GROWTH_BYTES = 20 << 20
PROBE = "1/event/probe/"
# So many, then a breath: the services shall read them, not the high-water mark drop them.
_AT_ONCE = 250
_PER_S = 4000
_IN_STEP = 5000
# What CURVE adds to a frame on the wire, rounded up.
_BOX_BYTES = 64


class Rogue:
    """Says anything on the bus, with the services' key."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = connected(self._context, zmq.PUB, stack.home, endpoints(stack.home)[0])
        self._ear = Ear(stack.home, (PROBE,))
        self._probes = 0
        self.arrived()

    def say(self, *frames: bytes) -> None:
        self._socket.send_multipart(frames)

    def arrived(self, timeout_s: float = 20.0) -> None:
        """Returns when the forwarder has handed on all that was said before."""
        self._probes += 1
        wanted = str(self._probes).encode()

        def heard() -> bool:
            self.say(PROBE.encode(), wanted)
            with self._ear.changed:
                return any(payload == wanted for _, payload in self._ear.messages)

        wait_until(heard, timeout_s, "a probe to pass the forwarder")

    def close(self) -> None:
        self._ear.close()
        self._socket.close()
        self._context.term()


@pytest.fixture
def rogue(stack: Stack) -> Iterator[Rogue]:
    made = Rogue(stack)
    yield made
    made.close()


class Witness:
    """The services as they were before: their pids and memory."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.pids = {service: stack.pid(service) for service in stack.services}
        self.memory = {service: psutil.Process(pid).memory_info().rss for service, pid in self.pids.items()}

    def growth(self) -> dict[str, int]:
        return {
            service: psutil.Process(pid).memory_info().rss - self.memory[service] for service, pid in self.pids.items()
        }

    def all_live(self) -> dict[str, Health]:
        """Each service is the same process, and beats on; returns its newest heartbeat."""
        beats: dict[str, Health] = {}

        def all_heard(messages: list[tuple[str, bytes]]) -> bool:
            while messages:
                topic, payload = messages.pop()
                for service, pid in self.pids.items():
                    if topic == topics.health(service) and (beat := sound(payload)) and beat.pid == pid:
                        beats[service] = beat
            return len(beats) == len(self.pids)

        ear = Ear(self._stack.home, (topics.HEALTHS,))
        try:
            ear.wait_for(all_heard, 15, "heartbeats")
        except TimeoutError as error:
            silent = {service: self._stack.log_tail(service) for service in self.pids.keys() - beats.keys()}
            raise AssertionError(f"no heartbeat of {sorted(silent)}; their logs: {silent}") from error
        finally:
            ear.close()
        for service, pid in self.pids.items():
            assert self._stack.pid(service) == pid, f"{service} ended; its log: {self._stack.log_tail(service)}"
        return beats

    def received(self) -> dict[str, float]:
        return {name: beat.counters.get("bus_received_total", 0.0) for name, beat in self.all_live().items()}


def sound(payload: bytes) -> Health | None:
    try:
        return Health.FromString(payload)
    except DecodeError:
        return None


def real_messages(stack: Stack) -> list[Message]:
    """A few seconds of what the services really say."""
    ear = Ear(stack.home, ("1/",))
    kinds = (topics.SAMPLES, topics.HEALTHS)
    ear.wait_for(
        lambda messages: len(messages) > 200 and all(any(t.startswith(k) for t, _ in messages) for k in kinds),
        20,
        "real messages to mutate",
    )
    ear.close()
    found = {(topic.encode(), payload) for topic, payload in ear.messages}
    event = Event(id="x", kind="restart", time_us=wall_us(), boot_us=boot_us(), producer="collector", source="system")
    found.add((topics.event("restart").encode(), event.SerializeToString()))
    for target in stack.services:
        found.add((topics.control(target).encode(), b'\n\x01x\x12\x1bcollector.rate.resource_hz\x1a\x015"\x0210*\x01p'))
        found.add((topics.control_result(target).encode(), b"\n\x01x\x12\x09collector\x18\x01"))
        found.add((topics.audit(target).encode(), b"\n\x01x\x10\x01\x1a\x0bperson:page\x22\x0esession.opened"))
    return sorted(found)


def flood(stack: Stack, rogue: Rogue, count: int) -> None:
    mutator = Mutator(SEED, real_messages(stack))
    witness = Witness(stack)
    received = witness.received()
    began_s = time.monotonic()
    for number in range(0, count, _AT_ONCE):
        for _ in range(_AT_ONCE):
            rogue.say(*mutator.next())
        if number % _IN_STEP == 0:
            rogue.arrived()
        ahead_s = number / _PER_S - (time.monotonic() - began_s)
        if ahead_s > 0:
            time.sleep(ahead_s)
    rogue.arrived()
    got = {service: int(now - received[service]) for service, now in witness.received().items() if now}
    took_s = time.monotonic() - began_s
    growth = witness.growth()
    lost, real = lost_since(stack, wall_us())
    print(
        f"S14: {count} mutated messages (seed {SEED}) in {took_s:.0f} s, 0 crashes, most memory "
        + ", ".join(f"{service} {bytes_ / 2**20:+.1f} MiB" for service, bytes_ in growth.items())
        + f"; heard by {got}; of {real} real samples after it {lost} were lost"
    )
    assert max(growth.values()) < GROWTH_BYTES
    assert real > 0
    assert lost == 0


def lost_since(stack: Stack, since_us: int) -> tuple[int, int]:
    """(lost, published): what services measured in the seconds after, end to end."""
    ear = Ear(stack.home, (topics.health("collector"),))
    ear.wait_for(lambda messages: len(messages) > 3, 10, "a few seconds of real samples")
    ear.close()
    ledger = Ledger(stack.home)
    balance = ledger.settle()
    lost = sum(count for (_, time_us, _), count in balance.missing.items() if time_us > since_us)
    return lost, sum(count for (_, time_us, _), count in ledger.samples.items() if time_us > since_us)


@pytest.mark.timeout(300)
def test_mutated_messages_crash_nothing_and_fill_no_memory(stack: Stack, rogue: Rogue) -> None:
    flood(stack, rogue, 100_000)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_million_mutated_messages(stack: Stack, rogue: Rogue) -> None:
    flood(stack, rogue, 1_000_000)


def test_deep_messages_are_rejected(stack: Stack, rogue: Rogue) -> None:
    witness = Witness(stack)
    said = 0
    for payload in (DEEP, nested(1000), b"\x7b" * 1_000_000, nested(100_000)[:900_000]):
        for topic in (
            *(topics.control(service) for service in stack.services),
            topics.sample("system"),
            topics.event("x"),
        ):
            rogue.say(topic.encode(), payload)
            said += 1
    rogue.arrived()
    witness.all_live()
    growth = max(witness.growth().values())
    print(f"S14: {said} messages of depth 1000 and more, 0 crashes, {growth / 2**20:+.1f} MiB")
    assert growth < GROWTH_BYTES


def test_a_message_over_one_mebibyte_is_refused_and_one_below_it_passes(stack: Stack, rogue: Rogue) -> None:
    witness = Witness(stack)
    ear = Ear(stack.home, ("1/event/size/",))
    event = topics.event("size").encode()
    largest = bytes(MAX_MESSAGE_BYTES - _BOX_BYTES)

    def heard() -> bool:
        rogue.say(event, b"small")
        return len(ear.messages) > 0

    wait_until(heard, 10, "the ear to hear")
    rogue.say(event, largest)
    ear.wait_for(lambda messages: any(payload == largest for _, payload in messages), 10, "almost 1 MiB to pass")
    for _ in range(20):
        rogue.say(event, bytes(MAX_MESSAGE_BYTES + 1))
    rogue.arrived()  # the sender is let in again afterwards
    witness.all_live()
    over = [payload for _, payload in ear.messages if len(payload) > MAX_MESSAGE_BYTES]
    ear.close()
    print(f"S14: 20 messages of 1 MiB + 1, {len(over)} passed; one of 1 MiB − {_BOX_BYTES} passed")
    assert over == []


def test_messages_of_other_shapes_are_counted_and_dropped(stack: Stack, rogue: Rogue) -> None:
    witness = Witness(stack)
    said = 0
    for service in stack.services:
        topic = topics.control(service).encode()
        for frames in ((topic,), (topic, b"", b""), (topic, *[b"x"] * 200), (b"\xff\xfe/",), (b"1/sample/\xff/", b"")):
            rogue.say(*frames)
            said += 1
    rogue.arrived()
    witness.all_live()
    print(f"S14: {said} messages of one, three and 201 frames and of broken topics, 0 crashes")


def test_hostile_names_make_one_log_line_an_event(stack: Stack, rogue: Rogue) -> None:
    """S19 for what comes over the bus: names in topics, batches, events and changes."""
    raw = HOSTILE_NAME.encode("ascii", "ignore")
    labels = [Label(name="core", value=HOSTILE_NAME)]
    key = SeriesKey(metric=HOSTILE_NAME, source=HOSTILE_NAME, labels=labels)
    batch = SampleBatch(
        producer=HOSTILE_NAME, epoch=wall_us(), seq=1, source=HOSTILE_NAME, group=RateGroup.RATE_GROUP_TREND, rate_hz=1,
        schema=7, series=[key], times_us=[wall_us()], boot_us=[boot_us()], values=[1.0, 2.0],
    )  # fmt: skip
    event = Event(id=HOSTILE_NAME, kind=HOSTILE_NAME, producer=HOSTILE_NAME, source=HOSTILE_NAME, title=HOSTILE_NAME)
    said = 0
    for prefix in (
        topics.SAMPLES,
        topics.EVENTS,
        topics.CONTROLS,
        topics.CONTROL_RESULTS,
        topics.AUDITS,
        topics.HEALTHS,
    ):
        for payload in (batch.SerializeToString(), event.SerializeToString(), raw):
            for topic in (prefix.encode() + raw + b"/", prefix.encode() + b"collector/"):
                rogue.say(topic, payload)
                said += 1
    rogue.arrived()
    Witness(stack).all_live()
    line = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [a-z]+ [a-z]+: ")
    marked = 0
    for path in stack.home.log.glob("*.log"):
        text = path.read_bytes()
        assert b"\x1b" not in text, f"a terminal escape in {path.name}"
        assert b"\x07" not in text
        for row in text.decode().split("\n"):
            if "forged" in row or "title" in row:
                marked += 1
                assert line.match(row), f"{path.name}: {row[:200]}"
                assert "error forged" not in row[:60], f"{path.name}: {row[:200]}"
    print(f"S19: {said} messages with hostile names, {marked} log lines that carry one, each a line of its own making")
