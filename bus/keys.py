"""The CURVE key pairs of the bus: one for the forwarder, one that all our services share."""

import fcntl
import os
from pathlib import Path
from typing import NamedTuple

import zmq

from bus.home import HomeError, write_private


class KeyPair(NamedTuple):
    public: bytes  # Z85, 40 bytes
    secret: bytes


class BusKeys(NamedTuple):
    forwarder: KeyPair
    service: KeyPair


def load_or_make(folder: Path) -> BusKeys:
    """The pairs in `folder`, made at the first start; safe when many services start at once.

    Raises HomeError where a key file is damaged.
    """
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return BusKeys(_pair(folder / "forwarder.key"), _pair(folder / "service.key"))
    finally:
        os.close(lock)


def _pair(path: Path) -> KeyPair:
    try:
        public, secret = path.read_bytes().split()
    except FileNotFoundError:
        public, secret = zmq.curve_keypair()
        write_private(path, public + b"\n" + secret + b"\n")
    except ValueError as error:
        raise HomeError(f"{path} is damaged. Stop the monitor, remove the file and start again.") from error
    if len(public) != 40 or len(secret) != 40:
        raise HomeError(f"{path} is damaged. Stop the monitor, remove the file and start again.")
    return KeyPair(public, secret)
