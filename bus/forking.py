"""Starting a service without importing again what all of them import.

`execv` gives a service a fresh interpreter, which then reads the same libraries as its siblings: most of the time of
a start, and memory that each holds for itself. Here supervisord has them already, and a service is a fork of it that
goes on as `python -m services.NAME …` would: own environment, paths, arguments, signals and streams, own modules read
from disk. Only libraries are kept, never what they open: no thread, no socket, no gRPC or ZeroMQ context is there
before the fork.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import os
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO, NoReturn, TextIO, cast

# What two services or more import, and what starts no thread when it is imported (numpy does, and only the aggregator
# needs it).
PRELOADED = (
    "aiohttp.web",
    "argparse",
    "asyncio",
    "ctypes",
    "faulthandler",
    "google.protobuf.json_format",
    "grpc.aio",
    "grpc_health.v1.health_pb2_grpc",
    "grpc_reflection.v1alpha.reflection",
    "logging",
    "msgspec",
    "peewee",
    "sqlite3",
    "tomllib",
    "traceback",
    "zmq.asyncio",
    "zmq.auth.base",
)
# Ours are read from disk by each service, so that one that starts again runs what is there now.
_OURS = ("bus", "services", "wfmonitor")
# What an interpreter reads at its start and a fork can make up for. Any other variable of its own needs an exec.
_MADE_UP = frozenset({"PYTHONPATH", "PYTHONUNBUFFERED"})
_OF_THE_PROGRAM = "SUPERVISOR_"  # what supervisord tells each program for itself
_M_ARENA_MAX = -8  # malloc.h


def fork() -> int:
    """`os.fork`, whose child has none of our handlers from its first moment on: one of them would take a signal that
    comes before the program runs, a stop for instance, and nobody would ever look at it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _forget_signals()
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Preloaded:
    """The libraries as they lay on disk when they were loaded, and the paths of this interpreter without our own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment`: what the services are given beside our own; libraries read it when they are loaded."""
        here = _here()
        ours = {here, *(os.path.normpath(os.path.join(here, path)) for path in _paths(os.environ))}
        self._paths = [path for path in sys.path if os.path.normpath(os.path.join(here, path)) not in ours]
        self._interpreter = _of_the_interpreter(os.environ)
        os.environ.update(environment)
        self._environment = dict(os.environ)
        before = sys.path[:]
        sys.path[:] = [*_paths(os.environ), *self._paths]  # a service's, whatever stood in our own PYTHONPATH
        for name in PRELOADED:
            with contextlib.suppress(Exception):  # the service that needs it tells of it, in its own log
                importlib.import_module(name)
        sys.path[:] = before
        self._files = _modified(_loaded_files())
        gc.collect()
        gc.freeze()  # so that no look of the collector in a service touches, and so copies, what all share

    def can_run(self, filename: str, argv: Sequence[str], env: Mapping[str, str]) -> bool:
        """Whether a fork of this process is as good as an exec of `argv`."""
        return (
            sys.platform == "linux"  # a forked macOS process may not use the system's own libraries
            and filename == sys.executable
            and len(argv) > 2
            and argv[1] == "-m"
            and argv[2].startswith("services.")
            and {name: value for name, value in env.items() if not name.startswith(_OF_THE_PROGRAM)}
            == {name: value for name, value in self._environment.items() if not name.startswith(_OF_THE_PROGRAM)}
            and _of_the_interpreter(env) == self._interpreter
            and threading.active_count() == 1
            and _modified(self._files) == self._files
        )

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
        """Becomes the program, in a fork, and ends with the exit code that it would have."""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # as in an interpreter of its own
        os.environ.clear()
        os.environ.update(env)
        _open_streams()
        _show(argv)
        if "MALLOC_ARENA_MAX" in env:
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, int(env["MALLOC_ARENA_MAX"]))
        for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
            del sys.modules[name]
        sys.path[:] = [os.getcwd(), *_paths(env), *self._paths]
        sys.argv[:] = ["-m", *argv[3:]]
        sys.orig_argv[:] = argv
        # Never back into supervisord, whose objects hold descriptors that are ours by now.
        os._exit(_end(_code_of(argv[2])))


def _code_of(module: str) -> int:
    """Runs a module to its end: the exit code that the interpreter would give."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> int:
    """What an interpreter does last, as multiprocessing does it in a fork."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or 120
    return code


def _forget_signals() -> None:
    """The handlers of supervisord go, as exec would take them; what is ignored stays ignored."""
    signal.set_wakeup_fd(-1)  # a descriptor of that number will soon be another's
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


def _open_streams() -> None:
    """New ones on the descriptors that supervisord has put in their place; its own stay as `sys.__stdout__` …"""
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = _stream(io.BufferedReader(io.FileIO(0, "rb", closefd=False)), sys.stdin)
    sys.stdout = _stream(_sink(1, unbuffered), sys.stdout, write_through=unbuffered)
    sys.stderr = _stream(_sink(2, unbuffered), sys.stderr, write_through=unbuffered, line_buffering=not unbuffered)


def _sink(descriptor: int, unbuffered: bool) -> BinaryIO:
    raw = io.FileIO(descriptor, "wb", closefd=False)
    return cast(BinaryIO, raw if unbuffered else io.BufferedWriter(raw))


def _stream(
    binary: BinaryIO, like: TextIO | None, write_through: bool = False, line_buffering: bool = False
) -> io.TextIOWrapper:
    """`like`: None where supervisord was started with that descriptor closed."""
    encoding, errors = (like.encoding, like.errors) if like else (None, None)
    return io.TextIOWrapper(binary, encoding, errors, write_through=write_through, line_buffering=line_buffering)


def _show(argv: Sequence[str]) -> None:
    """Writes `argv` where ps reads it: over our own, as many whole words as have room there."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end of proc(5), which counts from 1 and the pid
    text = b""
    for word in argv:
        longer = text + os.fsencode(word) + b"\0"
        if len(longer) > end - start:
            break
        text = longer
    if start:
        ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


def _here() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # a folder that was removed under us
        return os.sep


def _paths(env: Mapping[str, str]) -> list[str]:
    return [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]


def _of_the_interpreter(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith("PYTHON") and name not in _MADE_UP}


def _loaded_files() -> set[str]:
    found = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {file for file in found if file is not None}


def _modified(files: Iterable[str]) -> dict[str, int]:
    """File → ns of its last change; 0 where it has gone."""
    found = {}
    for file in files:
        try:
            found[file] = os.stat(file).st_mtime_ns
        except OSError:
            found[file] = 0
    return found
