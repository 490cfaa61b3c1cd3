"""Only the doors listen, only on loopback, and nothing of ours talks beyond it (SECURITY S9)."""

import ipaddress
import os
from pathlib import Path

import psutil

from bus.supervision import LISTENER
from tests.stack import Stack


def own_processes(stack: Stack) -> dict[int, str]:
    """pid → name of supervisord, every service and all their children."""
    found = {stack.supervisor_pid: "supervisord"}
    for service in (*stack.services, LISTENER):
        found[stack.pid(service)] = service
    for pid in list(found):
        for child in psutil.Process(pid).children(recursive=True):
            found.setdefault(child.pid, f"child of {found[pid]}")
    return found


def is_loopback(text: str) -> bool:
    """127.0.0.1 in an IPv6 socket is written ::ffff:127.0.0.1."""
    address = ipaddress.ip_address(text)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def test_only_the_doors_listen_and_only_on_loopback(stack: Stack) -> None:
    ports = stack.home.ports
    doors = {ports.page, ports.grpc, ports.bus_in, ports.bus_out, ports.tap}
    listening: dict[int, str] = {}
    beyond = []
    seen = 0
    for pid, name in own_processes(stack).items():
        for connection in psutil.Process(pid).net_connections(kind="inet"):
            seen += 1
            ends = [end for end in (connection.laddr, connection.raddr) if end]
            if not all(is_loopback(end.ip) for end in ends):
                beyond.append(f"{name}: {connection}")
            if connection.status == psutil.CONN_LISTEN:
                listening[connection.laddr.port] = name
            elif connection.type.name == "SOCK_DGRAM":
                beyond.append(f"{name}: datagram socket {connection}")
    print(f"S9: {seen} inet sockets of our processes, {len(listening)} listening, {len(beyond)} beyond loopback")
    assert beyond == []
    assert set(listening) == doors, listening


def test_no_process_has_a_raw_or_packet_socket(stack: Stack) -> None:
    forbidden: set[str] = set()
    for table in ("raw", "raw6", "packet"):
        head, *rows = Path(f"/proc/net/{table}").read_text().splitlines()
        column = -1 if table == "packet" else head.split().index("inode") - 2
        forbidden |= {row.split()[column] for row in rows}
    ours = {pid: sockets_of(pid) for pid in own_processes(stack)}
    hits = [pid for pid, sockets in ours.items() if sockets & forbidden]
    print(f"S9: {sum(map(len, ours.values()))} sockets of ours, {len(hits)} raw or packet sockets")
    assert hits == []


def sockets_of(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue  # closed since
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found
