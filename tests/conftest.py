"""Rules for all tests: under CI=true a test is skipped only for want of hardware."""

import os
import signal
from collections.abc import Generator
from importlib.util import find_spec

import pytest

# These lie outside of what the tests install: several GB for one file. docs/sdk.md says how to run them.
collect_ignore = [] if find_spec("torch") and find_spec("transformers") else ["sdk/test_transformers.py"]


# A shell that starts the tests in the background has them ignore SIGINT, and so would everything they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "hardware absent" not in reason:
            report.outcome = "failed"
            report.longrepr = f"skipped under CI: {reason}"
    return report
