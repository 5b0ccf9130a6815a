"""Splits by date: a fold trains on snapshots whose labels are known when its first test snapshot is asked about.

A label is known once its window has ended and nothing can change it any more: a contract that lapsed may still be
renewed within the days of grace, facts may come late. There is no random split. A split whose training windows reach
into the test period is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from churnml.config import FixedSplit, LabelConfig
from churnml.config.needs import SplitSections
from churnml.errors import TimelineError, TrainingError

__all__ = ["Split", "splits"]


@dataclass(frozen=True)
class Split:
    """One train/test split of as-of dates.

    Parameters
    ----------
    name : str
        ``"fold 1"`` is the oldest.
    train, test : tuple of Timestamp
        As-of dates, ascending. The last of `train` is at least ``label.purge_days`` before the first of `test`.
    """

    name: str
    train: tuple[pd.Timestamp, ...]
    test: tuple[pd.Timestamp, ...]

    def purged(self, dates: Sequence[pd.Timestamp]) -> list[pd.Timestamp]:
        """Return the as-of dates between training and test that the purge left out."""
        return [date for date in dates if self.train[-1] < date < self.test[0]]


def splits(spine: pd.DataFrame, config: SplitSections) -> list[Split]:
    """Split the labelled snapshots of a spine by date.

    Rolling-origin folds count back from the newest labelled snapshot: each tests on ``splits.test_snapshots``
    consecutive ones (months, where snapshots are anchored at renewals) and trains on everything whose labels were known
    by then: gap, horizon, grace and settle days older. Folds that would train on fewer than ``model.min_churners``
    churned accounts are left out. Of a fixed split, training snapshots whose windows have ended but whose labels were
    not known yet are left out too.

    Parameters
    ----------
    spine : DataFrame
        From `churnml.snapshots.spine`; rows without a label are ignored.
    config : Config
        Any object with the sections `label`, `snapshots`, `splits`, `model`.

    Returns
    -------
    list of Split
        Oldest first, at least one.

    Raises
    ------
    TimelineError
        Not one fold is possible, or a fixed split leaks or is empty.
    TrainingError
        Nobody churned, or everybody did.
    """
    labelled = spine[spine["churned"].notna()]
    purge = pd.Timedelta(days=config.label.purge_days)
    if labelled.empty:
        raise _nothing_labelled(spine, config.label)
    _refuse_one_class(labelled, config.label)
    dates = [pd.Timestamp(date) for date in sorted(labelled["as_of"].unique())]
    if config.splits.fixed:
        return [_fixed(number, fixed, dates, config.label) for number, fixed in enumerate(config.splits.fixed, start=1)]
    churners = labelled[labelled["churned"] == 1]
    blocks = _blocks(dates, by_month=bool(config.snapshots.before_renewal_days))
    size = config.splits.test_snapshots
    folds: list[Split] = []
    most = 0
    for fold in range(config.splits.folds):
        stop = len(blocks) - fold * size
        if stop - size < 1:
            break
        test = tuple(date for block in blocks[stop - size : stop] for date in block)
        train = tuple(date for date in dates if date + purge <= test[0])
        in_train = int(churners.loc[churners["as_of"].isin(train), "account_id"].nunique())
        most = max(most, in_train)
        if not train or in_train < config.model.min_churners:
            break
        folds.append(Split("", train, test))
    if not folds:
        _refuse_few_churners(labelled, config)
        raise _no_fold(dates, most, config)
    named = [Split(f"fold {number}", s.train, s.test) for number, s in enumerate(reversed(folds), start=1)]
    for split in named:
        _verify_purge(split, purge)
    return named


def _blocks(dates: list[pd.Timestamp], *, by_month: bool) -> list[list[pd.Timestamp]]:
    if not by_month:
        return [[date] for date in dates]
    months: dict[tuple[int, int], list[pd.Timestamp]] = {}
    for date in dates:
        months.setdefault((date.year, date.month), []).append(date)
    return list(months.values())


def _fixed(number: int, fixed: FixedSplit, dates: list[pd.Timestamp], label: LabelConfig) -> Split:
    where = f"splits.fixed[{number - 1}]"
    after = pd.Timestamp(fixed.train_from) if fixed.train_from else dates[0]
    train = tuple(date for date in dates if after <= date <= pd.Timestamp(fixed.train_until))
    test = tuple(date for date in dates if pd.Timestamp(fixed.test_from) <= date <= pd.Timestamp(fixed.test_until))
    for side, found in (("training", train), ("test", test)):
        if not found:
            raise TimelineError(
                f"A fixed split has no labelled {side} snapshot",
                where=where,
                expected=f"dates between {dates[0]:%Y-%m-%d} and {dates[-1]:%Y-%m-%d}, the labelled snapshots",
                remedy="Move the bounds, or extract more data.",
                code="data.timeline.empty_split",
            )
    windows = pd.Timedelta(days=label.gap_days + label.horizon_days)
    _verify_purge(Split(f"fold {number}", train, test), windows, where)
    known = tuple(date for date in train if date + pd.Timedelta(days=label.purge_days) <= test[0])
    if not known:
        raise TimelineError(
            "A fixed split has no training snapshot whose labels were known before its test period",
            where=where,
            got=f"training until {train[-1]:%Y-%m-%d}, test from {test[0]:%Y-%m-%d}",
            expected=f"{label.purge_days} days between: gap, horizon, grace and settling",
            remedy="Move the bounds, or extract more data.",
            code="data.timeline.empty_split",
        )
    return Split(f"fold {number}", known, test)


def _verify_purge(split: Split, purge: pd.Timedelta, where: str = "splits") -> None:
    """Refuse a split whose last training label window is still open when the test period begins."""
    room = split.test[0] - split.train[-1]
    if room < purge:
        raise TimelineError(
            f"{split.name} leaks: the labels of its last training snapshot reach into the test period",
            where=where,
            got=f"{room.days} days between {split.train[-1]:%Y-%m-%d} and {split.test[0]:%Y-%m-%d}",
            expected=f"at least {purge.days} days",
            remedy=f"Train until {split.test[0] - purge:%Y-%m-%d} at the latest.",
            code="data.timeline.leak",
        )


def _refuse_one_class(labelled: pd.DataFrame, label: LabelConfig) -> None:
    positives = int((labelled["churned"] == 1).sum())
    if positives and positives < len(labelled):
        return
    first, last = labelled["as_of"].min(), labelled["as_of"].max()
    everybody, happened = positives > 0, label.words.happened
    raise TrainingError(
        f"Every account {happened} in every snapshot" if everybody else f"No account {happened} in any snapshot",
        where="label",
        got=f"{positives} {happened} of {len(labelled)} labelled rows, as_of {first:%Y-%m-%d} to {last:%Y-%m-%d}",
        expected="some of both",
        remedy="Check label.change_share and label.expansion_by, and the mapping of mrr, seats and opportunities; a "
        "longer label.horizon_days or a longer history also helps."
        if label.target != "churn"
        else (
            "Check label.churn, label.grace_days and the mapping of subscription ends: an end that every export row "
            "carries is often the billing period's, not the contract's."
            if everybody
            else "Check label.silence_days and label.activity: events that go on without a customer hide a silence; a "
            "longer history also helps."
            if label.churn == "silence"
            else "Check label.churn and the mapping of ends (ends_on, terminated_on); a longer label.horizon_days or a "
            "longer history also helps."
        ),
        code="training.all_churned" if everybody else "training.no_churner",
    )


def _refuse_few_churners(labelled: pd.DataFrame, config: SplitSections) -> None:
    """Say that too few accounts churned, where a longer training period could not help."""
    churners = int(labelled.loc[labelled["churned"] == 1, "account_id"].nunique())
    if churners >= config.model.min_churners:
        return
    label, words = config.label, config.label.words
    first, last = labelled["as_of"].min(), labelled["as_of"].max()
    if label.target != "churn":
        check = "label.change_share, label.expansion_by and the mapping of mrr, seats and opportunities"
    elif label.churn == "silence":
        check = "label.silence_days and label.activity: events that go on without a customer hide a silence"
    else:
        check = (
            "label.grace_days and the mapping of ends (ends_on, terminated_on): an end that the export does not show "
            "cannot be learnt"
        )
    raise TrainingError(
        f"Only {churners} of {labelled['account_id'].nunique()} accounts {words.happened}",
        where="label",
        got=f"snapshots from {first:%Y-%m-%d} to {last:%Y-%m-%d}, {label.horizon_days} days ahead of each",
        expected=f"at least {config.model.min_churners} (model.min_churners)",
        remedy=f"Check {check}. If it is so, few leave: a longer history or label.horizon_days gives more of them, and "
        "until then health goes by rules (health.alpha: 0).",
        code="training.few_churners",
    )


def _nothing_labelled(spine: pd.DataFrame, label: LabelConfig) -> TimelineError:
    need = label.purge_days
    first = spine["as_of"].min() if len(spine) else None
    return TimelineError(
        "No snapshot has a final label" if len(spine) else "No account is in the cohort of any snapshot",
        where="label" if len(spine) else "cohort",
        got=f"{len(spine)} rows" + (f", the oldest as_of is {first:%Y-%m-%d}" if first is not None else ""),
        expected=f"{need} observed days after a snapshot (gap + horizon + grace + settle)" if len(spine) else None,
        remedy="Extract a longer history, or shorten label.horizon_days."
        if len(spine)
        else "Check the cohort section and that subscriptions or events cover the snapshot dates.",
        code="data.timeline.no_label",
    )


def _no_fold(dates: list[pd.Timestamp], churners: int, config: SplitSections) -> TimelineError:
    purge = config.label.purge_days
    return TimelineError(
        "The history is too short for a single honest backtest fold",
        where="splits",
        got=f"{len(dates)} labelled snapshots from {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}, "
        f"at most {churners} accounts that {config.label.words.happened} to train on",
        expected=f"{config.splits.test_snapshots} test snapshots, {purge} days before them purged, and training "
        f"snapshots with {config.model.min_churners} such accounts before that",
        remedy="Extract a longer history, lower splits.test_snapshots, shorten label.horizon_days, "
        "or take weekly snapshots.",
        code="data.timeline.too_short",
    )
