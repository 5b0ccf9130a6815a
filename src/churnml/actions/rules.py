"""Alert rules: when each fires, when its cause is gone, and in what words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.actions.signals import BAND_ORDER
from churnml.config.alerts import AlertRuleConfig, AlertsConfig, Condition, Role, Severity, Touch
from churnml.errors import ConfigError, near_name
from churnml.language import Quantity, Text, Words

__all__ = ["BUILT_IN", "DEFAULT_BANDS", "AlertRule", "Bands", "Finding", "alert_rules", "findings", "sentence"]

Array = npt.NDArray[np.float64]

_MONTHLY_TERM_DAYS = 45
"""A shorter term is a subscription that runs from month to month: its end is no renewal to prepare."""


@dataclass(frozen=True)
class AlertRule:
    """One rule with its settings.

    Parameters
    ----------
    kind : str
        Its name; an account has at most one open alert of a kind.
    threshold : float
        What it compares with; the unit is the rule's own.
    severity, due_hours, owner, playbook
        How urgent, until when, for whom, how.
    needs : tuple of str
        Columns or patterns (``champions_left_*``) of the signals; where one is missing the rule is off.
    detect : callable
        ``(signals, rule, red_below, green_from)`` → frame of one row per account with ``holds`` (bool), ``gone``
        (bool: the cause is gone, with hysteresis), ``value`` (float) and ``reference`` (float).
    enabled, segments, touch, title
        See `churnml.config.alerts.AlertRuleConfig`.
    hysteresis : float
        Health points.
    """

    kind: str
    threshold: float
    severity: Severity
    due_hours: int
    owner: Role
    playbook: str | None
    needs: tuple[str, ...]
    detect: Callable[[pd.DataFrame, AlertRule, Bands], pd.DataFrame]
    enabled: bool = True
    segments: tuple[str, ...] = ()
    touch: tuple[Touch, ...] = ("high", "low")
    title: Mapping[str, str] | None = None
    hysteresis: float = 5.0

    def missing(self, signals: pd.DataFrame) -> str | None:
        """Return what the rule needs and the signals do not hold, or None."""
        return next((need for need in self.needs if _column(signals, need) is None), None)


@dataclass(frozen=True)
class Bands:
    """Where red ends and green begins, health points."""

    red_below: float = 40.0
    green_from: float = 70.0


DEFAULT_BANDS = Bands()


@dataclass(frozen=True)
class Finding:
    """What a rule says of one account.

    Parameters
    ----------
    account_id, kind : str
    holds, gone : bool
        The rule fires; its cause is gone. Between the two an open alert stays as it is.
    value, reference : float
        The account's number, and what it is held against (NaN where there is nothing).
    """

    account_id: str
    kind: str
    holds: bool
    gone: bool
    value: float
    reference: float


def alert_rules(section: AlertsConfig) -> list[AlertRule]:
    """Return the rules in force: the built-in ones with the config's changes, then the company's own.

    Raises
    ------
    ConfigError
        An entry is no built-in rule and has no `when`.
    """
    rules = []
    for kind, built_in in BUILT_IN.items():
        rules.append(_changed(built_in, section.rules.get(kind), section))
    for kind, given in section.rules.items():
        if kind in BUILT_IN:
            continue
        if not given.when:
            near = near_name(kind, list(BUILT_IN))
            raise ConfigError(
                f"There is no alert rule {kind!r}",
                where=f"alerts.rules.{kind}",
                expected=f"did you mean {near!r}?" if near else f"one of {', '.join(BUILT_IN)}, or `when` conditions",
                remedy="A rule of your own needs `when`: a list of field with above, below or equals.",
            )
        fields = tuple(item.field for item in given.when)
        own = AlertRule(kind, np.nan, "medium", 72, "csm", None, fields, _own(given.when))
        rules.append(_changed(own, given, section))
    return rules


def findings(signals: pd.DataFrame, rules: list[AlertRule], bands: Bands) -> tuple[list[Finding], dict[str, str]]:
    """Apply rules to the signals.

    Parameters
    ----------
    signals : DataFrame
        From `churnml.actions.signals.signals`.
    rules : list of AlertRule
    bands : Bands

    Returns
    -------
    findings, off : list of Finding, dict
        What holds or is gone, by account and rule; and per rule that cannot be judged the column it lacks.
    """
    found: list[Finding] = []
    off: dict[str, str] = {}
    for rule in rules:
        lacking = rule.missing(signals)
        if lacking is not None:
            off[rule.kind] = lacking
            continue
        verdict = rule.detect(signals, rule, bands)
        asked = signals["touch"].isin(rule.touch)
        if rule.segments:
            asked &= signals["segment"].isin(rule.segments) if "segment" in signals else False
        holds = verdict["holds"].to_numpy(dtype=bool) & asked.to_numpy() & rule.enabled
        for at in np.flatnonzero(holds | verdict["gone"].to_numpy(dtype=bool)):
            row = verdict.iloc[at]
            found.append(
                Finding(
                    str(signals["account_id"].iloc[at]),
                    rule.kind,
                    bool(holds[at]),
                    bool(row["gone"]),
                    float(row["value"]),
                    float(row["reference"]),
                )
            )
    return found, off


def sentence(rule: AlertRule, finding: Finding) -> Text:
    """Return in words what the rule has found."""
    if rule.title:
        return Text.of("alert-own", title=Words(by_language=dict(rule.title)))
    if rule.kind not in BUILT_IN:
        return Text.of("alert-own", title=Words(by_language={"": rule.kind.replace("_", " ")}))
    unit = _UNITS.get(rule.kind, "")
    numbers = {"n": finding.value, "before": finding.reference}
    return Text.of(
        f"alert-{rule.kind}",
        **{name: Quantity(value=number, unit=unit) for name, number in numbers.items() if np.isfinite(number)},
    )


def _changed(rule: AlertRule, given: AlertRuleConfig | None, section: AlertsConfig) -> AlertRule:
    if given is None:
        return replace(rule, hysteresis=section.hysteresis_points)
    changes = {
        name: value
        for name in ("threshold", "severity", "due_hours", "owner", "playbook")
        if (value := getattr(given, name)) is not None
    }
    return replace(
        rule,
        **changes,
        enabled=given.enabled,
        segments=given.segments,
        touch=given.touch,
        title=given.title or None,
        hysteresis=section.hysteresis_points,
    )


def _column(signals: pd.DataFrame, need: str) -> str | None:
    """Return the column that is needed; of a pattern's windows the one nearest to 28 days."""
    if not need.endswith("*"):
        return need if need in signals else None
    windows = {
        int(match.group(1)): str(name)
        for name in signals.columns
        if (match := re.fullmatch(re.escape(need[:-1]) + r"(\d+)d", str(name)))
    }
    return windows[min(windows, key=lambda window: (abs(window - 28), window))] if windows else None


def _numbers(signals: pd.DataFrame, need: str) -> Array:
    name = _column(signals, need)
    assert name is not None
    return signals[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _verdict(
    holds: npt.NDArray[np.bool_], gone: npt.NDArray[np.bool_], value: Array, reference: Array | float = np.nan
) -> pd.DataFrame:
    return pd.DataFrame({"holds": holds, "gone": gone, "value": value, "reference": reference})


def _band_drop(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    health = _numbers(signals, "health_score")
    before: Array = np.asarray(signals["band_before"].map(BAND_ORDER), dtype=np.float64)
    holds = np.isfinite(before)
    back = health >= bands.green_from + rule.hysteresis
    return _verdict(holds, back, health, before)


def _score_fall(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    health, peak = _numbers(signals, "health_score"), _numbers(signals, "health_peak_30d")
    fall = peak - health
    return _verdict(fall >= rule.threshold, fall < rule.threshold - rule.hysteresis, health, peak)


def _above(need: str, *, gone_below: float | None = None) -> Callable[[pd.DataFrame, AlertRule, Bands], pd.DataFrame]:
    """Return a detector: a column at or above the threshold; gone below a share of it (all of it by default)."""

    def detect(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
        value = _numbers(signals, need)
        edge = rule.threshold if gone_below is None else gone_below
        return _verdict(value >= rule.threshold, value < edge, value)

    return detect


def _usage_collapse(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    # A trend is (recent − before) ÷ (recent + before); the fall as a share of before follows from it.
    trend = _numbers(signals, "events_trend_*")
    with np.errstate(divide="ignore", invalid="ignore"):
        fall = np.where(trend >= 0, 0.0, 1.0 - (1.0 + trend) / (1.0 - trend))
    fall = np.where(np.isnan(trend), np.nan, fall)
    return _verdict(fall >= rule.threshold, fall < 0.8 * rule.threshold, fall)


def _renewal_near(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    left, term, health = (_numbers(signals, name) for name in ("days_to_renewal", "term_days", "health_score"))
    near = (left >= 0) & (left <= rule.threshold) & (term > _MONTHLY_TERM_DAYS)
    green = (signals["band"] == "green").to_numpy()
    renewed = ~(left <= rule.threshold) | (health >= bands.green_from + rule.hysteresis)
    return _verdict(near & ~green, renewed, left)


def _onboarding_stalled(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    quiet, done = _numbers(signals, "days_since_last_milestone"), _numbers(signals, "onboarding_completion")
    return _verdict((quiet >= rule.threshold) & (done < 1.0), ~(quiet >= rule.threshold) | (done >= 1.0), quiet)


def _nps_detractor(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    score, age = _numbers(signals, "nps_last"), _numbers(signals, "nps_age_days")
    return _verdict((score <= rule.threshold) & (age <= 30), (score > rule.threshold) | (age > 90), score)


def _score_unknown(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    unknown = (signals["band"] == "unknown").to_numpy()
    return _verdict(unknown, ~unknown, _numbers(signals, "coverage"))


def _expansion_chance(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    used, green = _numbers(signals, "seat_utilisation_*"), (signals["band"] == "green").to_numpy()
    return _verdict((used >= rule.threshold) & green, ~(used >= 0.9 * rule.threshold), used)


def _own(when: tuple[Condition, ...]) -> Callable[[pd.DataFrame, AlertRule, Bands], pd.DataFrame]:
    def detect(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
        holds = np.ones(len(signals), dtype=bool)
        for item in when:
            if item.equals is not None:
                holds &= (signals[item.field].astype("object") == item.equals).to_numpy()
            else:
                value = _numbers(signals, item.field)
                above, below = item.above, item.below
                holds &= value > above if above is not None else value < (np.nan if below is None else below)
        return _verdict(holds, ~holds, np.full(len(signals), np.nan))

    return detect


_CHAMPIONS, _SILENCE, _INVOICES = "champions_left_*", "days_since_last_event", "invoices_overdue"
_RENEWAL = ("days_to_renewal", "term_days", "health_score")
_ONBOARDING = ("days_since_last_milestone", "onboarding_completion")

_UNITS = {
    "score_fall": "points",
    "silence": "days",
    "usage_collapse": "share",
    "champion_left": "champions",
    "renewal_near": "days",
    "onboarding_stalled": "days",
    "invoice_overdue": "invoices",
    "expansion_chance": "share",
}

_RULES = (
    AlertRule("notice_given", 1, "critical", 24, "csm", None, ("notice_given",), _above("notice_given")),
    AlertRule("champion_left", 1, "high", 48, "csm", "champion_left", (_CHAMPIONS,), _above(_CHAMPIONS)),
    AlertRule("silence", 28, "high", 72, "csm", "silence", (_SILENCE,), _above(_SILENCE)),
    AlertRule("usage_collapse", 0.6, "high", 72, "csm", None, ("events_trend_*",), _usage_collapse),
    AlertRule("band_drop", 2, "high", 72, "csm", None, ("band_before", "health_score"), _band_drop),
    AlertRule("score_fall", 15, "medium", 72, "csm", None, ("health_peak_30d", "health_score"), _score_fall),
    AlertRule("renewal_near", 90, "medium", 120, "csm", None, _RENEWAL, _renewal_near),
    AlertRule("invoice_overdue", 1, "medium", 120, "finance", "overdue_invoice", (_INVOICES,), _above(_INVOICES)),
    AlertRule("nps_detractor", 6, "medium", 72, "csm", None, ("nps_last", "nps_age_days"), _nps_detractor),
    AlertRule("onboarding_stalled", 14, "medium", 120, "csm", None, _ONBOARDING, _onboarding_stalled),
    AlertRule("score_unknown", 0, "low", 240, "csm", None, ("coverage",), _score_unknown),
    AlertRule("expansion_chance", 0.9, "low", 240, "sales", None, ("seat_utilisation_*",), _expansion_chance),
)
BUILT_IN: dict[str, AlertRule] = {rule.kind: rule for rule in _RULES}
"""The built-in rules, the most urgent first. Thresholds are conventions of the field, not findings."""
