"""Rules for all tests: under CI=true a test or a file is skipped only for want of hardware, or of torch.

torch is 200 MB at the least and no part of the lock: docs/testing.md.
"""

import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# Property tests run beside whole stacks: how long one example takes, and how long it is made, says nothing here.
settings.register_profile("beside others", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("beside others")

# What the reason of a skip begins with, where CI may skip.
MAY_LACK = ("hardware absent: ", "library absent: torch")


# A shell that starts the tests in the background has them ignore SIGINT, and so would everything they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):
        judge_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole file that is left out is a skip like any other."""
    report = yield
    judge_skip(report)
    return report


def judge_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Under CI, makes a failure of a skip whose reason names nothing that CI may lack."""
    if os.environ.get("CI") != "true" or not report.skipped:
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not any(reason.removeprefix("Skipped: ").startswith(lack) for lack in MAY_LACK):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI: {reason}"
