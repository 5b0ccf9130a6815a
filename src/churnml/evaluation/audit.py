"""The leakage audit: coded checks of a training frame, each found, clear or not applicable."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.config import LabelConfig
from churnml.evaluation.departure_facts import departure_facts
from churnml.evaluation.finding import CHECKS, LEAKS, Finding, outcome
from churnml.evaluation.hindsight import account_rates, telltales
from churnml.evaluation.missing_shares import missing_shares
from churnml.evaluation.rate_changes import drift, jump, survivors
from churnml.evaluation.totals import totals_of_today
from churnml.features.spec import FeatureSet
from churnml.metrics.predictions import roc_auc
from churnml.snapshots.splits import Split
from churnml.tables import TABLES, Tables

__all__ = ["CHECKS", "LEAKS", "Finding", "audit", "leak_reason", "leaks"]

Array = npt.NDArray[np.float64]
_IMPLAUSIBLE_AUC = 0.95
_DECIDED = 0.95
_LEAST_CHURNERS = 10
_SAME_ROWS = 0.05
_ATTRIBUTE = "attr_"
_LEANS = 0.7
_LEANS_TIMES = 2.0
_LEAST_SCORED = 30


def audit(
    frame: pd.DataFrame,
    feature_set: FeatureSet,
    splits: Sequence[Split],
    label: LabelConfig,
    recompute: Callable[[pd.Timestamp], pd.DataFrame] | None = None,
    tables: Tables | None = None,
) -> list[Finding]:
    """Look for leaks and for data that cannot be what they seem.

    Parameters
    ----------
    frame : DataFrame
        Spine and features.
    feature_set : FeatureSet
        The columns a model would read.
    splits : sequence of Split
        The splits of the backtest.
    label : LabelConfig
        What is predicted.
    recompute : callable, optional
        ``as_of`` → the frame of that date made from data cut off at it, for CHK102, and of the last date of the data,
        for CHK113. Each takes as long as the features of a snapshot do; all other checks are cheap.
    tables : Tables, optional
        The company's tables, for CHK110, CHK112 and CHK113.

    Returns
    -------
    list of Finding
        One per check, in the order of `CHECKS`.
    """
    rows = frame[frame["churned"].notna()]
    if rows.empty:
        return [Finding(code, "not_applicable", "no row has a final label") for code in CHECKS]
    return [
        _implausible(rows, feature_set),
        _cut_off(frame, feature_set, recompute),
        _filled(rows, feature_set),
        _decided(rows, feature_set),
        _same_rows(rows, feature_set, splits),
        _overlap(splits, label),
        drift(rows, splits),
        jump(rows),
        survivors(rows),
        _undated(rows, feature_set, tables),
        _hindsight(rows, feature_set, label),
        _departure(rows, label, tables),
        _missing_otherwise(frame, rows, feature_set, recompute, tables),
    ]


def leaks(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that make a backtest worth nothing.

    Examples
    --------
    >>> [found.code for found in leaks([Finding("CHK101", "found", "…"), Finding("CHK107", "found", "…")])]
    ['CHK101']
    """
    return [finding for finding in findings if finding.status == "found" and finding.code in LEAKS]


def leak_reason(findings: Sequence[Finding]) -> str | None:
    """Return one sentence on the leaks that were found, and the way out; None without any.

    Examples
    --------
    >>> leak_reason([Finding("CHK107", "found", "the churn rate changed")]) is None
    True
    """
    found = leaks(findings)
    if not found:
        return None
    told = "; ".join(f"{finding.code} {finding.what}" for finding in found)
    return (
        f"The audit found a leak, so the model is not promoted: {told}. Correct or exclude the columns, or train with "
        "--force --reason where a person knows better."
    )


def _numeric(rows: pd.DataFrame, feature_set: FeatureSet) -> dict[str, Array]:
    return {
        spec.name: rows[spec.name].to_numpy(dtype=np.float64, na_value=np.nan)
        for spec in feature_set
        if not spec.categorical
    }


def _missing_otherwise(
    frame: pd.DataFrame,
    rows: pd.DataFrame,
    feature_set: FeatureSet,
    recompute: Callable[[pd.Timestamp], pd.DataFrame] | None,
    tables: Tables | None,
) -> Finding:
    """Compare the training rows with what scoring asks about on the last date, or else with the newest snapshot."""
    if recompute is not None and tables is not None:
        scored = recompute(pd.Timestamp(tables.observed_until))
    else:
        scored = frame[frame["as_of"] == frame["as_of"].max()]
    if len(scored) < _LEAST_SCORED:
        return Finding("CHK113", "not_applicable", f"fewer than {_LEAST_SCORED} rows of what is scored were made")
    differing = missing_shares(rows, scored, feature_set)
    found = [
        (str(name), f"{trained:.0%} in training, {now:.0%} at scoring")
        for name, trained, now in differing.itertuples(index=False)
    ]
    remedy = "See what fills the column on one side only; exclude it where the two cannot be made alike."
    return outcome("CHK113", found, CHECKS["CHK113"], remedy)


def _implausible(rows: pd.DataFrame, feature_set: FeatureSet) -> Finding:
    y = rows["churned"].to_numpy(dtype=np.float64)
    if min(y.sum(), len(y) - y.sum()) < _LEAST_CHURNERS:
        return Finding("CHK101", "not_applicable", f"fewer than {_LEAST_CHURNERS} rows of one outcome")
    found = []
    for name, values in _numeric(rows, feature_set).items():
        known = ~np.isnan(values)
        if y[known].sum() < _LEAST_CHURNERS:
            continue
        auc = roc_auc(y[known], values[known])
        if auc is not None and max(auc, 1 - auc) >= _IMPLAUSIBLE_AUC:
            found.append((name, f"AUC {max(auc, 1 - auc):.3f} alone"))
    return outcome(
        "CHK101", found, CHECKS["CHK101"], "Check when the column is written; exclude it if that is after the outcome."
    )


def _cut_off(
    frame: pd.DataFrame, feature_set: FeatureSet, recompute: Callable[[pd.Timestamp], pd.DataFrame] | None
) -> Finding:
    if recompute is None:
        return Finding("CHK102", "not_applicable", "the features cannot be computed again here")
    dates = sorted(frame["as_of"].unique())
    day = pd.Timestamp(dates[len(dates) // 2])
    keys = ["account_id", "as_of"]
    full = frame[frame["as_of"] == day].set_index(keys)[feature_set.names]
    short = recompute(day).set_index(keys)[feature_set.names]
    missing = full.index.difference(short.index)
    if len(missing):
        return Finding(
            "CHK102",
            "found",
            f"{len(missing)} accounts are known at {day:%Y-%m-%d} only with hindsight",
            ("cohort",),
            "Check known_at of what brings them into the cohort.",
        )
    short = short.reindex(full.index)
    found = []
    for spec in feature_set:
        if spec.categorical:
            differs = full[spec.name].astype("object").fillna("") != short[spec.name].astype("object").fillna("")
        else:
            a, b = (side[spec.name].to_numpy(dtype=np.float64, na_value=np.nan) for side in (full, short))
            differs = pd.Series(~np.isclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True))
        if differs.any():
            found.append((spec.name, f"{int(differs.sum())} of {len(full)} accounts at {day:%Y-%m-%d}"))
    return outcome("CHK102", found, CHECKS["CHK102"], "The feature sees the future: filter its facts by known_at.")


def _filled(rows: pd.DataFrame, feature_set: FeatureSet) -> Finding:
    churned = rows["churned"].to_numpy() == 1
    found = []
    for name in feature_set.names:
        filled = rows[name].notna().to_numpy()
        for side, words in ((filled, "filled"), (~filled, "empty")):
            if _decides(rows, side, churned):
                found.append(
                    (name, f"{words} in {int(side.sum())} rows, {int((side & churned).sum())} of them churned")
                )
    return outcome("CHK103", found, CHECKS["CHK103"], "The column is written when an account leaves: exclude it.")


def _decided(rows: pd.DataFrame, feature_set: FeatureSet) -> Finding:
    churned = rows["churned"].to_numpy() == 1
    found = []
    for spec in feature_set:
        values = rows[spec.name]
        if not spec.categorical and values.nunique() > 10:
            continue
        for value in values.dropna().unique():
            side = (values == value).to_numpy(dtype=bool, na_value=False)
            if _decides(rows, side, churned):
                found.append((spec.name, f"{value!s} in {int(side.sum())} rows, {int((side & churned).sum())} churned"))
    return outcome("CHK104", found, CHECKS["CHK104"], "Use the value as it was known at as_of, or exclude the column.")


def _decides(rows: pd.DataFrame, side: npt.NDArray[np.bool_], churned: npt.NDArray[np.bool_]) -> bool:
    """Whether all but every row of one side churned, in enough accounts, where the rest mostly stayed."""
    inside = int(side.sum())
    if inside == 0 or inside == len(rows) or churned[~side].mean() > 0.5:
        return False
    return (
        bool(churned[side].mean() >= _DECIDED) and rows.loc[side & churned, "account_id"].nunique() >= _LEAST_CHURNERS
    )


def _same_rows(rows: pd.DataFrame, feature_set: FeatureSet, splits: Sequence[Split]) -> Finding:
    """Find rows whose every feature is the same before and after a split.

    Columns that hold few values say little; a row counts only if it has five others that are known.
    """
    rich = [
        name for name, values in _numeric(rows, feature_set).items() if len(np.unique(values[~np.isnan(values)])) > 20
    ]
    if len(rich) < 5 or not splits:
        return Finding("CHK105", "not_applicable", "no splits" if not splits else "fewer than five measured columns")
    told = rows[rich].notna().sum(axis=1) >= 5
    mark = pd.util.hash_pandas_object(rows[rich], index=False)
    found = []
    for split in splits:
        train = mark[(rows["as_of"].isin(split.train) & told).to_numpy()]
        test = mark[(rows["as_of"].isin(split.test) & told).to_numpy()]
        share = float(test.isin(train).mean()) if len(test) else 0.0
        if share >= _SAME_ROWS:
            found.append((split.name, f"{share:.0%} of the test rows also stand in training"))
    return outcome("CHK105", found, CHECKS["CHK105"], "Look for copied accounts, or features that never change.")


def _overlap(splits: Sequence[Split], label: LabelConfig) -> Finding:
    if not splits:
        return Finding("CHK106", "not_applicable", "no splits")
    purge = pd.Timedelta(days=label.purge_days)
    found = [
        (
            split.name,
            f"{(split.test[0] - split.train[-1]).days} days between them, gap, horizon, grace and settling take "
            f"{purge.days}",
        )
        for split in splits
        if split.test[0] - split.train[-1] < purge
    ]
    return outcome("CHK106", found, CHECKS["CHK106"], "Leave at least so many days between them.")


def _undated(rows: pd.DataFrame, feature_set: FeatureSet, tables: Tables | None) -> Finding:
    """Find attributes of today's value, where accounts have no history, that lean to who left."""
    if tables is None or "accounts" not in tables:
        return Finding("CHK110", "not_applicable", "there are no account attributes")
    if tables.has("accounts", "known_at"):
        return Finding("CHK110", "clear", "accounts carry a history (known_at)")
    fixed = {column.name for column in TABLES["accounts"].columns if not column.mutable}
    leaning, names = [], []
    for spec in feature_set:
        name = spec.name.removeprefix(_ATTRIBUTE)
        if spec.table != "accounts" or not spec.name.startswith(_ATTRIBUTE) or name in fixed:
            continue
        names.append(name)
        splits = account_rates(rows, spec.name).values()
        leaning += [(spec.name, split.words) for split in splits if split.decides(_LEANS, split.share / _LEANS_TIMES)]
    leaning += [(f"{_ATTRIBUTE}{name}", detail) for name, detail in totals_of_today(tables, names)]
    return outcome(
        "CHK110", leaning, CHECKS["CHK110"], "Map tables.accounts.columns.known_at, or exclude the attribute."
    )


def _hindsight(rows: pd.DataFrame, feature_set: FeatureSet, label: LabelConfig) -> Finding:
    if label.target != "churn":
        return Finding("CHK111", "not_applicable", "the target is not churn: accounts do not leave")
    found = [(telltale.column, telltale.detail) for telltale in telltales(rows, feature_set)]
    return outcome(
        "CHK111", found, CHECKS["CHK111"], "Use the value as it was known at as_of (known_at), or exclude the column."
    )


def _departure(rows: pd.DataFrame, label: LabelConfig, tables: Tables | None) -> Finding:
    if label.target != "churn" or label.churn == "silence" or tables is None:
        return Finding("CHK112", "not_applicable", "departures are no dated facts of their own here")
    found = [(fact.where, fact.detail) for fact in departure_facts(tables, rows)]
    return outcome(
        "CHK112",
        found,
        CHECKS["CHK112"],
        "Check when these are written; leave them out of the mapping if that is late.",
    )
