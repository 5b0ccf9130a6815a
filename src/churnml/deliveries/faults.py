"""What can come between a request and its outcome; each says what it means for the deliveries of the request."""

from __future__ import annotations

__all__ = ["Fault", "Interruption", "Lost", "NotSent", "Pause", "Shown"]


class Interruption(Exception):  # noqa: N818
    """A call that ended without an outcome for each record.

    Parameters
    ----------
    reason : str
        A stable code.
    said : str
        What happened, in the target's words where there are any.
    """

    def __init__(self, reason: str, said: str) -> None:
        self.reason = reason
        self.said = said
        super().__init__(f"{reason}: {said}")


class NotSent(Interruption):
    """The request never left: nobody answered at the address. Nothing has happened; try again later."""


class Lost(Interruption):
    """The request may have arrived, and its answer did not, or says nothing. Read back before sending again."""


class Pause(Interruption):
    """The target wants a pause and has done nothing.

    Parameters
    ----------
    seconds : float or None
        How long; None where it does not say.
    is_failure : bool
        Whether the target is in trouble, and not only we too quick.
    """

    def __init__(self, reason: str, said: str, seconds: float | None = None, *, is_failure: bool = False) -> None:
        super().__init__(reason, said)
        self.seconds = seconds
        self.is_failure = is_failure


class Fault(Interruption):
    """A person has to mend something first: a login, an address, a right. Everything waits until then."""


class Shown(Interruption):
    """A dry run has shown the request, and there is no answer."""
