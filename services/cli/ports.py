"""The block of ports, looked at before the start: a taken one is named together with who holds it."""

from __future__ import annotations

import socket

from bus.home import Home
from services.cli.errors import CliError


def check_free(home: Home) -> None:
    """Raise CliError where a port of the home's block is taken."""
    ports = home.ports
    wanted = {"the page": ports.page, "the gRPC door": ports.grpc, "the tap": ports.tap}
    if home.config.bus == "tcp":
        wanted |= {"the bus (in)": ports.bus_in, "the bus (out)": ports.bus_out}
    for purpose, port in wanted.items():
        if not is_free(port):
            raise CliError(
                f"port {port}, wanted for {purpose}, is taken by {holder(port)}. "
                f"End that, or choose another block of five ports: wfmon up --port-base {suggestion(ports.page)}"
            )


def is_free(port: int) -> bool:
    """Return whether 127.0.0.1:port can be listened on now."""
    with socket.socket() as probe:
        # As the doors bind: a connection of a moment ago, waiting to end, does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def holder(port: int) -> str:
    """Return who has a port: who listens, as "python3 (pid 4711)", else whose connection goes out from it; another
    user's process cannot be named.
    """
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS tells only root
        return "another process"
    found = [connection for connection in connections if connection.laddr and connection.laddr.port == port]
    for connection in found:
        if connection.status == psutil.CONN_LISTEN:
            return _name(connection.pid)
    if not found:
        return "a process of another user"
    # The system gives ports above its lowest ephemeral one to connections, and keeps them a minute beyond their end.
    if found[0].status == psutil.CONN_TIME_WAIT:
        return "a connection that has ended, for a minute at most"
    return f"a connection of {_name(found[0].pid)}"


def _name(pid: int | None) -> str:
    import psutil

    if pid is None:
        return "a process of another user"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"a process (pid {pid})"


def suggestion(base: int) -> int:
    """Return the base of the next block of five ports that is free; `base` + 10 where none is near."""
    for candidate in range(base + 10, min(base + 500, 65500), 10):
        if all(is_free(port) for port in range(candidate, candidate + 5)):
            return candidate
    return base + 10
