"""What another user of the machine hears at the two TCP doors; started as root, it becomes that user first.

    python -m tests.attacks.door_stranger PAGE_PORT GRPC_PORT

Prints JSON: how much it tried, and each answer that was no refusal.
"""

import json
import sys

import grpc

from tests.attacks.other_user import NOBODY, become
from tests.attacks.raw_http import request, routes, rpcs, send

# The static shell, /healthz and the exchange of a code are for everybody; what they say is tested with S4.
FOR_EVERYBODY = {("GET", "/"), ("GET", "/index.html"), ("GET", "/healthz")}


def knock(page: int, grpc_port: int, addresses: list[tuple[str, str]], methods: list[str]) -> dict[str, object]:
    """Every address and every RPC, without a token and with a guessed one."""
    tried, heard = 0, []
    tokens = ([], [("Authorization", f"Bearer {'x' * 43}")])
    for method, path in addresses:
        if (method, path) in FOR_EVERYBODY:
            continue
        for token in tokens:
            host = f"127.0.0.1:{page}"
            headers = [("Host", host), ("Origin", f"http://{host}"), ("Content-Type", "application/json"), *token]
            answer = send(page, request(method, path, headers, b'{"code":"x"}' if method == "POST" else b""))
            tried += 1
            if answer.status not in (400, 401) or set(json.loads(answer.body)) != {"error"}:
                heard.append(f"{method} {path}: {answer.status}")
    with grpc.insecure_channel(f"127.0.0.1:{grpc_port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        for method in methods:
            for metadata in ((), (("authorization", f"Bearer {'x' * 43}"),)):
                tried += 1
                try:
                    count = len(list(channel.unary_stream(method, None, None)(b"", metadata=metadata, timeout=10)))
                    heard.append(f"{method}: {count} messages")
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.UNAUTHENTICATED:  # type: ignore[attr-defined]
                        heard.append(f"{method}: {error}")
    return {"tried": tried, "heard": heard}


if __name__ == "__main__":
    # What imports late is loaded now: the other user may not be able to read the library.
    "127.0.0.1".encode("idna")
    addresses, methods = routes(), rpcs()
    become(NOBODY)
    print(json.dumps(knock(int(sys.argv[1]), int(sys.argv[2]), addresses, methods)))
