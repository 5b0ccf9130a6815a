"""Work on several threads."""

from __future__ import annotations

import os
import threading

import pytest

from churnml.parallel import both, side_by_side


def test_results_come_in_the_order_of_the_jobs() -> None:
    second = threading.Event()

    def slow() -> int:
        second.wait(10)
        return 1

    def quick() -> int:
        second.set()
        return 2

    assert both(slow, quick) == (1, 2)
    assert side_by_side([]) == []
    assert side_by_side([lambda number=number: number for number in range(9)]) == list(range(9))


def test_after_an_error_nothing_more_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    begun: list[int] = []

    def failing() -> None:
        raise ValueError("no memory")

    gate = threading.Event()
    jobs = [failing, *(lambda number=number: begun.append(number) or gate.wait(0.05) for number in range(50))]
    with pytest.raises(ValueError, match="no memory"):
        side_by_side(jobs)
    assert len(begun) < 50
