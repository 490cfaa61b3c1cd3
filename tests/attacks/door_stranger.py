"""What another user of the machine hears at the TCP doors; started as root, it becomes that user first.

    python -m tests.attacks.door_stranger PAGE_PORT GRPC_PORT TAP_PORT OTLP_PORT

Prints JSON: how much it tried at each door, and each answer that was no refusal.
"""

import json
import sys
from collections import Counter

import grpc

from tests.attacks.other_user import NOBODY, become
from tests.attacks.raw_http import request, routes, rpcs, send

# The static shell, /healthz and the exchange of a code are for everybody; what they say is tested with S4.
FOR_EVERYBODY = {("GET", "/"), ("GET", "/index.html"), ("GET", "/healthz")}
OTLP = [("POST", f"/v1/{what}") for what in ("metrics", "logs", "traces")]
# The tap asks for no token: it hands on to a runtime, which asks for none. Behind this one is none.
REFUSALS = {"page": (400, 401), "tap": (400, 502), "otlp": (400, 401)}
TOKENS = ([], [("Authorization", f"Bearer {'x' * 43}")])


class Stranger:
    """Knocks, and notes what was no refusal."""

    def __init__(self) -> None:
        self.tried = Counter[str]()
        self.heard: list[str] = []

    def ask(self, door: str, port: int, kind: str, addresses: list[tuple[str, str]]) -> None:
        """Every address of an HTTP door, without a token and with a guessed one."""
        for method, path in addresses:
            for token in TOKENS:
                host = f"127.0.0.1:{port}"
                headers = [("Host", host), ("Origin", f"http://{host}"), ("Content-Type", kind), *token]
                answer = send(port, request(method, path, headers, b'{"code":"x"}' if method == "POST" else b""))
                self.tried[door] += 1
                # OTLP answers in its own messages; a refusal's text is short, and no number of ours is in it.
                bare = len(answer.body) < 200 if door == "otlp" else set(json.loads(answer.body)) == {"error"}
                if answer.status not in REFUSALS[door] or not bare:
                    self.heard.append(f"{door}: {method} {path}: {answer.status} {answer.body[:80]!r}")

    def call(self, port: int, methods: list[str]) -> None:
        """Every RPC of the gRPC door."""
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            for method in methods:
                for metadata in ((), (("authorization", f"Bearer {'x' * 43}"),)):
                    self.tried["grpc"] += 1
                    try:
                        count = len(list(channel.unary_stream(method, None, None)(b"", metadata=metadata, timeout=10)))
                        self.heard.append(f"{method}: {count} messages")
                    except grpc.RpcError as error:
                        if error.code() is not grpc.StatusCode.UNAUTHENTICATED:  # type: ignore[attr-defined]
                            self.heard.append(f"{method}: {error}")


if __name__ == "__main__":
    # What imports late is loaded now: the other user may not be able to read the library.
    "127.0.0.1".encode("idna")
    addresses, methods = routes(), rpcs()
    page, grpc_port, tap, otlp = map(int, sys.argv[1:])
    become(NOBODY)
    stranger = Stranger()
    stranger.ask("page", page, "application/json", [one for one in addresses if one not in FOR_EVERYBODY])
    stranger.ask("tap", tap, "application/json", [*addresses, *OTLP, *(("POST", method) for method in methods)])
    stranger.ask("otlp", otlp, "application/x-protobuf", OTLP)
    stranger.call(grpc_port, methods)
    print(json.dumps({"tried": stranger.tried, "heard": stranger.heard}))
