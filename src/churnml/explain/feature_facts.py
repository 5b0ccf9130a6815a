"""What is known of one feature of one account, before anything is said of it; see `facts`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from churnml.explain.reference import Yardstick
from churnml.features.spec import FeatureSpec
from churnml.language import Argument, Text, Words

__all__ = ["Change", "Facts", "label", "stem_of"]


@dataclass(frozen=True)
class Change:
    """The value before.

    Parameters
    ----------
    before : float
        In the feature's own unit.
    on : str
        ISO date of an earlier snapshot; empty where it is of the window before.
    days : int
        How long ago, where it is neither; 0 otherwise.
    """

    before: float
    on: str = ""
    days: int = 0


@dataclass(frozen=True)
class Facts:
    """What is known of one feature of one account.

    Parameters
    ----------
    spec : FeatureSpec
        The feature.
    value : float, str or None
        The account's value; None is missing.
    toward : int
        +1 where a high or rising value goes with what is claimed, −1 where a low or falling one does, 0 where nobody
        knows: then nothing is claimed of it.
    raising : bool
        Whether it is told for a higher risk.
    change : Change, optional
        What it was before.
    yardstick : Yardstick, optional
        What is usual at comparable accounts.
    peak : float, optional
        Highest value of the last year.
    rank : float, optional
        Share of peers below.
    whole : float, optional
        What a share is a share of, e.g. the tickets.
    term_days : float, optional
        Length of the contract's term.
    kind : Words, optional
        A company's own word for what is counted: an event type, an attribute.
    word : Words, optional
        A company's own word for the value, where it is a word.
    gone : bool
        The value is 0 and was not in the window before.
    plain : bool
        Tell the value alone where nothing compares with it: its place on a fixed scale is what counts.
    stem : str
        Measure whose words are used, where it is not the feature's own.
    currency : str
        ISO code.
    """

    spec: FeatureSpec
    value: float | str | None
    toward: int = 0
    raising: bool = True
    change: Change | None = None
    yardstick: Yardstick | None = None
    peak: float | None = None
    rank: float | None = None
    whole: float | None = None
    term_days: float | None = None
    kind: Argument | None = None
    word: Words | None = None
    gone: bool = False
    plain: bool = False
    stem: str = ""
    currency: str = "USD"

    @cached_property
    def label(self) -> Text:
        """What the feature is called."""
        return label(self.spec, self.kind)


def stem_of(spec: FeatureSpec) -> str:
    """Return the name under which the catalogue words a measure."""
    measure = spec.measure or spec.name
    for start in ("events_of", "share_of", "value_of"):
        if measure.startswith(f"{start}_"):
            return start
    return "attribute" if measure.startswith("attr_") else measure


def label(spec: FeatureSpec, kind: Argument | None = None) -> Text:
    """Return what a feature is called: the catalogue's word for its measure, or the one that it brings itself."""
    return Text.of(f"m-{stem_of(spec)}.label|words", words=spec.label, kind=kind or spec.label)
