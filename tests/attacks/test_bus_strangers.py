"""Who does not hold the services' key neither hears the bus nor is heard on it (SECURITY S7)."""

import socket

import zmq

from bus import topics
from bus.keys import load_or_make
from tests.attacks.wire import STRANGERS, listen_to_all, speak
from tests.stack import Ear, Stack

FOREIGN = "1/event/foreign/"
LISTEN_S = 3.0


def test_a_stranger_hears_nothing_while_a_service_hears_all(stack: Stack) -> None:
    server_key = load_or_make(stack.home.keys).forwarder.public
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    ear = Ear(stack.home, (topics.HEALTHS, topics.SAMPLES))
    ear.wait_for(lambda messages: len(messages) > 0, 10, "a service's key to hear the bus")
    before = len(ear.messages)
    heard = listen_to_all(context, stack.home.ports.bus_out, LISTEN_S, server_key)
    spoken = len(ear.messages) - before
    ear.close()
    context.term()
    print(f"S7: {len(heard)} kinds of strangers heard {sum(heard.values())} of {spoken} messages on the bus")
    assert spoken > 10
    assert heard == dict.fromkeys(heard, 0)


def test_what_a_stranger_says_reaches_nobody(stack: Stack) -> None:
    server_key = load_or_make(stack.home.keys).forwarder.public
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    ear = Ear(stack.home, (FOREIGN, topics.health("forwarder")))
    ear.wait_for(lambda messages: len(messages) > 0, 10, "the ear to hear")
    said = speak(context, stack.home.ports.bus_in, FOREIGN.encode(), b"forged", server_key)
    beats = len(ear.messages)
    ear.wait_for(lambda messages: len(messages) > beats + 2, 10, "two more heartbeats")
    forged = [topic for topic, _ in ear.messages if topic == FOREIGN]
    ear.close()
    context.term()
    print(f"S7: {len(STRANGERS)} kinds of strangers said {said} messages, {len(forged)} heard")
    assert forged == []


def test_bytes_that_are_no_zeromq_get_no_data_and_hurt_nobody(stack: Stack) -> None:
    """The greeting of ZMTP is all that a port says to anybody; no topic and no payload."""
    rubbish = [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 4096, b"\xff" * 70000, b"\x16\x03\x01\x02\x00" * 50]
    received = 0
    for port in (stack.home.ports.bus_in, stack.home.ports.bus_out):
        for noise in rubbish:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as knock:
                answer = b""
                try:
                    knock.sendall(noise)
                    knock.settimeout(0.3)
                    while chunk := knock.recv(65536):
                        answer += chunk
                except OSError:
                    pass  # closed by the bus, or it waits for more
            # A greeting has 64 bytes.
            assert len(answer) <= 64, f"{len(answer)} bytes for {noise[:20]!r}"
            assert b"1/" not in answer
            received += max(0, len(answer) - 64)
    ear = Ear(stack.home, (topics.health("forwarder"),))
    ear.wait_for(lambda messages: len(messages) > 1, 5, "the forwarder's next heartbeats")
    ear.close()
    print(f"S7: {2 * len(rubbish)} connections of rubbish to the bus ports, {received} bytes beyond a greeting")


def test_the_service_key_is_not_on_the_wire_or_in_the_log(stack: Stack) -> None:
    keys = load_or_make(stack.home.keys)
    secrets = (keys.service.secret, keys.forwarder.secret)
    logs = b"".join(path.read_bytes() for path in stack.home.log.iterdir())
    assert len(logs) > 0
    assert not any(secret in logs for secret in secrets)
