"""The leakage audit: coded checks of a training frame, each found, clear or not applicable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from churnml.config import LabelConfig
from churnml.evaluation.departure_facts import departure_facts
from churnml.evaluation.hindsight import account_rates, telltales
from churnml.evaluation.missing_shares import missing_shares
from churnml.evaluation.totals import totals_of_today
from churnml.features.spec import FeatureSet
from churnml.metrics.predictions import roc_auc
from churnml.snapshots.splits import Split
from churnml.tables import TABLES, Tables

__all__ = ["CHECKS", "LEAKS", "Finding", "audit", "leak_reason", "leaks"]

Array = npt.NDArray[np.float64]
Status = Literal["found", "clear", "not_applicable"]

CHECKS: dict[str, str] = {
    "CHK101": "A single feature separates churners implausibly well",
    "CHK102": "A feature changes when everything after its as_of is cut off",
    "CHK103": "A column is filled, or empty, only for churned accounts",
    "CHK104": "A value of a column all but decides the outcome: a status written after it",
    "CHK105": "The same rows stand on both sides of a split",
    "CHK106": "Training labels reach into the test period",
    "CHK107": "The churn rate of the test period is another than that of the training period",
    "CHK108": "The churn rate jumps from one snapshot to the next",
    "CHK109": "Nobody churns before a date: lost accounts are missing from the early data",
    "CHK110": "An account attribute without a history goes with who left, or is a total up to today",
    "CHK111": "A column tells long before who will leave: written after the departure, over the whole past",
    "CHK112": "A fact tells of the departure itself: a word of leavers alone, or a kind that comes in their last days",
    "CHK113": "A feature is missing more often, or less, where the model is used than where it was trained",
}
"""Code → what it finds."""

LEAKS = ("CHK101", "CHK102", "CHK103", "CHK104", "CHK106", "CHK110", "CHK111")
"""Codes of what makes a backtest worth nothing: a model trained on it is not promoted by itself."""

_IMPLAUSIBLE_AUC = 0.95
_DECIDED = 0.95
_LEAST_CHURNERS = 10
_SAME_ROWS = 0.05
_ATTRIBUTE = "attr_"
_LEANS = 0.7
_LEANS_TIMES = 2.0
_SHIFT = 2.0
_JUMP = 3.0
_LEAST_SCORED = 30


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Parameters
    ----------
    code : str
        One of `CHECKS`.
    status : {"found", "clear", "not_applicable"}
    what : str
        What was found, or why the check does not apply.
    where : tuple of str
        Columns, splits or dates concerned.
    remedy : str
        What to do about it.
    """

    code: str
    status: Status
    what: str
    where: tuple[str, ...] = ()
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-ready data."""
        return {**asdict(self), "where": list(self.where)}


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
        _drift(rows, splits),
        _jump(rows),
        _survivors(rows),
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


def _result(code: str, found: Sequence[tuple[str, str]], what: str, remedy: str) -> Finding:
    """Return found with the details, or clear."""
    if not found:
        return Finding(code, "clear", "nothing found")
    details = "; ".join(f"{where}: {detail}" for where, detail in found[:10])
    more = f" and {len(found) - 10} more" if len(found) > 10 else ""
    return Finding(code, "found", f"{what}: {details}{more}", tuple(where for where, _ in found), remedy)


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
    return _result("CHK113", found, CHECKS["CHK113"], remedy)


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
    return _result(
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
    return _result("CHK102", found, CHECKS["CHK102"], "The feature sees the future: filter its facts by known_at.")


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
    return _result("CHK103", found, CHECKS["CHK103"], "The column is written when an account leaves: exclude it.")


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
    return _result("CHK104", found, CHECKS["CHK104"], "Use the value as it was known at as_of, or exclude the column.")


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
    return _result("CHK105", found, CHECKS["CHK105"], "Look for copied accounts, or features that never change.")


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
    return _result("CHK106", found, CHECKS["CHK106"], "Leave at least so many days between them.")


def _drift(rows: pd.DataFrame, splits: Sequence[Split]) -> Finding:
    if not splits:
        return Finding("CHK107", "not_applicable", "no splits")
    found = []
    for split in splits:
        train, test = rows[rows["as_of"].isin(split.train)], rows[rows["as_of"].isin(split.test)]
        before, after = float(train["churned"].mean()), float(test["churned"].mean())
        if _differs(train, test, _SHIFT):
            found.append((split.name, f"{before:.1%} in training, {after:.1%} in test"))
    return _result(
        "CHK107",
        found,
        CHECKS["CHK107"],
        "Check the label's last window; if the change is real, train on recent dates.",
    )


def _jump(rows: pd.DataFrame) -> Finding:
    dates = sorted(rows["as_of"].unique())
    if len(dates) < 3:
        return Finding("CHK108", "not_applicable", "fewer than three labelled snapshots")
    by_date = dict(tuple(rows.groupby("as_of")))
    found = []
    for before, after in pairwise(dates):
        if _differs(by_date[before], by_date[after], _JUMP):
            rates = [f"{by_date[day]['churned'].mean():.1%}" for day in (before, after)]
            found.append((f"{pd.Timestamp(after):%Y-%m-%d}", f"from {rates[0]} to {rates[1]}"))
    return _result("CHK108", found, CHECKS["CHK108"], "Check whether the data are complete around that date.")


def _differs(before: pd.DataFrame, after: pd.DataFrame, factor: float) -> bool:
    """Whether two churn rates differ by `factor` and by far more than chance, an account counting once."""
    n = [side["account_id"].nunique() for side in (before, after)]
    rate = [float(side["churned"].mean()) for side in (before, after)]
    if min(n) < 30 or max(rate) == 0:
        return False
    pooled = (rate[0] * n[0] + rate[1] * n[1]) / sum(n)
    error = float(np.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1])))
    z = abs(rate[0] - rate[1]) / error if error > 0 else 0.0
    return max(rate) >= factor * min(rate) and 2 * norm.sf(z) < 1e-4


def _survivors(rows: pd.DataFrame) -> Finding:
    by_date = rows.groupby("as_of").agg(rows=("churned", "size"), churned=("churned", "sum"))
    if len(by_date) < 3 or by_date["churned"].sum() == 0:
        return Finding("CHK109", "not_applicable", "fewer than three labelled snapshots, or no churner")
    first = int(np.argmax(by_date["churned"].to_numpy() > 0))
    before, after = by_date.iloc[:first], by_date.iloc[first:]
    # Accounts at risk at the last silent date could each churn once: expect them at the later rate.
    rate = float(after["churned"].sum() / after["rows"].sum())
    expected = rate * float(before["rows"].max()) if len(before) else 0.0
    if len(before) == 0 or expected < _LEAST_CHURNERS:
        return Finding("CHK109", "clear", "nothing found")
    until = pd.Timestamp(by_date.index[first])
    return Finding(
        "CHK109",
        "found",
        f"{CHECKS['CHK109']}: no churner in {len(before)} snapshots before {until:%Y-%m-%d}, "
        f"where about {expected:.0f} were to be expected",
        (f"{until:%Y-%m-%d}",),
        f"Start at snapshots.first: {until:%Y-%m-%d}, or export the accounts lost before it.",
    )


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
    return _result(
        "CHK110", leaning, CHECKS["CHK110"], "Map tables.accounts.columns.known_at, or exclude the attribute."
    )


def _hindsight(rows: pd.DataFrame, feature_set: FeatureSet, label: LabelConfig) -> Finding:
    if label.target != "churn":
        return Finding("CHK111", "not_applicable", "the target is not churn: accounts do not leave")
    found = [(telltale.column, telltale.detail) for telltale in telltales(rows, feature_set)]
    return _result(
        "CHK111", found, CHECKS["CHK111"], "Use the value as it was known at as_of (known_at), or exclude the column."
    )


def _departure(rows: pd.DataFrame, label: LabelConfig, tables: Tables | None) -> Finding:
    if label.target != "churn" or label.churn == "silence" or tables is None:
        return Finding("CHK112", "not_applicable", "departures are no dated facts of their own here")
    found = [(fact.where, fact.detail) for fact in departure_facts(tables, rows)]
    return _result(
        "CHK112",
        found,
        CHECKS["CHK112"],
        "Check when these are written; leave them out of the mapping if that is late.",
    )
