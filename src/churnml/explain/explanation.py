"""`explain`: per account the probability, the health, and what raises and lowers the risk, in words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from churnml.errors import DataError
from churnml.explain.batch import batch_contributions
from churnml.explain.contract import Explainable
from churnml.explain.drivers import Driver, Teller, group_columns
from churnml.explain.reference import ExplainReference
from churnml.explain.words import percent
from churnml.health import HealthScale, indicators, measures
from churnml.health.wording import BAND_WORDS

__all__ = ["Explanation", "Indicator", "explain"]

_KEY = ["account_id", "as_of"]
_NEGLIGIBLE = 0.05
_PER_FAMILY = 2


@dataclass(frozen=True)
class Indicator:
    """A hard fact beside the score."""

    code: str
    feature: str
    value: float
    text_en: str
    text_ja: str


@dataclass(frozen=True)
class Explanation:
    """Why one account scores as it does on one date.

    Parameters
    ----------
    account_id, as_of : str
        Key; the date in ISO form.
    churn_probability : float or None
        Within `horizon_days`. With another target it is that one's, and `as_dict` names it so
        (``expansion_probability``).
    base_rate : float
        Share of accounts that churn in that time.
    health_score, coverage : float or None
        0–100 and 0–1.
    band : str
        red, yellow, green or unknown.
    reasons_en, reasons_ja : tuple of str
        What capped or limited the score.
    source : {"model", "rules"}
        Whether the drivers come from the model's contributions or, where the model failed its gate, from the
        measures of the health score.
    raising, lowering : tuple of Driver
        What a CSM can act on, strongest first.
    context : tuple of Driver
        Strongest facts nobody can act on, such as the industry, whichever way they point.
    families : dict
        Family → net effect: log-odds from the model, health points from rules; above 0 raises the risk.
    indicators : tuple of Indicator
        Hard facts.
    csm_sentiment : str or None
        The CSM's own judgement, apart from the score.
    expected_log_odds, log_odds : float or None
        Model only: the average and this account's log-odds; the difference is the sum of `families`.
    summary_en, summary_ja : str
        One sentence.
    target : str
        What the model predicts: churn, expansion or contraction. What is said of risk holds for that.
    """

    account_id: str
    as_of: str
    churn_probability: float | None
    base_rate: float
    horizon_days: int
    health_score: float | None
    band: str
    coverage: float | None
    reasons_en: tuple[str, ...]
    reasons_ja: tuple[str, ...]
    source: Literal["model", "rules"]
    raising: tuple[Driver, ...]
    lowering: tuple[Driver, ...]
    context: tuple[Driver, ...]
    families: dict[str, float]
    indicators: tuple[Indicator, ...]
    csm_sentiment: str | None
    expected_log_odds: float | None
    log_odds: float | None
    summary_en: str
    summary_ja: str
    target: str = "churn"

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as JSON-ready data."""
        data = asdict(self)
        if self.target != "churn":
            data = {f"{self.target}_probability" if name == "churn_probability" else name: data[name] for name in data}
        for name in ("reasons_en", "reasons_ja", "raising", "lowering", "context", "indicators"):
            data[name] = list(data[name])
        for name in ("raising", "lowering", "context"):
            data[name] = [driver.as_dict() for driver in getattr(self, name)]
        return data


def explain(
    model: Explainable,
    frame: pd.DataFrame,
    *,
    scores: pd.DataFrame,
    health: pd.DataFrame,
    scale: HealthScale,
    reference: ExplainReference,
    previous: pd.DataFrame | None = None,
    currency: str = "USD",
    top: int = 3,
) -> list[Explanation]:
    """Explain every row of a frame.

    Parameters
    ----------
    model : ChurnModel
        With ``info.verdict == "rules_only"`` the drivers come from the health measures instead, and the summary
        says that the rules are used.
    frame : DataFrame
        Feature frame, keyed (account_id, as_of).
    scores, health : DataFrame
        Output of `churnml.scoring.score` and `churnml.health.health` for the same rows, in the same order.
    scale : HealthScale
        The recipe of the health score.
    reference : ExplainReference
        What is normal.
    previous : DataFrame, optional
        Feature frame of earlier snapshots, for values before where no trend tells them.
    currency : str
        ISO code for amounts.
    top : int
        Drivers a list holds at most; at most two of them are of one family.

    Returns
    -------
    list of Explanation
        In the frame's order.

    Raises
    ------
    DataError
        Scores or health are of other rows.
    """
    for name, other in (("scores", scores), ("health", health)):
        if len(other) != len(frame) or not (other[_KEY].to_numpy() == frame[_KEY].to_numpy()).all():
            raise DataError(f"The {name} are not of the frame's rows", expected="the same accounts and dates, in order")
    teller = Teller(frame, model.features, reference, previous, currency)
    rules, target = model.info.verdict == "rules_only", model.info.target
    if not rules:
        told = _from_model(model, frame, reference, teller, top)
    elif target == "churn":
        told = _from_rules(frame, scale, model, teller, top)
    else:
        # The measures of health say nothing of why an account would expand or contract.
        told = [_Told((), (), (), {})] * len(frame)
    facts = _indicators_by_row(frame)
    sentiment = frame["attr_csm_sentiment"].to_numpy() if "attr_csm_sentiment" in frame else None
    probability = scores[f"{target}_probability"].to_numpy(dtype=float)
    columns = {
        name: health[name].to_numpy() for name in ("health_score", "coverage", "band", "reasons_en", "reasons_ja")
    }
    found = []
    for row, (account, as_of) in enumerate(zip(frame["account_id"], frame["as_of"], strict=True)):
        drivers = told[row]
        if target == "churn":
            summary_en, summary_ja = _summary(drivers, probability[row], model, columns["band"][row], rules)
        else:
            summary_en, summary_ja = _summary_of(target, drivers, probability[row], model, rules)
        found.append(
            Explanation(
                account_id=str(account),
                as_of=f"{as_of:%Y-%m-%d}",
                churn_probability=_known(probability[row]),
                base_rate=model.base_rate,
                horizon_days=model.horizon_days,
                health_score=_known(columns["health_score"][row]),
                band=str(columns["band"][row]),
                coverage=_known(columns["coverage"][row]),
                reasons_en=tuple(columns["reasons_en"][row]),
                reasons_ja=tuple(columns["reasons_ja"][row]),
                source="rules" if rules else "model",
                raising=drivers.raising,
                lowering=drivers.lowering,
                context=drivers.context,
                families=drivers.families,
                indicators=facts.get((account, as_of), ()),
                csm_sentiment=None if sentiment is None or pd.isna(sentiment[row]) else str(sentiment[row]),
                expected_log_odds=drivers.expected,
                log_odds=drivers.total,
                summary_en=summary_en,
                summary_ja=summary_ja,
                target=target,
            )
        )
    return found


@dataclass(frozen=True)
class _Told:
    raising: tuple[Driver, ...]
    lowering: tuple[Driver, ...]
    context: tuple[Driver, ...]
    families: dict[str, float]
    expected: float | None = None
    total: float | None = None


def _from_model(
    model: Explainable, frame: pd.DataFrame, reference: ExplainReference, teller: Teller, top: int
) -> list[_Told]:
    contributions = batch_contributions(model, model.matrix(frame))
    expected, parts = contributions[:, -1], contributions[:, :-1]
    log_odds = contributions.sum(axis=1)
    groups = list(group_columns(model.features, reference).items())
    effect = np.column_stack([parts[:, columns].sum(axis=1) for _, columns in groups])
    probability = np.asarray(model.calibrated(log_odds))
    points = 100.0 * (probability[:, None] - np.asarray(model.calibrated(log_odds[:, None] - effect)))
    names = model.features.names
    family_names = list(dict.fromkeys(family for (family, _, _), _ in groups))
    of_family = np.array([[family == name for name in family_names] for (family, _, _), _ in groups], dtype=float)
    by_family = effect @ of_family
    told = []
    for row in range(len(frame)):
        drivers: dict[str, list[Driver]] = {"raising": [], "lowering": [], "context": []}
        for index in np.argsort(-np.abs(effect[row]), kind="stable"):
            (family, group, actionable), columns = groups[index]
            raising = bool(effect[row, index] > 0)
            kind = "context" if not actionable else "raising" if raising else "lowering"
            if abs(effect[row, index]) < _NEGLIGIBLE or all(len(found) >= top for found in drivers.values()):
                break
            same = sum(driver.family == family for driver in drivers[kind])
            if len(drivers[kind]) >= top or same >= _PER_FAMILY:
                continue
            members = [names[column] for column in columns]
            inside = parts[row, columns]
            lead = teller.lead(row, members, inside)
            # That something is not known may be a warning; it is no good news, and nothing to know an account by.
            if kind != "raising" and teller.value(row, lead) is None:
                continue
            order = np.argsort(-np.abs(inside), kind="stable")
            driver = teller.tell(
                row,
                lead,
                family=family,
                group=group,
                raising=raising,
                effect_log_odds=float(effect[row, index]),
                effect_points=float(points[row, index]),
                features=tuple(members[place] for place in order if inside[place] != 0),
            )
            drivers[kind].append(driver)
        families = dict(zip(family_names, by_family[row].tolist(), strict=True))
        told.append(
            _Told(
                tuple(drivers["raising"]),
                tuple(drivers["lowering"]),
                tuple(drivers["context"]),
                families,
                float(expected[row]),
                float(log_odds[row]),
            )
        )
    return told


def _from_rules(frame: pd.DataFrame, scale: HealthScale, model: Explainable, teller: Teller, top: int) -> list[_Told]:
    """Tell each measure by the health points it costs or earns against the edge of green."""
    parts = measures(frame, scale)
    count = len(scale.measures)
    score = parts["score"].to_numpy(dtype=float).reshape(-1, count)
    weight = parts["weight_effective"].to_numpy(dtype=float).reshape(-1, count)
    worse = np.nan_to_num(weight * (scale.green_from - score))
    known = set(model.features.names)
    told = []
    for row in range(len(frame)):
        drivers: dict[bool, list[Driver]] = {True: [], False: []}
        families: dict[str, float] = {}
        for index in np.argsort(-np.abs(worse[row]), kind="stable"):
            measure = scale.measures[index]
            raising = bool(worse[row, index] > 0)
            families[measure.group] = families.get(measure.group, 0.0) + float(worse[row, index])
            shown = abs(worse[row, index]) >= _NEGLIGIBLE and measure.feature in known
            if not shown or measure.feature is None or len(drivers[raising]) >= top:
                continue
            drivers[raising].append(
                teller.tell(
                    row,
                    measure.feature,
                    family=measure.group,
                    group=measure.name,
                    raising=raising,
                    effect_log_odds=None,
                    effect_points=float(worse[row, index]),
                    features=(measure.feature,),
                )
            )
        told.append(_Told(tuple(drivers[True]), tuple(drivers[False]), (), families))
    return told


def _indicators_by_row(frame: pd.DataFrame) -> dict[tuple[Any, Any], tuple[Indicator, ...]]:
    found: dict[tuple[Any, Any], tuple[Indicator, ...]] = {}
    for item in indicators(frame).itertuples(index=False):
        key = (item.account_id, pd.Timestamp(str(item.as_of)))
        fact = Indicator(
            str(item.indicator), str(item.feature), float(str(item.value)), str(item.text_en), str(item.text_ja)
        )
        found[key] = (*found.get(key, ()), fact)
    return found


def _summary(told: _Told, probability: float, model: Explainable, band: Any, rules: bool) -> tuple[str, str]:
    first_en = told.raising[0].sentence_en if told.raising else ""
    first_ja = told.raising[0].sentence_ja if told.raising else ""
    if rules or math.isnan(probability):
        english, japanese = f"Health by rules alone: {band}", f"ルールのみによる判定：{BAND_WORDS['ja'][str(band)]}"
        if not math.isnan(probability):
            english += f", with {percent(probability, 'en')} churn probability by a rule instead of the model"
            japanese += f"、解約確率{percent(probability, 'ja')}（モデルではなくルールによる）"
    else:
        lift = probability / model.base_rate
        times = f"{lift:.1f}" if lift < 10 else f"{lift:.0f}"
        english = (
            f"{percent(probability, 'en')} churn probability within {model.horizon_days} days, {times} × the average"
        )
        japanese = f"{model.horizon_days}日以内の解約確率は{percent(probability, 'ja')}（平均の{times}倍）"
    if first_en:
        english += f". Most strongly associated with the risk: {_lower(first_en)}"
        japanese += f"。リスクと最も関連が強い事実：{first_ja}"
    return english + ".", japanese + "。"


def _summary_of(target: str, told: _Told, probability: float, model: Explainable, rules: bool) -> tuple[str, str]:
    """Return the sentence of a model that predicts something else than churn; it speaks of no risk."""
    lift = probability / model.base_rate
    times = f"{lift:.1f}" if lift < 10 else f"{lift:.0f}"
    english = (
        f"{percent(probability, 'en')} probability of {target} within {model.horizon_days} days, {times} × the average"
    )
    japanese = f"{model.horizon_days}日以内の{_TARGET_JA[target]}確率は{percent(probability, 'ja')}（平均の{times}倍）"
    if rules:
        english += ", by a rule instead of the model"
        japanese += "、モデルではなくルールによる"
    if told.raising:
        english += f". Most strongly associated with it: {_lower(told.raising[0].sentence_en)}"
        japanese += f"。最も関連が強い事実：{told.raising[0].sentence_ja}"
    return english + ".", japanese + "。"


def _lower(sentence: str) -> str:
    """Begin a sentence in lower case, unless its first word is an abbreviation."""
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


_TARGET_JA = {"expansion": "契約拡大", "contraction": "契約縮小"}


def _known(value: Any) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number
