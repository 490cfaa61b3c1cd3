"""llama.cpp for the demonstration: fetched, built and kept once, in the user's cache.

    ~/.cache/wirthforge-monitor/llama-cpp-VERSION/
        venv/      llama-cpp-python with its server, the writer of GGUF files, cmake and ninja
        source/    llama-cpp-python's source distribution with the llama.cpp it was made for
        build/     llama.cpp's libraries, and llama-server where it was asked for
        log        what pip and the build said

Nothing of it enters the monitor's own .venv. Every step is repeated from where it was interrupted.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from platformdirs import user_cache_path

from bus.locks import AlreadyRunning, hold_pid_file

VERSION = "0.3.36"
_HERE = Path(__file__).resolve().parent
_DEFINES = (
    "CMAKE_BUILD_TYPE=Release",
    # Half the time to build at -O3, and models of a few megabytes are as quick.
    "CMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG",
    "BUILD_SHARED_LIBS=ON",
    # A cache may be restored on a machine with another processor.
    "GGML_NATIVE=OFF",
    "GGML_OPENMP=OFF",
    "LLAMA_OPENSSL=OFF",
    "LLAMA_BUILD_TESTS=OFF",
    "LLAMA_BUILD_EXAMPLES=OFF",
    "LLAMA_BUILD_APP=OFF",
    "LLAMA_BUILD_TOOLS=ON",
    "LLAMA_BUILD_SERVER=ON",
    "LLAMA_BUILD_UI=OFF",
    "LLAMA_USE_PREBUILT_UI=OFF",
)
_STEP = re.compile(r"\[(\d+)/(\d+)\]")
_KINDER = 10
"""Niceness of the build: the machine stays usable meanwhile."""


class CannotBuild(Exception):
    """llama.cpp cannot be had here; the text says what is missing and the mend."""


class Runtime:
    """The kept llama.cpp; `prepare` makes what is missing of it."""

    def __init__(self, root: Path | None = None, say: Callable[[str], None] | None = None) -> None:
        self.root = root or user_cache_path("wirthforge-monitor") / f"llama-cpp-{VERSION}"
        self.python = self.root / "venv" / "bin" / "python"
        self.libraries = self.root / "build" / "bin"
        self._source = self.root / "source"
        self._say = say or _print_step

    @property
    def environment(self) -> dict[str, str]:
        """What its programs get: little, for the server takes settings from names as common as PORT or API_KEY."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return kept | {"LLAMA_CPP_LIB_PATH": str(self.libraries), "PYTHONDONTWRITEBYTECODE": "1"}

    @property
    def llama_server(self) -> Path:
        """llama.cpp's own server; there once `prepare(llama_server=True)` has returned."""
        return self.libraries / "llama-server"

    def prepare(self, *, llama_server: bool = False) -> None:
        """Return once everything is there; seconds where it was built before. Raises CannotBuild."""
        if self._has("python") and self._has("libraries") and (not llama_server or self._has("llama-server")):
            return
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with hold_pid_file(self.root / "lock", "the build of llama.cpp"), (self.root / "log").open("ab") as log:
                self._fetch(log)
                self._build(log, "libraries", "llama")
                if llama_server:
                    self._build(log, "llama-server", "llama-server")
        except AlreadyRunning:
            raise CannotBuild(
                f"another build of llama.cpp is under way in {self.root}; wait for its end, then start again"
            ) from None
        except OSError as error:
            raise CannotBuild(
                f"llama.cpp cannot be kept in {self.root}: {error}; make room or set XDG_CACHE_HOME"
            ) from error

    def _has(self, part: str) -> bool:
        return (self.root / f"{part}.done").exists()

    def _finished(self, part: str) -> None:
        (self.root / f"{part}.done").touch()

    def _fetch(self, log: IO[bytes]) -> None:
        """The venv, and the source distribution; both by the hashes of the locks."""
        if self._has("python"):
            return
        _need_compiler()
        self._say(f"Preparing llama.cpp in {self.root}, once: about 120 MB, then the build")
        if not self.python.exists():
            venv.create(self.root / "venv", with_pip=True)
        self._pip(log, "install", "--require-hashes", "-r", str(_HERE / "llama-cpp.lock"))
        if not self._source.exists():
            self._unpack(log)
        # The package alone: its libraries are built beside it, where a build that was interrupted goes on.
        off = ("-C", "cmake.define.LLAMA_BUILD=OFF", "-C", "cmake.define.LLAVA_BUILD=OFF")
        self._pip(log, "install", "--no-deps", "--no-build-isolation", *off, str(self._source))
        self._finished("python")

    def _unpack(self, log: IO[bytes]) -> None:
        fetched = self.root / "fetched"
        self._pip(
            log,
            *("download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--require-hashes"),
            *("-r", str(_HERE / "llama-cpp-source.lock"), "-d", str(fetched)),
        )
        half = self.root / "unpacking"
        shutil.rmtree(half, ignore_errors=True)
        with tarfile.open(next(fetched.glob("*.tar.gz"))) as archive:
            archive.extractall(half, filter="data")
        next(half.iterdir()).rename(self._source)
        shutil.rmtree(half)
        shutil.rmtree(fetched)

    def _pip(self, log: IO[bytes], *arguments: str) -> None:
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", *arguments]
        environment = os.environ | {"PATH": f"{self.python.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        if subprocess.run(command, stdout=log, stderr=log, env=environment, check=False).returncode:
            raise CannotBuild(f"pip could not do its part: {self._last_words()}. All it said: {self.root / 'log'}")

    def _build(self, log: IO[bytes], part: str, target: str) -> None:
        if self._has(part):
            return
        build, cmake = self.root / "build", str(self.python.parent / "cmake")
        if not (build / "build.ninja").exists():
            configure = [cmake, "-S", str(self._source / "vendor" / "llama.cpp"), "-B", str(build), "-G", "Ninja"]
            configure += [f"-DCMAKE_MAKE_PROGRAM={self.python.parent / 'ninja'}", *(f"-D{one}" for one in _DEFINES)]
            self._watch(configure, log, "configuring llama.cpp")
        self._watch([cmake, "--build", str(build), "--target", target], log, f"building llama.cpp ({target})")
        self._finished(part)

    def _watch(self, command: Sequence[str], log: IO[bytes], what: str) -> None:
        """Run one command of the build; tell its progress."""
        running = subprocess.Popen(
            ["nice", "-n", str(_KINDER), *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert running.stdout is not None  # noqa: S101 - a pipe was asked for
        with running:
            for line in running.stdout:
                log.write(line)
                if step := _STEP.match(line.decode(errors="replace")):
                    self._say(f"{what}: {step[1]} of {step[2]}")
        log.flush()
        if running.returncode:
            raise CannotBuild(f"{what} failed: {self._last_words()}. All it said: {self.root / 'log'}")

    def _last_words(self) -> str:
        lines = (self.root / "log").read_text(errors="replace").splitlines()
        told = [line.strip() for line in lines[-40:] if "error" in line.lower()] or lines[-1:]
        return told[-1][:300] if told else "it said nothing"


def _need_compiler() -> None:
    missing = [
        kind
        for kind, names in (("C", ("cc", "gcc", "clang")), ("C++", ("c++", "g++", "clang++")))
        if not any(map(shutil.which, names))
    ]
    if missing:
        raise CannotBuild(
            f"llama.cpp is built from source, and there is no compiler for {' and '.join(missing)}; "
            "on Debian and Ubuntu: apt install build-essential; on macOS: xcode-select --install"
        )


def _print_step(text: str) -> None:
    """One line that is written over where a person looks on, a line a step elsewhere."""
    if sys.stdout.isatty() and " of " in text:
        print(f"\r{text}\033[K", end="\n" if _is_last(text) else "", flush=True)
    else:
        print(text, flush=True)


def _is_last(text: str) -> bool:
    done, _, of = text.rpartition(": ")[2].partition(" of ")
    return done == of
