"""Property tests run beside the whole stack's tests: how long one example takes says nothing here."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.collector.recorded import Recorded

settings.register_profile("collector", deadline=None)
settings.load_profile("collector")


@pytest.fixture
def laptop(tmp_path: Path) -> Recorded:
    """A copy of the recorded laptop, to be changed."""
    return Recorded("laptop", tmp_path)
