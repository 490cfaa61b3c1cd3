"""The door to a runtime: loopback only, one deadline, one cap, no redirects, no proxies."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from services.collector.runtime.door import CAP_BYTES, Closed, Door, Faulty, Knock, Slow, knock
from tests.collector.runtime.standin_runtime import Page, StandIn, never


@pytest.mark.parametrize("host", ["192.168.1.5", "10.0.0.1", "8.8.8.8", "::", "0.0.0.0", "fe80::1"])
def test_other_machines_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Door(8080, host)


def test_redirect_is_an_answer_and_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # discard: whoever asks it gets nothing
    page = Page(b"", 302, {"Location": "http://example.org/"})
    with StandIn({"/metrics": page}, never) as runtime:
        assert runtime.door.get("/metrics").status == 302
        assert runtime.paths() == ["/metrics"]


def test_answer_larger_than_the_cap_is_none() -> None:
    with StandIn({"/metrics": b"x" * (CAP_BYTES + 1), "/small": b"x" * CAP_BYTES}, never) as runtime:
        assert runtime.door.get("/small").good
        with pytest.raises(Faulty, match="more than"):
            runtime.door.get("/metrics")


def test_peer_that_drips_cannot_stretch_the_deadline() -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while not stop.wait(0.02):
                    try:
                        peer.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        began_s = time.monotonic()
        with pytest.raises(Slow):
            Door(server.getsockname()[1], deadline_s=0.2).get("/metrics")
        assert time.monotonic() - began_s < 2.0
        stop.set()
        thread.join()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-OpenSSH_9\r\n", CHUNKED + b"-5\r\n{}", CHUNKED + b"zz\r\n{}", b"\0" * 99, b""]
)
def test_what_is_no_http_is_a_fault(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(said)

        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(Faulty):
            Door(server.getsockname()[1]).get("/")
        thread.join()


def test_closed_port_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert knock(port) is Knock.OPEN
    assert knock(port) is Knock.CLOSED
    with pytest.raises(Closed):
        Door(port).get("/")
