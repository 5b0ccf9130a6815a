"""How scores moved: the trend of past readings, and why each moved between two dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from churnml.assessment.champion import Champion
from churnml.explain.changes import ChangedFacts
from churnml.explain.movement import ChangePart, ScoreChange
from churnml.health import Change, decompose, trend
from churnml.scorecard import Measure
from churnml.scoring import score

__all__ = ["handed_over", "score_changes", "score_trends"]

_SHARES = ("before", "after", "change", "data", "weights", "model")
_MODEL = "churn_model"
_LEAST, _LEAST_POINTS = 1e-9, 0.5
_LARGEST = 3


def score_trends(now: pd.DataFrame, readings: Sequence[tuple[str, date, float | None]]) -> pd.DataFrame:
    """Return ``account_id, change_7d, change_30d, slope_12w`` of each account's present score.

    Parameters
    ----------
    now : DataFrame
        ``account_id, as_of, health_score`` at one date.
    readings : sequence of tuple
        ``(account_id, as_of, health_score)`` of earlier dates.
    """
    earlier = pd.DataFrame(readings, columns=["account_id", "as_of", "health_score"])
    earlier = earlier.astype({"account_id": "str", "as_of": "datetime64[us]", "health_score": "float64"})
    history = pd.concat([earlier, now[["account_id", "as_of", "health_score"]]], ignore_index=True)
    as_of = now["as_of"].iloc[0]
    moved = trend(history[history["account_id"].isin(set(now["account_id"]))].reset_index(drop=True), as_of)
    today: pd.DataFrame = moved[moved["as_of"] == as_of].drop(columns="as_of")
    return today


def score_changes(
    champion: Champion, now: pd.DataFrame, champion_then: Champion, then: pd.DataFrame
) -> Mapping[str, ScoreChange]:
    """Return why each account's score moved between two dates, split into facts, weights and model.

    Parameters
    ----------
    champion, champion_then : Champion
        In force now and then; the same object where it stayed.
    now, then : DataFrame
        Feature frames of one date each; both hold the features of both champions.

    Returns
    -------
    mapping of str to ScoreChange
        Of the accounts that both frames hold; each is put together where it is asked for.
    """
    if then.empty:
        return {}
    start, end = champion_then.reading(then), champion.reading(now)
    rescored = end.scores if champion_then.version == champion.version else score(champion_then.model, now)
    measures = {measure.name: measure for measure in start.scale.measures}
    since = then["as_of"].iloc[0].date()
    return _Changes(decompose(start, end, rescored), since, measures, champion.changed_facts(now, then))


class _Changes(Mapping[str, ScoreChange]):
    """The changes of many accounts as arrays."""

    def __init__(self, change: Change, since: date, measures: Mapping[str, Measure], facts: ChangedFacts) -> None:
        self._since, self._measures, self._facts = since, measures, facts
        accounts = change.accounts["account_id"].tolist()
        self._row = {str(account): row for row, account in enumerate(accounts)}
        self._shares = {name: change.accounts[name].to_numpy(dtype=float) for name in _SHARES}
        moved = change.parts[change.parts["points"].abs() > _LEAST]
        code = pd.Index(accounts).get_indexer(pd.Index(moved["account_id"]))
        order = np.argsort(code, kind="stable")
        self._bounds = np.searchsorted(code[order], np.arange(len(accounts) + 1)).tolist()
        places, parts = pd.factorize(moved["part"])
        self._parts = [str(part) for part in parts]
        self._place, self._points = places[order], moved["points"].to_numpy(dtype=float)[order]

    def __getitem__(self, account_id: str) -> ScoreChange:
        row = self._row[account_id]
        rows = range(self._bounds[row], self._bounds[row + 1])
        own = [(self._parts[self._place[at]], float(self._points[at])) for at in rows]
        return ScoreChange(
            since=self._since,
            **{name: _known(values[row]) for name, values in self._shares.items()},
            parts=dict(own),
            largest=_largest(account_id, own, self._measures, self._facts),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)


def handed_over(champion: Champion, champion_then: Champion, now: pd.DataFrame) -> pd.DataFrame:
    """Return what another champion alone made of each account's score: the facts are the same.

    Parameters
    ----------
    champion, champion_then : Champion
        In force now, and the one before.
    now : DataFrame
        Feature frame of one date, with the features of both.

    Returns
    -------
    DataFrame
        ``account_id, by_weights, by_model``, points; NaN where either gives no score.
    """
    start, end = champion_then.reading(now), champion.reading(now)
    made = decompose(start, end, start.scores).accounts
    return made[["account_id", "weights", "model"]].rename(columns={"weights": "by_weights", "model": "by_model"})


def _largest(
    account_id: str, moves: Sequence[tuple[str, float]], measures: Mapping[str, Measure], changed: ChangedFacts
) -> tuple[ChangePart, ...]:
    """Return the facts behind the parts that moved a score most; never the model's risk by name."""
    shown = sorted((move for move in moves if abs(move[1]) >= _LEAST_POINTS), key=lambda move: -abs(move[1]))
    parts: list[ChangePart] = []
    topics: set[str] = set()
    by_model = None
    for part, points in shown:
        if part not in measures:
            by_model = points
            continue
        fact = changed.of_feature(account_id, measures[part].feature)
        if fact is not None and fact[0] not in topics:
            topics.add(fact[0])
            parts.append(ChangePart(part, fact[1], points))
    if by_model is not None:
        facts = changed.of_model(account_id, rising=by_model < 0, said=topics)
        parts += [ChangePart(_MODEL, fact, by_model / len(facts)) for fact in facts]
    return tuple(sorted(parts, key=lambda part: -abs(part.points))[:_LARGEST])


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
