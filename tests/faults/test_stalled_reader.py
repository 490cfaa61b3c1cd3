"""A subscriber that stops reading costs the publishers nothing, and its gaps are what was dropped (SECURITY R9)."""

import threading
import time
from contextlib import closing
from itertools import pairwise

import psutil
import pytest
import zmq
from wfmonitor.v1.health_pb2 import Health
from wfmonitor.v1.sample_pb2 import SampleBatch

from bus import topics
from bus.clock import wall_us
from bus.transport import connected, endpoints
from tests.faults.house import House
from tests.stack import Ear

GROWTH_BYTES = 10 << 20
TOPIC = topics.sample("flood")
_PER_S = 1000
_PAYLOAD = 64  # doubles: half a kB, what a table of the machine has


class Flood:
    """Numbered batches in a thread, as fast as a busy producer says them."""

    def __init__(self, house: House) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = connected(self._context, zmq.PUB, house.home, endpoints(house.home)[0])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._say, daemon=True)
        self.said = 0
        self._thread.start()

    def _say(self) -> None:
        began_s = time.monotonic()
        epoch = wall_us()
        while not self._stop.wait(0.005):
            while self.said < (time.monotonic() - began_s) * _PER_S:
                self.said += 1
                # No series and a schema nobody knows: only readers of the raw bus can use it.
                batch = SampleBatch(epoch=epoch, seq=self.said, source="flood", values=[float(self.said)] * _PAYLOAD)
                self._socket.send_multipart((TOPIC.encode(), batch.SerializeToString()))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def close(self) -> None:
        self.stop()
        self._socket.close(linger=0)
        self._context.term()


class Stalled:
    """Subscribes to all there is, and reads only when told to."""

    def __init__(self, house: House) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = connected(self._context, zmq.SUB, house.home, endpoints(house.home)[1])
        self._socket.setsockopt(zmq.RCVTIMEO, 5000)
        for prefix in (topics.SAMPLES, topics.LIVE, topics.HEALTHS, topics.window("10s", "system.cpu.percent", "avg")):
            self._socket.subscribe(prefix.encode())

    def read_one(self) -> None:
        self._socket.recv_multipart()

    def numbers(self) -> list[int]:
        """Reads all that waits, up to a heartbeat of now; the flood's numbers among it."""
        found: list[int] = []
        now_us = wall_us()
        while True:
            topic, payload = self._socket.recv_multipart()
            if topic == TOPIC.encode():
                found.append(SampleBatch.FromString(payload).seq)
            elif topic == topics.health("forwarder").encode() and Health.FromString(payload).time_us > now_us:
                return found

    def close(self) -> None:
        self._socket.close(linger=0)
        self._context.term()


def memory(house: House) -> dict[str, int]:
    return {service: psutil.Process(house.pid(service)).memory_info().rss for service in house.services}


def stall(house: House, seconds: float) -> None:
    with closing(Stalled(house)) as stalled, closing(Ear(house.home, (TOPIC,))) as reader:
        stalled.read_one()
        with closing(Flood(house)) as flood:
            reader.wait_for(lambda messages: len(messages) > _PER_S, 20, "the flood to be heard")
            before = memory(house)
            time.sleep(seconds)  # the length of the fault
            growth = {service: now - before[service] for service, now in memory(house).items()}
            flood.stop()
            reader.wait_for(lambda messages: number(messages[-1]) == flood.said, 10, "the reader to have heard all")
            said, beside = flood.said, [number(message) for message in reader.messages]
            heard = stalled.numbers()
    gaps = [after - before - 1 for before, after in pairwise(heard)]
    dropped = sum(gaps) + said - heard[-1]
    most = ", ".join(f"{service} {bytes_ / 2**20:+.1f} MiB" for service, bytes_ in growth.items())
    print(
        f"R9: a reader stood still for {seconds:.0f} s while {said} messages were said: {most}; it heard {len(heard)}, "
        f"its gaps count {dropped} dropped; the reader beside it missed {said - beside[0] + 1 - len(beside)}"
    )
    assert max(growth["forwarder"], growth["collector"]) < GROWTH_BYTES
    assert heard == sorted(set(heard))
    assert len(heard) + dropped == said - heard[0] + 1
    assert dropped > 0, "it was never cut off: the fault did not happen"
    assert beside == list(range(beside[0], said + 1))


def number(message: tuple[str, bytes]) -> int:
    return SampleBatch.FromString(message[1]).seq


@pytest.mark.timeout(180)
def test_a_minute_without_reading(house: House) -> None:
    stall(house, 60)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_ten_minutes_without_reading(house: House) -> None:
    stall(house, 600)
