"""Who has a port that is wanted."""

import os
import socket

from services.cli.ports import holder, is_free


def test_who_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])
        assert holder(server.getsockname()[1]).endswith(f"(pid {os.getpid()})")


def test_connection_that_goes_out_from_the_port_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
        said = holder(client.getsockname()[1])
    assert said.startswith("a connection of ")
    assert said.endswith(f"(pid {os.getpid()})")
