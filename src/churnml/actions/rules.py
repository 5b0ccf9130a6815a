"""Alert rules: when each fires, when its cause is gone, and in what words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.actions.signals import BAND_ORDER
from churnml.config.alerts import AlertRuleConfig, AlertsConfig, Condition, Role, Severity, Touch
from churnml.errors import ConfigError, near_name
from churnml.language import Quantity, Text, Words, one_of

__all__ = [
    "BUILT_IN",
    "DEFAULT_BANDS",
    "NOT_OF_RISK",
    "AlertRule",
    "Bands",
    "Finding",
    "alert_rules",
    "conditions",
    "findings",
    "sentence",
    "verdict_frame",
]

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


def alert_rules(section: AlertsConfig, own: Sequence[AlertRule] = ()) -> list[AlertRule]:
    """Return the rules in force: the built-in ones with the config's changes, then the company's own.

    Parameters
    ----------
    section : AlertsConfig
    own : sequence of AlertRule
        Rules of the company's own modules, see `churnml.actions.own_rules.rules_of_modules`.

    Raises
    ------
    ConfigError
        An entry is neither a rule that there is nor has it `when`.
    """
    by_kind = BUILT_IN | {rule.kind: rule for rule in own}
    rules = [_changed(rule, section.rules.get(kind), section) for kind, rule in by_kind.items()]
    for kind, given in section.rules.items():
        if kind in by_kind:
            continue
        if not given.when:
            near = near_name(kind, list(by_kind))
            raise ConfigError(
                Text.of("fault-no_rule", kind=repr(kind)),
                where=f"alerts.rules.{kind}",
                expected=one_of(by_kind, near),
            )
        fields = tuple(item.field for item in given.when)
        declared = AlertRule(kind, np.nan, "medium", 72, "csm", None, fields, conditions(given.when))
        rules.append(_changed(declared, given, section))
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
    fired: list[Finding] = []
    off: dict[str, str] = {}
    accounts = signals["account_id"].astype(str).tolist()
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
        gone = verdict["gone"].to_numpy(dtype=bool)
        value, reference = (verdict[name].to_numpy(dtype=np.float64) for name in ("value", "reference"))
        for at in np.flatnonzero(holds | gone):
            numbers = float(value[at]), float(reference[at])
            fired.append(Finding(accounts[at], rule.kind, bool(holds[at]), bool(gone[at]), *numbers))
    return fired, off


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
        title=given.title or rule.title,
        hysteresis=section.hysteresis_points,
    )


def conditions(when: tuple[Condition, ...]) -> Callable[[pd.DataFrame, AlertRule, Bands], pd.DataFrame]:
    """Return the detector of a rule that is declared in the config: all conditions hold; gone is it with one of them.

    Where a number is missing the rule does not fire, and an alert that is open stays.
    """

    def detect(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
        holds = np.ones(len(signals), dtype=bool)
        gone = np.zeros(len(signals), dtype=bool)
        for item in when:
            if item.equals is not None:
                same = (signals[item.field].astype("object") == item.equals).to_numpy()
                holds, gone = holds & same, gone | ~same
                continue
            value = _numbers(signals, item.field)
            if item.above is not None:
                holds &= value > item.above
                gone |= value <= (item.above if item.clear is None else item.clear)
            elif item.below is not None:
                holds &= value < item.below
                gone |= value >= (item.below if item.clear is None else item.clear)
        only = _numbers(signals, when[0].field) if when[0].equals is None else np.full(len(signals), np.nan)
        return verdict_frame(holds, gone, only)

    return detect


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


def verdict_frame(
    holds: npt.NDArray[np.bool_], gone: npt.NDArray[np.bool_], value: Array, reference: Array | float = np.nan
) -> pd.DataFrame:
    """Return what a rule says of each account, as `AlertRule.detect` gives it."""
    return pd.DataFrame({"holds": holds, "gone": gone, "value": value, "reference": reference})


def _band_drop(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    health = _numbers(signals, "health_score")
    before: Array = np.asarray(signals["band_before"].map(BAND_ORDER), dtype=np.float64)
    holds = np.isfinite(before)
    back = health >= bands.green_from + rule.hysteresis
    return verdict_frame(holds, back, health, before)


def _score_fall(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    health, peak = _numbers(signals, "health_score"), _numbers(signals, "health_peak_30d")
    fall = peak - health
    return verdict_frame(fall >= rule.threshold, fall < rule.threshold - rule.hysteresis, health, peak)


def _above(need: str, *, gone_below: float | None = None) -> Callable[[pd.DataFrame, AlertRule, Bands], pd.DataFrame]:
    """Return a detector: a column at or above the threshold; gone below a share of it (all of it by default)."""

    def detect(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
        value = _numbers(signals, need)
        edge = rule.threshold if gone_below is None else gone_below
        return verdict_frame(value >= rule.threshold, value < edge, value)

    return detect


def _usage_collapse(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    # A trend is (recent − before) ÷ (recent + before); the fall as a share of before follows from it.
    trend = _numbers(signals, "events_trend_*")
    with np.errstate(divide="ignore", invalid="ignore"):
        fall = np.where(trend >= 0, 0.0, 1.0 - (1.0 + trend) / (1.0 - trend))
    fall = np.where(np.isnan(trend), np.nan, fall)
    return verdict_frame(fall >= rule.threshold, fall < 0.8 * rule.threshold, fall)


def _renewal_near(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    left, term, health = (_numbers(signals, name) for name in ("days_to_renewal", "term_days", "health_score"))
    near = (left >= 0) & (left <= rule.threshold) & (term > _MONTHLY_TERM_DAYS)
    green = (signals["band"] == "green").to_numpy()
    renewed = ~(left <= rule.threshold) | (health >= bands.green_from + rule.hysteresis)
    return verdict_frame(near & ~green, renewed, left)


def _onboarding_stalled(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    quiet, done = _numbers(signals, "days_since_last_milestone"), _numbers(signals, "onboarding_completion")
    return verdict_frame((quiet >= rule.threshold) & (done < 1.0), ~(quiet >= rule.threshold) | (done >= 1.0), quiet)


def _nps_detractor(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    score, age = _numbers(signals, "nps_last"), _numbers(signals, "nps_age_days")
    return verdict_frame((score <= rule.threshold) & (age <= 30), (score > rule.threshold) | (age > 90), score)


def _score_unknown(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    unknown = (signals["band"] == "unknown").to_numpy()
    return verdict_frame(unknown, ~unknown, _numbers(signals, "coverage"))


def _score_stale(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    now, before = _numbers(signals, "coverage"), _numbers(signals, "coverage_before")
    lost = before - now
    return verdict_frame(lost >= rule.threshold, lost < 0.5 * rule.threshold, now, before)


def _expansion_chance(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
    used, green = _numbers(signals, "seat_utilisation_*"), (signals["band"] == "green").to_numpy()
    return verdict_frame((used >= rule.threshold) & green, ~(used >= 0.9 * rule.threshold), used)


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
    "score_stale": "share",
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
    AlertRule("score_stale", 0.25, "low", 240, "csm", None, ("coverage", "coverage_before"), _score_stale),
    AlertRule("expansion_chance", 0.9, "low", 240, "sales", None, ("seat_utilisation_*",), _expansion_chance),
)
NOT_OF_RISK = ("expansion_chance", "score_unknown", "score_stale")
"""Rules that do not speak of a risk of churn: they count into no precision, and no experiment holds them out."""
BUILT_IN: dict[str, AlertRule] = {rule.kind: rule for rule in _RULES}
"""The built-in rules, the most urgent first. Thresholds are conventions of the field, not findings."""
