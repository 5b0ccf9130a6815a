"""What a contact is worth: churn and lost ARR of accounts that were contacted against those held out by chance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict

from churnml.actions.uplift import UpliftReport
from churnml.config.experiments import ExperimentsConfig
from churnml.language import Argument, Text

__all__ = ["ArmFigures", "Effect", "ExperimentReport", "experiment_report"]

_LEAST_IN_ARM = 20
_LEAST_CHURNERS = 10
_LEVEL = 0.95


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True)


class ArmFigures(_Figures):
    """One arm of the experiment.

    Parameters
    ----------
    accounts : int
        Drawn into it; an account that took part twice counts twice.
    followed : int
        Of them followed to the end of their days.
    churned : int
    churn_rate : float or None
        Churned ÷ followed, 0–1.
    arr_lost : float
        ARR of those who churned, currency.
    worked : int or None
        Accounts on which somebody has done a task in that time.
    """

    accounts: int
    followed: int
    churned: int
    churn_rate: float | None
    arr_lost: float
    worked: int | None = None


class Effect(_Figures):
    """A difference between the arms, held out less contacted: above 0 the contact avoids it.

    Parameters
    ----------
    value : float
        Regression-adjusted.
    low, high : float
        95 % interval.
    """

    value: float
    low: float
    high: float


class ExperimentReport(_Figures):
    """What an experiment has shown so far.

    Parameters
    ----------
    name : str
    days : int
        How long each account is followed.
    share : float
        Share that is held out.
    first, last : date or None
        When the first and the last account was drawn.
    contacted, held_out : ArmFigures
    enough : bool
        Otherwise there is no estimate, and `why` says what is missing.
    why : Text or None
    churn_avoided : Effect or None
        Churn that a contact avoids, share of accounts.
    arr_saved : Effect or None
        ARR that a contact keeps, currency an account.
    looked_for : float
        The effect to look for, as a share of the churn.
    needed : int or None
        Accounts that must be followed to find it with the power that is asked for; None where churn is unknown.
    weeks : float or None
        From the last evaluation until it would show, at the pace so far; 0 where it would show by now.
    detectable : float or None
        The share of the churn that the accounts followed so far would show with that power; above 1: none would.
    segments : mapping
        Segment → its own report, without segments.
    uplift : UpliftReport or None
        A ranking by what a contact avoids beside that by risk; None where it was not asked for.
    ranked_by : {"risk", "uplift"}
        What the alert budget goes by.
    ranking_decided_at : datetime or None
        When that was decided last; None where it never was.
    ranking_holds_until : date or None
        Until when a decision for uplift holds; None by risk, which needs no proof.
    """

    name: str
    days: int
    share: float
    first: date | None
    last: date | None
    contacted: ArmFigures
    held_out: ArmFigures
    enough: bool
    why: Argument | None
    churn_avoided: Effect | None
    arr_saved: Effect | None
    looked_for: float
    needed: int | None
    weeks: float | None
    detectable: float | None
    segments: dict[str, ExperimentReport] = {}
    uplift: UpliftReport | None = None
    ranked_by: Literal["risk", "uplift"] = "risk"
    ranking_decided_at: datetime | None = None
    ranking_holds_until: date | None = None


def experiment_report(
    rows: pd.DataFrame, section: ExperimentsConfig, *, days: int, until: date, by_segment: bool = True
) -> ExperimentReport:
    """Compare the arms as they were drawn, whatever was done since.

    Parameters
    ----------
    rows : DataFrame
        One row per account and episode: ``arm, assigned_on, churn_probability, arr, segment`` as they were then,
        ``churned`` (1, 0; NaN where its days are not over or not wholly observed), and, where known, ``worked`` (bool).
    section : ExperimentsConfig
    days : int
        How long each account is followed.
    until : date
        The newest date that was evaluated.
    by_segment : bool
        Also within each segment.

    Notes
    -----
    The estimate is the regression with an arm, the covariates (log-odds of the churn probability and log ARR when the
    lot was drawn) about their means, and their products with the arm (Lin 2013, 10.1214/12-AOAS583); its interval
    comes from the HC3 variance. Both hold whatever the true shape is, and in large samples the interval is no wider
    than that of a bare comparison.
    """
    arm = rows["arm"].to_numpy(dtype=object)
    arms = {name: _arm(rows, arm == name) for name in ("contacted", "held_out")}
    followed = rows[rows["churned"].notna()]
    why = _missing(arms["contacted"], arms["held_out"])
    churn_avoided = arr_saved = None
    spread = 1.0
    if why is None:
        arr = followed["arr"].fillna(0.0).to_numpy(dtype=float)
        churned = followed["churned"].to_numpy(dtype=float)
        churn_avoided, spread = _adjusted(churned, followed)
        arr_saved, _ = _adjusted(churned * arr, followed)
    needed, weeks, detectable = _power(rows, followed, section, days, until, spread)
    segments = {}
    if by_segment and "segment" in rows:
        for name, own in rows.groupby("segment", sort=True):
            segments[str(name)] = experiment_report(own, section, days=days, until=until, by_segment=False)
    return ExperimentReport(
        name=section.name,
        days=days,
        share=section.share,
        first=None if rows.empty else min(rows["assigned_on"]),
        last=None if rows.empty else max(rows["assigned_on"]),
        **arms,
        enough=why is None,
        why=why,
        churn_avoided=churn_avoided,
        arr_saved=arr_saved,
        looked_for=section.effect,
        needed=needed,
        weeks=weeks,
        detectable=detectable,
        segments=segments,
    )


def _arm(rows: pd.DataFrame, belongs: npt.NDArray[np.bool_]) -> ArmFigures:
    churned = rows["churned"].to_numpy(dtype=np.float64, na_value=np.nan)[belongs]
    arr = rows["arr"].to_numpy(dtype=np.float64, na_value=np.nan)[belongs]
    followed = int(np.isfinite(churned).sum())
    left = churned == 1
    return ArmFigures(
        accounts=len(churned),
        followed=followed,
        churned=int(left.sum()),
        churn_rate=round(float(left.sum() / followed), 4) if followed else None,
        arr_lost=round(float(np.nansum(arr[left])), 2),
        worked=int(rows["worked"].to_numpy()[belongs].sum()) if "worked" in rows else None,
    )


def _missing(contacted: ArmFigures, held_out: ArmFigures) -> Text | None:
    """Return what is missing for an estimate; None where nothing is."""
    least = min(contacted.followed, held_out.followed)
    if least < _LEAST_IN_ARM:
        return Text.of("experiment-few_followed", n=least, least=_LEAST_IN_ARM)
    churned = contacted.churned + held_out.churned
    if churned < _LEAST_CHURNERS:
        return Text.of("experiment-few_churned", n=churned, least=_LEAST_CHURNERS)
    return None


def _adjusted(outcome: npt.NDArray[np.float64], rows: pd.DataFrame) -> tuple[Effect, float]:
    """Return the difference held out less contacted, and the share of the outcome's variance that is left."""
    from scipy.special import stdtrit

    held = (rows["arm"].to_numpy(dtype=object) == "held_out").astype(np.float64)
    covariates = _covariates(rows)
    design = np.column_stack([np.ones(len(held)), held, covariates, covariates * held[:, None]])
    design = design[:, _independent(design)]
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ outcome
    residual = outcome - design @ beta
    leverage = np.clip(np.einsum("ij,jk,ik->i", design, inverse, design), 0.0, 0.999)
    meat = (design * (residual / (1.0 - leverage))[:, None] ** 2).T @ design
    error = float(np.sqrt((inverse @ meat @ inverse)[1, 1]))
    wide = error * float(stdtrit(max(1, len(held) - design.shape[1]), (1 + _LEVEL) / 2))
    left = float(residual.var() / outcome.var()) if outcome.var() > 0 else 1.0
    value = float(beta[1])
    return Effect(value=round(value, 6), low=round(value - wide, 6), high=round(value + wide, 6)), min(1.0, left)


def _covariates(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    chance = np.clip(rows["churn_probability"].to_numpy(dtype=float), 1e-4, 1 - 1e-4)
    arr = np.log1p(np.clip(rows["arr"].to_numpy(dtype=float), 0.0, None))
    table = np.column_stack([np.log(chance / (1 - chance)), arr])
    means = np.array([np.mean(column[~np.isnan(column)]) if (~np.isnan(column)).any() else 0.0 for column in table.T])
    centred: npt.NDArray[np.float64] = np.where(np.isnan(table), 0.0, table - means)
    return centred


def _independent(design: npt.NDArray[np.float64]) -> Sequence[int]:
    """Return the columns that say something beyond those before them; the first two always stay."""
    columns = [0, 1]
    gram = design.T @ design
    for column in range(2, design.shape[1]):
        some = [*columns, column]
        if np.linalg.matrix_rank(gram[np.ix_(some, some)]) > len(columns):
            columns.append(column)
    return columns


def _power(
    rows: pd.DataFrame, followed: pd.DataFrame, section: ExperimentsConfig, days: int, until: date, spread: float
) -> tuple[int | None, float | None, float | None]:
    """Return the accounts needed for the effect to look for, the weeks until then, and the effect that would show now.

    Churn without contact is that of the held-out accounts, where enough are followed; before, what the model expects.
    """
    from scipy.special import ndtri

    held = followed["churned"].to_numpy(dtype=np.float64)[followed["arm"].to_numpy(dtype=object) == "held_out"]
    expected = rows["churn_probability"].dropna()
    base = float(held.mean()) if len(held) >= _LEAST_IN_ARM else float(expected.mean()) if len(expected) else np.nan
    if not 0 < base < 1:
        return None, None, None
    reach = float(ndtri((1 + _LEVEL) / 2) + ndtri(section.power))
    variance = base * (1 - base) * spread * (1 / section.share + 1 / (1 - section.share))
    needed = int(np.ceil((reach / (section.effect * base)) ** 2 * variance))
    detectable = None if followed.empty else round(reach * float(np.sqrt(variance / len(followed))) / base, 3)
    if len(followed) >= needed:
        return needed, 0.0, detectable
    pace = len(rows) / max(1.0, ((until - min(rows["assigned_on"])).days + 7) / 7)
    return needed, round(max(0, needed - len(rows)) / pace + days / 7, 1), detectable
