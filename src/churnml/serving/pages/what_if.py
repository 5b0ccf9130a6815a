"""What-if: the account with one of its measures at another value, as the model sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from anyio import to_thread

from churnml.api.answers import PredictAnswer
from churnml.language import phrases
from churnml.serving.http.problems import Problem
from churnml.serving.pages.frame import Frame
from churnml.serving.pages.problems import meaning_of
from churnml.serving.routes.scoring import check, score
from churnml.serving.scorer import Row, features_of
from churnml.store import AccountScore, SnapshotInfo

__all__ = ["Trial", "trial"]


@dataclass(frozen=True)
class Trial:
    """What the page offers to change, and what a change comes to.

    Parameters
    ----------
    feature : str
        What was changed; empty where nothing was.
    value : float or None
        To what.
    before, after : PredictAnswer or None
        Scores without and with the change.
    problem : str or None
        Why it cannot be scored.
    """

    feature: str = ""
    value: float | None = None
    before: PredictAnswer | None = None
    after: PredictAnswer | None = None
    problem: str | None = None


async def trial(frame: Frame, snapshot: SnapshotInfo, account: AccountScore) -> Trial | None:
    """Return what the address asks to try; None where no model is loaded or the features are not kept any more."""
    state = frame.state
    if state.view.scorer is None:
        return None
    query = frame.request.query_params
    feature, given = query.get("feature", ""), query.get("to", "")
    stored = await to_thread.run_sync(state.store.features, snapshot.id, account.account_id)
    if stored is None:
        return None
    try:
        value = float(given)
    except ValueError:
        return Trial()
    if not feature or not math.isfinite(value):
        return Trial()
    scorer = state.view.scorer
    try:
        await check(scorer, {feature: value}, "/changes")
    except Problem as problem:
        said = phrases(frame.language).text(problem.said or meaning_of(problem.code))
        return Trial(feature, value, problem=f"{feature}: {said}")
    features = {name: held for name, held in features_of(stored).items() if name in scorer.names}
    rows = [
        Row(features, snapshot.as_of, arr=account.arr),
        Row({**features, feature: value}, snapshot.as_of, arr=account.arr),
    ]
    before, after = (
        PredictAnswer.model_construct(**{**fields, "account_id": account.account_id})
        for fields in await score(state, rows, frame.language)
    )
    return Trial(feature, value, before, after)
