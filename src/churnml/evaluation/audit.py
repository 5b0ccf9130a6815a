"""The leakage audit: coded checks of a training frame, each found, clear or not applicable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.config import LabelConfig
from churnml.evaluation.departure_facts import departure_facts
from churnml.evaluation.finding import CHECKS, LEAKS, Finding, not_applicable, outcome
from churnml.evaluation.hindsight import account_rates, telltales
from churnml.evaluation.missing_shares import missing_shares
from churnml.evaluation.pauses import Pauses
from churnml.evaluation.rate_changes import drift, jump, survivors
from churnml.evaluation.totals import totals_of_today
from churnml.features.spec import FeatureSet
from churnml.language import Argument, Quantity, Several, Text
from churnml.metrics.predictions import roc_auc
from churnml.parallel import both
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
        return [not_applicable(code, "no_label") for code in CHECKS]

    def of_tables() -> list[Finding]:
        return [
            _cut_off(frame, feature_set, recompute),
            _undated(rows, feature_set, tables),
            _departure(rows, label, tables),
            _missing_otherwise(frame, rows, feature_set, recompute, tables),
        ]

    def of_rows() -> list[Finding]:
        return [
            _implausible(rows, feature_set),
            _filled(rows, feature_set),
            _decided(rows, feature_set),
            _same_rows(rows, feature_set, splits),
            _overlap(splits, label),
            drift(rows, splits),
            jump(rows),
            survivors(rows),
            _hindsight(rows, feature_set, label),
        ]

    # A connection serves the thread that it is used on: what asks the tables stays on this one.
    by_code = {finding.code: finding for part in both(of_tables, of_rows) for finding in part}
    return [by_code[code] for code in CHECKS]


def leaks(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that make a backtest worth nothing.

    Examples
    --------
    >>> [found.code for found in leaks([Finding("CHK101", "found", "…"), Finding("CHK107", "found", "…")])]
    ['CHK101']
    """
    return [finding for finding in findings if finding.status == "found" and finding.code in LEAKS]


def leak_reason(findings: Sequence[Finding]) -> Text | None:
    """Return one sentence on the leaks that were found, and the way out; None without any.

    Examples
    --------
    >>> leak_reason([Finding("CHK107", "found", "the churn rate changed")]) is None
    True
    """
    leaking = [Text.of("audit-coded", code=finding.code, what=finding.what) for finding in leaks(findings)]
    return Text.of("audit-leak", found=Several(parts=tuple(leaking))) if leaking else None


def _numeric(rows: pd.DataFrame, feature_set: FeatureSet) -> Iterator[tuple[str, Array]]:
    for spec in feature_set:
        if not spec.categorical:
            yield spec.name, rows[spec.name].to_numpy(dtype=np.float64, na_value=np.nan)


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
        return not_applicable("CHK113", "few_scored", n=_LEAST_SCORED)
    differing = missing_shares(rows, scored, feature_set, None if tables is None else Pauses(tables))
    columns: list[tuple[str, Argument]] = [
        (str(name), Text.of("audit-at_scoring", trained=_share(trained), now=_share(now)))
        for name, trained, now in differing.itertuples(index=False)
    ]
    return outcome("CHK113", columns)


def _share(value: float) -> Quantity:
    return Quantity(value=value, unit="share", digits=0)


def _implausible(rows: pd.DataFrame, feature_set: FeatureSet) -> Finding:
    y = rows["churned"].to_numpy(dtype=np.float64)
    if min(y.sum(), len(y) - y.sum()) < _LEAST_CHURNERS:
        return not_applicable("CHK101", "one_outcome", n=_LEAST_CHURNERS)
    columns: list[tuple[str, Argument]] = []
    for name, values in _numeric(rows, feature_set):
        known = ~np.isnan(values)
        if y[known].sum() < _LEAST_CHURNERS:
            continue
        auc = roc_auc(y[known], values[known])
        if auc is not None and max(auc, 1 - auc) >= _IMPLAUSIBLE_AUC:
            columns.append((name, Text.of("audit-auc", auc=Quantity(value=max(auc, 1 - auc), digits=3))))
    return outcome("CHK101", columns)


def _cut_off(
    frame: pd.DataFrame, feature_set: FeatureSet, recompute: Callable[[pd.Timestamp], pd.DataFrame] | None
) -> Finding:
    if recompute is None:
        return not_applicable("CHK102", "no_recompute")
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
            Text.of("audit-hindsight", n=len(missing), on=f"{day:%Y-%m-%d}"),
            ("cohort",),
            Text.of("audit-hindsight.remedy"),
        )
    short = short.reindex(full.index)
    columns: list[tuple[str, Argument]] = []
    for spec in feature_set:
        if spec.categorical:
            differs = full[spec.name].astype("object").fillna("") != short[spec.name].astype("object").fillna("")
        else:
            a, b = (side[spec.name].to_numpy(dtype=np.float64, na_value=np.nan) for side in (full, short))
            differs = pd.Series(~np.isclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True))
        if differs.any():
            columns.append(
                (spec.name, Text.of("audit-differs", n=int(differs.sum()), of=len(full), on=f"{day:%Y-%m-%d}"))
            )
    return outcome("CHK102", columns)


def _filled(rows: pd.DataFrame, feature_set: FeatureSet) -> Finding:
    churned = rows["churned"].to_numpy() == 1
    columns: list[tuple[str, Argument]] = []
    for name in feature_set.names:
        filled = rows[name].notna().to_numpy()
        for side, state in ((filled, "filled"), (~filled, "empty")):
            if _decides(rows, side, churned):
                columns.append((name, _rows(Text.of(f"audit-{state}"), side, churned)))
    return outcome("CHK103", columns)


def _decided(rows: pd.DataFrame, feature_set: FeatureSet) -> Finding:
    churned = rows["churned"].to_numpy() == 1
    columns: list[tuple[str, Argument]] = []
    for spec in feature_set:
        values = rows[spec.name]
        if not spec.categorical and values.nunique() > 10:
            continue
        for value in values.dropna().unique():
            side = (values == value).to_numpy(dtype=bool, na_value=False)
            if _decides(rows, side, churned):
                columns.append((spec.name, _rows(str(value), side, churned)))
    return outcome("CHK104", columns)


def _rows(value: Argument, side: npt.NDArray[np.bool_], churned: npt.NDArray[np.bool_]) -> Text:
    return Text.of("audit-rows", value=value, n=int(side.sum()), churned=int((side & churned).sum()))


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
    rich = [name for name, values in _numeric(rows, feature_set) if len(np.unique(values[~np.isnan(values)])) > 20]
    if len(rich) < 5 or not splits:
        return not_applicable("CHK105", "no_splits" if not splits else "few_columns")
    known = np.zeros(len(rows), dtype=np.intp)
    mark = np.zeros(len(rows), dtype=np.uint64)
    for name in rich:
        known += rows[name].notna().to_numpy()
        mark = mark * np.uint64(31) + pd.util.hash_array(rows[name].to_numpy())
    copied: list[tuple[str, Argument]] = []
    for split in splits:
        train = mark[rows["as_of"].isin(split.train).to_numpy() & (known >= 5)]
        test = mark[rows["as_of"].isin(split.test).to_numpy() & (known >= 5)]
        share = float(np.isin(test, train).mean()) if len(test) else 0.0
        if share >= _SAME_ROWS:
            copied.append((split.name, Text.of("audit-copied", share=_share(share))))
    return outcome("CHK105", copied)


def _overlap(splits: Sequence[Split], label: LabelConfig) -> Finding:
    if not splits:
        return not_applicable("CHK106", "no_splits")
    purge = pd.Timedelta(days=label.purge_days)
    overlaps: list[tuple[str, Argument]] = [
        (
            split.name,
            Text.of("audit-between", days=(split.test[0] - split.train[-1]).days, needed=purge.days),
        )
        for split in splits
        if split.test[0] - split.train[-1] < purge
    ]
    return outcome("CHK106", overlaps)


def _undated(rows: pd.DataFrame, feature_set: FeatureSet, tables: Tables | None) -> Finding:
    """Find attributes of today's value, where accounts have no history, that lean to who left."""
    if tables is None or "accounts" not in tables:
        return not_applicable("CHK110", "no_attributes")
    if tables.has("accounts", "known_at"):
        return Finding("CHK110", "clear", Text.of("audit-off-history"))
    fixed = {column.name for column in TABLES["accounts"].columns if not column.mutable}
    leaning: list[tuple[str, Argument]] = []
    names = []
    for spec in feature_set:
        name = spec.name.removeprefix(_ATTRIBUTE)
        if spec.table != "accounts" or not spec.name.startswith(_ATTRIBUTE) or name in fixed:
            continue
        names.append(name)
        splits = account_rates(rows, spec.name)
        leaning += [(spec.name, split.text) for split in splits if split.decides(_LEANS, split.share / _LEANS_TIMES)]
    leaning += [(f"{_ATTRIBUTE}{name}", detail) for name, detail in totals_of_today(tables, names)]
    return outcome("CHK110", leaning)


def _hindsight(rows: pd.DataFrame, feature_set: FeatureSet, label: LabelConfig) -> Finding:
    if label.target != "churn":
        return not_applicable("CHK111", "other_target")
    columns: list[tuple[str, Argument]] = [
        (telltale.column, telltale.detail) for telltale in telltales(rows, feature_set)
    ]
    return outcome("CHK111", columns)


def _departure(rows: pd.DataFrame, label: LabelConfig, tables: Tables | None) -> Finding:
    if label.target != "churn" or label.churn == "silence" or tables is None:
        return not_applicable("CHK112", "no_departures")
    facts: list[tuple[str, Argument]] = [(fact.where, fact.detail) for fact in departure_facts(tables, rows)]
    return outcome("CHK112", facts)
