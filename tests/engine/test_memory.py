"""Memory goes back to the system where there is much of it, and costs nothing where there is not."""

from __future__ import annotations

import gc
import platform
import subprocess
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


_BLOCKS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
import numpy as np, psutil
from churnml import memory
if sys.argv[1] == "shared":
    memory.share_arena()
memory._LARGE_BYTES = 0
np.ones(3_900_000)  # when such a block was freed, the C library takes the next smaller ones from its arenas
together = Barrier(6)
def work(_):
    together.wait()
    blocks = [np.ones(100_000) for _ in range(60)]
    together.wait()
with ThreadPoolExecutor(6) as pool:
    list(pool.map(work, range(6)))
memory.give_back()
print(psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
def test_what_threads_let_go_of_goes_back_where_they_share_an_arena() -> None:
    def held(arenas: str) -> int:
        done = subprocess.run([sys.executable, "-c", _BLOCKS, arenas], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert held("own") - held("shared") > 100 * 2**20


def test_what_is_held_is_not_looked_at_and_later_is_again() -> None:
    with memory.held():
        assert gc.get_freeze_count() > 1000
    assert gc.get_freeze_count() == 0
    with pytest.raises(ValueError, match="in the middle"), memory.held():
        raise ValueError("in the middle")
    assert gc.get_freeze_count() == 0
