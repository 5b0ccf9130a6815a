"""An account's score over time: each reading with what moved it, and its groups today beside before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from churnml.explain.composition import Composition, Moved, moved
from churnml.language import Language, Phrases, Quantity, phrases
from churnml.store import AccountScore, SnapshotInfo

__all__ = ["GroupLine", "History", "Reading", "Scorecard", "reading_rows", "readings_of", "scorecard"]

History = Sequence[tuple[SnapshotInfo, AccountScore]]

_LEAST_POINTS, _MOST_PARTS = 0.5, 3
_BEFORE_DAYS = 21
"""Groups are held against the newest reading that is at least so old: about four weeks, where scoring is weekly."""
_SPEAKS = 0.005
_RED_BELOW, _GREEN_FROM = 40.0, 70.0


@dataclass(frozen=True)
class Reading:
    """One score of an account; `moved` and `reason` say what moved it since the reading before, if there is one."""

    snapshot: SnapshotInfo
    account: AccountScore
    made_of: Composition | None
    moved: Moved | None
    reason: str

    @property
    def on(self) -> date:
        """The day of which it tells."""
        return self.snapshot.as_of

    @property
    def health(self) -> float | None:
        """Health score, 0–100."""
        return self.account.health_score

    @property
    def change(self) -> float | None:
        """Points since the reading before."""
        return self.moved.change if self.moved else None

    @property
    def replayed(self) -> bool:
        """Whether it was worked out later."""
        return bool(self.snapshot.info.get("replayed"))


@dataclass(frozen=True)
class GroupLine:
    """One group of the scorecard: scores 0–100 today and before, and the message on its part in the risk."""

    name: str
    score: float | None
    before: float | None
    change: float | None
    risk: str

    @property
    def band(self) -> str:
        """The class of its bar."""
        if self.score is None:
            return ""
        return "worse" if self.score < _RED_BELOW else "better" if self.score >= _GREEN_FROM else "between"


@dataclass(frozen=True)
class Scorecard:
    """The groups, and the day of the reading that they are held against, if there is one."""

    rows: tuple[GroupLine, ...]
    since: date | None


def readings_of(history: History, made_of: Mapping[int, Composition], language: Language) -> list[Reading]:
    """Return the readings, newest first, each with what moved it since the one before.

    Parameters
    ----------
    history : sequence of (SnapshotInfo, AccountScore)
        Newest first.
    made_of : mapping of int to Composition
        Snapshot → what its score is made of, where that is kept.
    """
    say, rows = phrases(language), []
    for (snapshot, account), before in zip(history, (*history[1:], None), strict=True):
        own, made = made_of.get(snapshot.id), None
        if before is not None and account.health_score is not None and before[1].health_score is not None:
            same = before[0].model_version == snapshot.model_version
            change = account.health_score - before[1].health_score
            made = moved(change, made_of.get(before[0].id), own, same_model=same)
        rows.append(Reading(snapshot, account, own, made, _reason(made, say) if made else ""))
    return rows


def _reason(made: Moved, say: Phrases) -> str:
    """Return what moved a score, the largest part first; empty where it hardly moved."""
    if made.facts is None:
        return say("account-new_model")
    parts = [
        (say("account-by_model"), made.model or 0.0),
        (say("account-by_weights"), made.weights or 0.0),
    ]
    if made.rest is None:
        parts.append((say("account-by_facts"), made.facts))
    else:
        parts += [(say.or_plain(f"family-{name}", name), points) for name, points in made.groups.items()]
        parts.append((say("account-by_risk"), made.rest))
    shown = sorted((part for part in parts if abs(part[1]) >= _LEAST_POINTS), key=lambda part: -abs(part[1]))
    signed = [
        say("account-by_part", what=what, points=say("signed", n=Quantity(value=points, digits=0)))
        for what, points in shown[:_MOST_PARTS]
    ]
    return say("list-facts").join(signed)


def scorecard(
    readings: Sequence[Reading], snapshot: SnapshotInfo, explanation: Mapping[str, Any] | None, language: Language
) -> Scorecard:
    """Return each group's score today and about four weeks ago, and its part in the risk, the worst first.

    A group of which no measure is known has its part in the risk alone. Scores of another model's scale are not held
    against today's.
    """
    own = next((one.made_of for one in readings if one.snapshot.id == snapshot.id), None)
    risks = dict(explanation["families"]) if explanation else {}
    scores = own.scores if own else {}
    older = (one for one in readings if (snapshot.as_of - one.on).days >= _BEFORE_DAYS)
    earlier = next(older, None)
    same = earlier is not None and earlier.snapshot.model_version == snapshot.model_version
    before = earlier.made_of.scores if earlier is not None and same and earlier.made_of else {}
    say, rows = phrases(language), []
    for name in sorted(
        dict.fromkeys((*scores, *risks)), key=lambda name: (scores.get(name, 101.0), -risks.get(name, 0))
    ):
        score, then, risk = scores.get(name), before.get(name), risks.get(name)
        rows.append(
            GroupLine(
                name=say.or_plain(f"family-{name}", name),
                score=score,
                before=then,
                change=score - then if score is not None and then is not None else None,
                risk="" if risk is None else "raises" if risk > _SPEAKS else "lowers" if risk < -_SPEAKS else "neutral",
            )
        )
    return Scorecard(tuple(rows), earlier.on if earlier is not None and before else None)


def reading_rows(readings: Sequence[Reading]) -> list[list[Any]]:
    """Return the readings as rows of a file, the names of the columns first; points to two digits."""
    groups = sorted({name for one in readings if one.moved for name in one.moved.groups})
    head = ["as_of", "health_score", "band", "churn_probability", "model_version"]
    rows: list[list[Any]] = [
        [*head, "change", "by_facts", "by_weights", "by_model", *(f"facts_{name}" for name in groups), "facts_rest"]
    ]
    for one in readings:
        made, account = one.moved, one.account
        shares = [None] * 4 if made is None else [made.change, made.facts, made.weights, made.model]
        parts = [made.groups.get(name) if made else None for name in groups]
        points = [*shares, *parts, made.rest if made else None]
        rows.append(
            [
                one.on,
                account.health_score,
                account.band,
                account.churn_probability,
                one.snapshot.model_version,
                *(None if value is None else round(value, 2) for value in points),
            ]
        )
    return rows
