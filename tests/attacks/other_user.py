"""What another user of the machine tries; run as root, it becomes that user first and prints JSON.

    python -m tests.attacks.other_user HOME UID files|sockets|bus

It starts as root only because the interpreter may lie where the other user cannot read it. From `become` on
it has that user's rights and no others.
"""

import json
import os
import socket
import stat
import sys
from pathlib import Path

import zmq

from bus.home import Config, Ports
from tests.attacks.wire import listen_to_all, speak

NOBODY = 65534


def become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if os.access("/etc/shadow", os.R_OK):
        raise SystemExit("still privileged")


def everything_below(root: Path) -> list[str]:
    """Listed while still root: a guesser who guesses every name right."""
    found = [str(root)]
    for folder, folders, files in os.walk(root, followlinks=True):
        found += [os.path.join(folder, name) for name in (*folders, *files)]
    return found


def try_files(paths: list[str]) -> dict[str, object]:
    """Reads, writes, lists and links each path."""
    successes = []
    for path in paths:
        for how in ("r", "r+", "list", "create", "link"):
            try:
                if how in ("r", "r+"):
                    open(path, how + "b").close()
                elif how == "list":
                    os.listdir(path)
                elif how == "create":
                    open(os.path.join(path, "planted"), "xb").close()
                else:
                    os.link(path, f"/tmp/wf-link-{os.getpid()}")
            except OSError:
                continue
            successes.append(f"{how} {path}")
    return {"tried": len(paths) * 5, "successes": successes}


def try_sockets(paths: list[str]) -> dict[str, object]:
    """Connects to every Unix socket of the home."""
    successes = []
    for path in paths:
        with socket.socket(socket.AF_UNIX) as knock:
            knock.settimeout(2)
            try:
                knock.connect(path)
            except OSError:
                continue
            successes.append(path)
    return {"tried": len(paths), "successes": successes}


def try_bus(ports: Ports, seconds: float) -> dict[str, object]:
    """Listens and speaks on the bus with keys of its own and with none."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    heard = listen_to_all(context, ports.bus_out, seconds)
    said = speak(context, ports.bus_in, b"1/event/foreign/", b"from another user")
    context.destroy(linger=200)
    return {"tried": len(heard) + said, "successes": [name for name, count in heard.items() if count]}


def main() -> None:
    root, uid, what = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    paths = everything_below(root)
    sockets = [path for path in paths if stat.S_ISSOCK(os.lstat(path).st_mode)]
    ports = Ports.from_base(Config.load(root / "wfmon.toml").port_base)
    become(uid)
    tries = {
        "files": lambda: try_files(paths),
        "sockets": lambda: try_sockets(sockets),
        "bus": lambda: try_bus(ports, 2.0),
    }
    print(json.dumps(tries[what]()))


if __name__ == "__main__":
    main()
