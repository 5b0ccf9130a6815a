"""Whether a freshly trained model may take the champion's place: which rows both can be judged on fairly."""

from __future__ import annotations

import pandas as pd

from churnml import features as features_room
from churnml import snapshots
from churnml.config import Config
from churnml.errors import ChurnmlError
from churnml.registry import Bundle
from churnml.registry.promotion import Decision, asks_the_same, compare
from churnml.tables import Tables

__all__ = ["challenge"]

_KEY = ["account_id", "as_of"]


def challenge(
    config: Config,
    champion: Bundle,
    challenger: Bundle,
    *,
    tested: pd.DataFrame,
    champion_tested: pd.DataFrame | None,
    tables: Tables,
) -> Decision:
    """Decide whether a freshly trained bundle may become the champion.

    Both are judged on the challenger's newest backtest window: the challenger by the fold that had not seen it, the
    champion by its own backtest where that covers the rows, else by its model where the rows came after all it had
    learnt from.

    Parameters
    ----------
    config : Config
        Sections ``label``, ``model`` and ``features``, and the seed.
    champion, challenger : Bundle
    tested, champion_tested : DataFrame
        ``account_id, as_of, fold, churned, p_model`` of their backtests; the champion's may be gone.
    tables : Tables
        The company's tables, to score the champion on where needed.
    """
    if champion.version == challenger.version:
        return Decision(False, "The same model as the champion: nothing changed.")
    if not asks_the_same(champion, config.as_dict()["label"]):
        return Decision(True, "The label changed: the champion answers another question.")
    if challenger.manifest.verdict != champion.manifest.verdict:
        better = challenger.manifest.verdict == "publishable"
        held = "beats the baselines and the champion's did not" if better else "does not beat the baselines"
        return Decision(better, f"The challenger {held}.")
    newest = tested[tested["fold"] == tested["fold"].iloc[-1]]
    rows = newest[[*_KEY, "churned", "p_model"]].rename(columns={"p_model": "p_challenger"})
    judged = _by_backtest(rows, champion_tested)
    if judged is None:
        judged = _by_model(config, champion, rows, tables)
    if judged is None:
        return Decision(
            False, "No labelled snapshot is newer than what the champion learnt from: nothing fair to compare on."
        )
    return compare(judged, min_gain=config.model.promotion_gain, seed=config.seed)


def _by_backtest(rows: pd.DataFrame, champion_tested: pd.DataFrame | None) -> pd.DataFrame | None:
    """Add the predictions of the champion's backtest; None where it does not hold every row."""
    if champion_tested is None:
        return None
    predicted = champion_tested[[*_KEY, "p_model"]].rename(columns={"p_model": "p_champion"})
    judged = rows.merge(predicted, on=_KEY)
    return judged if len(judged) == len(rows) else None


def _by_model(config: Config, champion: Bundle, rows: pd.DataFrame, tables: Tables) -> pd.DataFrame | None:
    """Add what the champion's model says of rows after all it had learnt from; None where there are none."""
    label, model = config.label, champion.model
    learnt = pd.Timestamp(model.info.as_of_until) + pd.Timedelta(days=label.gap_days + label.horizon_days)
    unseen = rows[rows["as_of"] >= learnt]
    if unseen.empty:
        return None
    keys = unseen[_KEY].assign(arr=float("nan"))
    try:
        cohort = snapshots.cohorts(tables, config, keys["as_of"])
        frame = features_room.compute(tables, keys, model.features, config.features, cohort=cohort)
        # The learned part, as in its backtest, also where a rule scores in its place.
        probabilities = model.calibrated(model.log_odds(model.matrix(frame)))
    except ChurnmlError:
        # The champion needs a table or column that this data no longer has: it cannot answer at all.
        return None
    return unseen.assign(p_champion=probabilities)
