"""What can end a pull before its window is fetched."""

from __future__ import annotations

from datetime import datetime

from churnml.language import Text

__all__ = ["Expired", "LeftOut", "Stopped"]


class Expired(Exception):  # noqa: N818
    """The place from which to go on is no longer known to the tool; only a full window is safe.

    Parameters
    ----------
    said : str
        What the tool said.
    """

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(said)


class Stopped(Exception):  # noqa: N818
    """The pull of this source ends here for now; what was landed stays, and the next pull goes on from there.

    Parameters
    ----------
    why : Text
        The reason, for a person.
    next_at : datetime, optional
        When the next try makes sense.
    failed : bool
        Whether a person has to mend something, such as a login.
    """

    def __init__(self, why: Text, next_at: datetime | None = None, *, failed: bool = False) -> None:
        self.why = why
        self.next_at = next_at
        self.failed = failed
        super().__init__(why.code)


class LeftOut(Exception):  # noqa: N818
    """One object of the tool cannot be fetched, e.g. as the login may not read it; the others go on.

    Parameters
    ----------
    said : str
        What the tool said.
    """

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(said)
