"""Machines that were recorded."""

from pathlib import Path

import pytest

from tests.collector.recorded import Recorded


@pytest.fixture
def laptop(tmp_path: Path) -> Recorded:
    """A copy of the recorded laptop, to be changed."""
    return Recorded("laptop", tmp_path)
