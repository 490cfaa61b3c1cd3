"""Real llama.cpp for the samplers, built where it is missing."""

from __future__ import annotations

import pytest

from demo.serve import model_file
from tests.built_llama import prepared


@pytest.fixture(scope="session")
def real_llama() -> None:
    """Both servers and a tiny model lie where real_llama.py says."""
    model_file(prepared(llama_server=True), "demo-small")
