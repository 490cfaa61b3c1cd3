"""The llama.cpp that `make demo` keeps, built where it is missing: for tests with real runtimes."""

from __future__ import annotations

import os

import pytest

from demo.runtime import CannotBuild, Runtime

# A first run builds llama.cpp.
BUILD_S = 3600


def prepared(*, llama_server: bool = False) -> Runtime:
    """A runtime that is built; skips where that is impossible here, fails where CI must have it."""
    runtime = Runtime()
    try:
        runtime.prepare(llama_server=llama_server)
    except CannotBuild as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    return runtime
