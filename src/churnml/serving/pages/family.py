"""What an account is part of and what is part of it, with sums over all levels in which each account counts once."""

from __future__ import annotations

from dataclasses import dataclass

from churnml.serving.pages.frame import Frame
from churnml.serving.pages.visibility import lines_seen
from churnml.store import BANDS, AccountLine, SnapshotInfo

__all__ = ["Family", "family_of"]

_MOST = 20


@dataclass(frozen=True)
class Family:
    """An account among those above and below it, as far as who looks may see them.

    Parameters
    ----------
    above : tuple of (str, str, bool)
        Id and name of those above, the top first, and whether there is a page of it.
    below : tuple of AccountLine
        Those below that count most by expected loss.
    more : int
        How many there are beside these.
    accounts : int
        The account with all below it.
    arr, loss : float
        ARR and expected loss of all of them together; unknown ones count nothing.
    bands : tuple of (str, int)
        How many of them are in each band that some are in, as a CSM sees it.
    """

    above: tuple[tuple[str, str, bool], ...]
    below: tuple[AccountLine, ...]
    more: int
    accounts: int
    arr: float
    loss: float
    bands: tuple[tuple[str, int], ...]


def family_of(frame: Frame, snapshot: SnapshotInfo, line: AccountLine) -> Family | None:
    """Return the family of an account; None of one that stands alone, or of whose family nothing is to be seen."""
    details = line.account.details
    over = [str(one) for one in reversed(details.get("above") or ())]
    under = [str(one) for one in details.get("below") or ()]
    if not over and not under:
        return None
    lines = lines_seen(frame, snapshot, [*over, *under])
    named = {key: one.account.name or key for key, one in lines.items()}
    above = tuple((key, named.get(key, key), key in lines) for key in over if key in lines or frame.viewer.sees_all)
    own = sorted((lines[key] for key in under if key in lines), key=lambda one: -(one.account.expected_loss or 0.0))
    if not above and not own:
        return None
    members = [line, *own]
    counts = [(band, sum(one.account.band == band for one in members)) for band in BANDS]
    return Family(
        above,
        tuple(own[:_MOST]),
        max(len(own) - _MOST, 0),
        len(members),
        sum(one.account.arr or 0.0 for one in members),
        sum(one.account.expected_loss or 0.0 for one in members),
        tuple((band, count) for band, count in counts if count),
    )
