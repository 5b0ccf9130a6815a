"""What a run holds for long is not looked through again and again by the collector."""

import gc

import pytest

from churnml import memory


def test_what_is_held_is_not_looked_at_and_later_is_again() -> None:
    with memory.held():
        assert gc.get_freeze_count() > 1000
    assert gc.get_freeze_count() == 0
    with pytest.raises(ValueError, match="in the middle"), memory.held():
        raise ValueError("in the middle")
    assert gc.get_freeze_count() == 0
