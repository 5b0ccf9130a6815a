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
from churnml.language import Text

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
    labelled = spine.loc[spine["churned"].notna(), ["account_id", "as_of", "churned"]]
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
    for side, own_dates in (("training", train), ("test", test)):
        if not own_dates:
            raise TimelineError(
                Text.of(f"fault-split_empty.{side}"),
                where=where,
                expected=Text.of("fault-split_empty.dates", first=_iso(dates[0]), last=_iso(dates[-1])),
                remedy=Text.of("fault-split_empty.move"),
                code="data.timeline.empty_split",
            )
    windows = pd.Timedelta(days=label.gap_days + label.horizon_days)
    _verify_purge(Split(f"fold {number}", train, test), windows, where)
    known = tuple(date for date in train if date + pd.Timedelta(days=label.purge_days) <= test[0])
    if not known:
        raise TimelineError(
            Text.of("fault-split_not_known", days=str(label.purge_days)),
            where=where,
            got=Text.of("fault-split_not_known.got", trained=f"{train[-1]:%Y-%m-%d}", tested=f"{test[0]:%Y-%m-%d}"),
            code="data.timeline.empty_split",
        )
    return Split(f"fold {number}", known, test)


def _verify_purge(split: Split, purge: pd.Timedelta, where: str = "splits") -> None:
    """Refuse a split whose last training label window is still open when the test period begins."""
    room = split.test[0] - split.train[-1]
    if room < purge:
        raise TimelineError(
            Text.of(
                "fault-split_leaks", name=split.name, days=str(purge.days), until=f"{split.test[0] - purge:%Y-%m-%d}"
            ),
            where=where,
            got=Text.of(
                "fault-split_leaks.got",
                days=str(room.days),
                trained=f"{split.train[-1]:%Y-%m-%d}",
                tested=f"{split.test[0]:%Y-%m-%d}",
            ),
            code="data.timeline.leak",
        )


def _refuse_one_class(labelled: pd.DataFrame, label: LabelConfig) -> None:
    positives = int((labelled["churned"] == 1).sum())
    if positives and positives < len(labelled):
        return
    first, last = labelled["as_of"].min(), labelled["as_of"].max()
    everybody, happened = positives > 0, Text.of(f"target-happened.{label.target}")
    if label.target != "churn":
        check = "change"
    elif everybody:
        check = "ends"
    else:
        check = "silence" if label.churn == "silence" else "mapping"
    raise TrainingError(
        Text.of("fault-one_class.every" if everybody else "fault-one_class.none", happened=happened),
        where="label",
        got=Text.of(
            "fault-one_class.got",
            positives=positives,
            happened=happened,
            rows=len(labelled),
            first=_iso(first),
            last=_iso(last),
        ),
        expected=Text.of("fault-one_class.both"),
        remedy=Text.of(f"fault-one_class.{check}"),
        code="training.all_churned" if everybody else "training.no_churner",
    )


def _refuse_few_churners(labelled: pd.DataFrame, config: SplitSections) -> None:
    """Say that too few accounts churned, where a longer training period could not help."""
    churners = int(labelled.loc[labelled["churned"] == 1, "account_id"].nunique())
    if churners >= config.model.min_churners:
        return
    label = config.label
    first, last = labelled["as_of"].min(), labelled["as_of"].max()
    check = "change" if label.target != "churn" else "silence" if label.churn == "silence" else "mapping"
    raise TrainingError(
        Text.of(
            "fault-few_churners",
            n=churners,
            accounts=int(labelled["account_id"].nunique()),
            happened=Text.of(f"target-happened.{label.target}"),
            least=config.model.min_churners,
        ),
        where="label",
        got=Text.of("fault-few_churners.got", first=_iso(first), last=_iso(last), days=label.horizon_days),
        remedy=Text.of(f"fault-few_churners.{check}"),
        code="training.few_churners",
    )


def _nothing_labelled(spine: pd.DataFrame, label: LabelConfig) -> TimelineError:
    if not len(spine):
        return TimelineError(Text.of("fault-no_cohort"), where="cohort", code="data.timeline.no_label")
    return TimelineError(
        Text.of("fault-no_label", days=label.purge_days),
        where="label",
        got=Text.of("fault-no_label.got", rows=len(spine), first=_iso(spine["as_of"].min())),
        code="data.timeline.no_label",
    )


def _no_fold(dates: list[pd.Timestamp], churners: int, config: SplitSections) -> TimelineError:
    return TimelineError(
        Text.of(
            "fault-no_fold",
            snapshots=config.splits.test_snapshots,
            purge=config.label.purge_days,
            least=config.model.min_churners,
        ),
        where="splits",
        got=Text.of(
            "fault-no_fold.got",
            n=len(dates),
            first=_iso(dates[0]),
            last=_iso(dates[-1]),
            churners=churners,
            happened=Text.of(f"target-happened.{config.label.target}"),
        ),
        code="data.timeline.too_short",
    )


def _iso(date: pd.Timestamp) -> str:
    return f"{date:%Y-%m-%d}"
