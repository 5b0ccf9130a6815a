"""Whether a model is due to be trained anew: by its age, by drift with effect, by what it really lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from churnml.language import Quantity, Text
from churnml.monitoring.alarms import DAYS_PER_MONTH, Alarm

__all__ = ["RetrainingDecision", "RetrainingReason", "decay_days", "decide_retraining"]

_USUAL_DAYS = 182
_BY_ALARM = {"MON201": "MON402", "MON301": "MON403"}


@dataclass(frozen=True)
class RetrainingReason:
    """Why a model is due: ``MON401`` by age, ``MON402`` by drift with effect, ``MON403`` by realised loss."""

    code: str
    said: Text


@dataclass(frozen=True)
class RetrainingDecision:
    """Whether a model is due to be trained anew.

    Parameters
    ----------
    due : bool
    reasons : tuple of RetrainingReason
        Empty where it is not due.
    model_version : str or None
        The model judged; None where there is none yet.
    age_days : int or None
        Days since the newest label that it has learnt from became final.
    due_days : int
        Age at which it is due whatever else.
    measured : bool
        Whether that age follows from a decay that the backtest measured.
    """

    due: bool
    reasons: tuple[RetrainingReason, ...]
    model_version: str | None
    age_days: int | None
    due_days: int
    measured: bool = False


def decay_days(backtest: Mapping[str, Any]) -> int | None:
    """Return the age at which the backtest's old model began to lose against newer ones beyond noise.

    None where no loss beyond noise showed: that tells how long it was looked at, not when a model is old.

    Parameters
    ----------
    backtest : mapping
        A backtest's report, with ``decay`` as `churnml.evaluation.diagnostics.decay` measures it.

    Examples
    --------
    >>> decay_days({"decay": {"retrain_every_months": 2, "months": [{"log_loss_excess": {"low": 0.01}}]}})
    61
    >>> decay_days({"decay": {"retrain_every_months": 9, "months": [{"log_loss_excess": {"low": -0.01}}]}}) is None
    True
    """
    decay = backtest.get("decay") or {}
    worse = [month for month in decay.get("months", ()) if ((month.get("log_loss_excess") or {}).get("low") or 0.0) > 0]
    months = decay.get("retrain_every_months")
    return round(max(months, 1) * DAYS_PER_MONTH) if worse and months is not None else None


def decide_retraining(
    *,
    model_version: str | None,
    learnt_until: date | None,
    as_of: date,
    measured_days: int | None,
    retrain_after_days: int | None,
    alarms: Sequence[Alarm] = (),
) -> RetrainingDecision:
    """Decide whether a model is due.

    Parameters
    ----------
    model_version : str or None
        The champion; None where there is none, which is then due.
    learnt_until : date or None
        First day that nothing it has learnt from lies on or after.
    as_of : date
        Today.
    measured_days : int or None
        From `decay_days`.
    retrain_after_days : int or None
        The config's own age; None takes the measured one, or half a year where none was measured.
    alarms : sequence of Alarm
        Of the newest monitoring; drift with effect and realised loss make a model due.

    Examples
    --------
    >>> old = decide_retraining(model_version="a", learnt_until=date(2025, 1, 1), as_of=date(2026, 1, 1),
    ...                         measured_days=None, retrain_after_days=None)
    >>> old.due, [reason.code for reason in old.reasons]
    (True, ['MON401'])
    """
    due_days = retrain_after_days or measured_days or _USUAL_DAYS
    measured = retrain_after_days is None and measured_days is not None
    if model_version is None or learnt_until is None:
        none = RetrainingReason("MON401", Text.of("retrain-MON401.none"))
        return RetrainingDecision(True, (none,), None, None, due_days, measured)
    age = (as_of - learnt_until).days
    reasons = []
    if age >= due_days:
        how = "configured" if retrain_after_days else "measured" if measured else "usual"
        lasts = {"age": Quantity(value=age, unit="days"), "due": Quantity(value=due_days, unit="days")}
        reasons.append(RetrainingReason("MON401", Text.of(f"retrain-MON401.{how}", **lasts)))
    for alarm_code, code in _BY_ALARM.items():
        those = [alarm for alarm in alarms if alarm.code == alarm_code]
        if those:
            reasons.append(RetrainingReason(code, Text.of(f"retrain-{code}", n=len(those), said=those[0].said)))
    return RetrainingDecision(bool(reasons), tuple(reasons), model_version, age, due_days, measured)
