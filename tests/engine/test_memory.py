"""Memory goes back to the system where there is much of it, and costs nothing where there is not."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest

from churnml import memory


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell no peak in the same unit")
@pytest.mark.parametrize(("large", "collections"), [(0, 1), (10**15, 0)])
def test_a_process_that_was_always_small_is_not_searched(
    large: int, collections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(memory, "_LARGE_BYTES", large)
    monkeypatch.setattr(gc, "collect", lambda: calls.append(1))
    memory.give_back()
    assert len(calls) == collections


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell no peak in the same unit")
def test_what_was_held_once_is_remembered() -> None:
    block = np.ones(30_000_000)
    held = memory._most_ever_held()
    assert held > block.nbytes
    del block
    assert memory._most_ever_held() >= held


def test_what_is_held_is_not_looked_at_and_later_is_again() -> None:
    with memory.held():
        assert gc.get_freeze_count() > 1000
    assert gc.get_freeze_count() == 0
    with pytest.raises(ValueError, match="in the middle"), memory.held():
        raise ValueError("in the middle")
    assert gc.get_freeze_count() == 0
