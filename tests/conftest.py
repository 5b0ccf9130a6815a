"""Rules for the whole suite."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

_NEEDS_A_PROGRAM = {"postgres", "browser", "spark"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Where CI must have installed a program, a test that skips for want of it fails."""
    report = yield
    needs = _NEEDS_A_PROGRAM & {mark.name for mark in item.iter_markers()}
    if report.skipped and needs and os.environ.get("CHURNML_CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing that it needs may be missing: {report.longrepr}"
    return report
