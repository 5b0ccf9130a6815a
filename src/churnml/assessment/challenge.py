"""Whether a freshly trained model may take the champion's place: which rows both can be judged on fairly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from churnml import features as features_room
from churnml.config.needs import GateSections
from churnml.errors import ChurnmlError
from churnml.language import Text
from churnml.registry import Bundle
from churnml.registry.comparison import compare
from churnml.registry.promotion import Decision, Evidence, asks_the_same
from churnml.tables import Tables
from churnml.training import Publication

if TYPE_CHECKING:
    from churnml.evaluation import Verdict
    from churnml.metrics import Estimate

__all__ = ["challenge"]

_KEY = ["account_id", "as_of"]


def challenge(
    config: GateSections,
    champion: Bundle,
    challenger: Bundle,
    *,
    tested: pd.DataFrame,
    champion_tested: pd.DataFrame | None,
    tables: Tables,
) -> Decision:
    """Decide whether a freshly trained bundle may become the champion.

    What is judged is what each would publish: the model's probabilities, or the rule's where a rule scores. The
    challenger stands for itself by the folds of its backtest, the champion by its own backtest where that holds the
    row, else by its model where the row came after all it had learnt from.

    The champion is judged again each time, by the rules of the verdict on every row that is fair to it. Where it fails
    and the challenger does not rest on the same failed ground, it goes. A challenger that knows newer data need not be
    better on the newest window, for what it knows more of cannot show there; it must not be worse.

    Parameters
    ----------
    config : Config
        Any object with the sections `label`, `model` and `features`, and the seed.
    champion, challenger : Bundle
    tested, champion_tested : DataFrame
        ``account_id, as_of, fold, churned, p_model`` and ``p_<rule>`` of their backtests; the champion's may be gone.
    tables : Tables
        The company's tables, to score the champion on where needed.
    """
    if champion.version == challenger.version:
        return Decision(False, Text.of("gate-same"))
    if not asks_the_same(champion, config.label.model_dump(mode="json", by_alias=True)):
        return Decision(True, Text.of("gate-label"))
    rows = _both(config, champion, challenger, tested, champion_tested, tables)
    ours, theirs = challenger.manifest.verdict, champion.manifest.verdict
    if ours == Publication.PUBLISHABLE and theirs != Publication.PUBLISHABLE:
        return Decision(True, Text.of("gate-only_challenger"))
    again = _again(rows, config.seed) if theirs == Publication.PUBLISHABLE else None
    failed = again is not None and again.verdict is not Publication.PUBLISHABLE
    if again is not None and failed:
        return Decision(
            True,
            Text.of("gate-judged_again", rows=len(rows), reason=again.reason),
            Evidence(champion_verdict=str(again.verdict), champion_reason=again.reason, rows=len(rows)),
        )
    if ours != theirs:
        return Decision(False, Text.of("gate-only_champion"))
    if rows.empty:
        return Decision(False, Text.of("gate-nothing_fair"))
    newest = rows[rows["fold"] == tested["fold"].iloc[-1]]
    fresher = challenger.model.info.as_of_until > champion.model.info.as_of_until
    decision = compare(
        newest if 0.0 < newest["churned"].mean() < 1.0 else rows,
        min_gain=config.model.promotion_gain,
        seed=config.seed,
        fresher=fresher,
    )
    if again is None:
        return decision
    return replace(decision, evidence=replace(decision.evidence, champion_concordance=_ranking(again).interval))


def _both(
    config: GateSections,
    champion: Bundle,
    challenger: Bundle,
    tested: pd.DataFrame,
    champion_tested: pd.DataFrame | None,
    tables: Tables,
) -> pd.DataFrame:
    """Return the challenger's test rows with what both publish, where that is fair to the champion."""
    rows = tested.drop_duplicates(_KEY, keep="last").assign(p_challenger=tested[_published(challenger, tested)])
    if champion_tested is not None:
        column = _published(champion, champion_tested)
        champion_rows = champion_tested.drop_duplicates(_KEY, keep="last")[[*_KEY, column]]
        known = rows.merge(champion_rows.rename(columns={column: "p_champion"}), on=_KEY)
    else:
        known = rows.iloc[:0].assign(p_champion=pd.Series(dtype="float64"))
    left = rows.merge(known[_KEY], on=_KEY, how="left", indicator=True)
    left = left[left["_merge"] == "left_only"].drop(columns="_merge")
    learnt = pd.Timestamp(champion.model.info.as_of_until) + pd.Timedelta(days=config.label.purge_days)
    unseen = left[left["as_of"] >= learnt].reset_index(drop=True)
    if not unseen.empty:
        keys = unseen[_KEY].assign(arr=float("nan"))
        try:
            frame = features_room.compute(tables, keys, champion.model.features, config.features)
            unseen = unseen.assign(p_champion=champion.model.probability_of(frame))
        except ChurnmlError:
            # The champion needs a table or column that this data no longer has: it cannot answer at all.
            unseen = unseen.iloc[:0]
    parts = [part for part in (known, unseen) if not part.empty]
    return pd.concat(parts, ignore_index=True) if parts else known


def _published(bundle: Bundle, tested: pd.DataFrame) -> str:
    """Return the column of a backtest that holds what the bundle publishes."""
    rule = bundle.model.rule
    return f"p_{rule.name}" if rule is not None and f"p_{rule.name}" in tested else "p_model"


def _again(rows: pd.DataFrame, seed: int) -> Verdict | None:
    """Judge the champion on rows that are fair to it; None where they cannot tell."""
    # The judge brings the libraries that train; a command that reads the store has no use for them.
    from churnml.evaluation import judge
    from churnml.training.rules import RULES

    rules = {name: rows[f"p_{name}"] for name in RULES if f"p_{name}" in rows and rows[f"p_{name}"].notna().all()}
    if rows.empty or not rules or rows["churned"].nunique() < 2:
        return None
    dates = rows.groupby(["fold", "as_of"], sort=False).ngroup()
    verdict = judge(rows["churned"], rows["p_champion"], rules, rows["account_id"], dates=dates, seed=seed)
    return verdict if _ranking(verdict).error is not None else None


def _ranking(verdict: Verdict) -> Estimate:
    return verdict.candidates["model"].concordance
