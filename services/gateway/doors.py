"""Taking the two addresses: 127.0.0.1 only, and a taken port names who holds it."""

import errno
import socket

from bus.home import HomeError

HOST = "127.0.0.1"


class PortTaken(HomeError):
    """Somebody else listens there; starting again does not help until a person mends it."""


_OTHER_BLOCK = "choose another block with --port-base"


def listen(port: int, mend: str = _OTHER_BLOCK) -> socket.socket:
    """A listening socket; raises PortTaken, with what else than stopping the holder would `mend` it."""
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((HOST, port))
        door.listen(512)
    except OSError as error:
        door.close()
        raise taken(port, error, mend) from error
    door.setblocking(False)
    return door


def taken(port: int, error: Exception, mend: str = _OTHER_BLOCK) -> PortTaken:
    """The clear error for a port that could not be opened."""
    if isinstance(error, OSError) and error.errno != errno.EADDRINUSE:
        return PortTaken(f"port {port} cannot be opened: {error.strerror}. To mend it, {mend}.")
    holder = _holder(port)
    who = f"is held by {holder}" if holder else "is held by another program"
    return PortTaken(f"port {port} {who}. Stop it, or {mend}.")


def _holder(port: int) -> str:
    import psutil  # only this error needs it; it is not worth every gateway's memory

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return ""
