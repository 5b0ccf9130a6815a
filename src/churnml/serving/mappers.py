"""From stored and computed scores to answers, with their provenance and warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any, Literal

from churnml.api.answers import (
    DriverAnswer,
    ExplainAnswer,
    Freshness,
    FrozenAnswer,
    HealthAnswer,
    HistoryPoint,
    IndicatorAnswer,
    OverrideAnswer,
    Reasoning,
    Warn,
)
from churnml.language import Language, Quantity, Text, render
from churnml.serving.last_run import left_over
from churnml.serving.scorer import Row, Scored, Scorer
from churnml.serving.settings import Settings
from churnml.serving.state import StateView
from churnml.store import AccountScore, Departed, Override, SnapshotInfo
from churnml.training.publication import Publication

__all__ = [
    "computed",
    "explained",
    "freshness",
    "health_of",
    "history_point",
    "in_language",
    "last_score",
    "override_of",
    "provenance",
    "spoken_reasons",
    "stored",
    "view_provenance",
]

Lang = Language
_FRESH_DAYS, _AGEING_DAYS = 8, 35
_LOW_COVERAGE = 0.5


def freshness(as_of: date, scored_at: datetime, now: datetime, *, left_over: bool = False) -> Freshness:
    """Say how old facts are; what is left over from an earlier day, as the daily run failed, is stale.

    Examples
    --------
    >>> now = datetime(2026, 11, 10, 12, tzinfo=UTC)
    >>> freshness(date(2026, 11, 1), now, now)
    Freshness(state='ageing', age_days=9.5, scored_hours_ago=0.0)
    """
    age = max(0.0, (now - datetime.combine(as_of, time(), UTC)).total_seconds() / 86400)
    scored = max(0.0, (now - scored_at).total_seconds() / 3600)
    state: Literal["fresh", "ageing", "stale"] = (
        "stale" if left_over or age > _AGEING_DAYS else "fresh" if age <= _FRESH_DAYS else "ageing"
    )
    return Freshness(state=state, age_days=round(age, 2), scored_hours_ago=round(scored, 2))


@lru_cache(maxsize=512)
def _warn(code: str, lang: Lang, **arguments: str | int | Quantity) -> Warn:
    """Return a warning in words; a batch says the same ones a thousand times."""
    return Warn(code=code, message=render(Text.of(f"warning-{code}", **arguments), lang))


def provenance(
    settings: Settings,
    view: StateView,
    coverage: float | None,
    warnings: Sequence[Warn] = (),
    now: datetime | None = None,
    lang: Lang | None = None,
) -> dict[str, Any]:
    """Return the fields that every answer from the store carries; warnings in `lang`, default the config's."""
    snapshot, lang = view.snapshot, lang or settings.language
    if snapshot is None:
        scorer = view.scorer
        return {
            "as_of": None,
            "scored_at": None,
            "model_version": scorer.version if scorer else None,
            "config_version": settings.config_version,
            "coverage": coverage,
            "freshness": None,
            "warnings": [_warn("no_snapshot", lang), *warnings],
        }
    now = now or datetime.now(UTC)
    old = left_over(view.run, snapshot, now, settings.late_after_hours)
    fresh = freshness(snapshot.as_of, snapshot.scored_at, now, left_over=old is not None)
    if old is not None:
        warnings = [Warn(code=old.code.replace("-", "_"), message=render(old, lang)), *warnings]
    return {
        "as_of": snapshot.as_of,
        "scored_at": snapshot.scored_at,
        "model_version": snapshot.model_version,
        "config_version": snapshot.config_hash,
        "coverage": coverage,
        "freshness": fresh,
        "warnings": [*_of_snapshot(settings, view, snapshot, fresh, lang), *warnings],
    }


def view_provenance(settings: Settings, view: StateView, warnings: Sequence[Warn] = ()) -> dict[str, Any]:
    """Return the fields of an answer that speaks of the whole snapshot, or of none."""
    return provenance(settings, view, view.snapshot.coverage if view.snapshot else None, warnings)


def _of_snapshot(
    settings: Settings, view: StateView, snapshot: SnapshotInfo, fresh: Freshness, lang: Lang
) -> list[Warn]:
    warnings = []
    if fresh.state == "stale" and fresh.age_days > _AGEING_DAYS:
        warnings.append(_warn("stale", lang, days=round(fresh.age_days)))
    if snapshot.info.get("verdict") == Publication.RULES_ONLY:
        warnings.append(_warn(Publication.RULES_ONLY.value, lang))
    warnings += _level(snapshot.info.get("level_gaps") or [], lang)
    if view.scorer is not None and view.scorer.version != snapshot.model_version:
        warnings.append(_warn("model_changed", lang, now=view.scorer.version, then=snapshot.model_version))
    if settings.config_version != snapshot.config_hash:
        warnings.append(_warn("config_changed", lang))
    return warnings


def _level(gaps: Sequence[Mapping[str, Any]], lang: Lang) -> list[Warn]:
    from churnml.explain.notices import level_gaps

    return [Warn(code="level_gap", message=text) for text in level_gaps(gaps)[f"text_{lang}"]] if gaps else []


def _thin(coverage: float | None, lang: Lang) -> list[Warn]:
    if coverage is None or coverage >= _LOW_COVERAGE:
        return []
    return [_warn("low_coverage", lang, share=Quantity(value=coverage, unit="share", digits=0))]


def stored(settings: Settings, view: StateView, account: AccountScore, lang: Lang) -> dict[str, Any]:
    """Return the fields of a `PredictAnswer` from a stored score."""
    snapshot = view.snapshot
    info: Mapping[str, Any] = snapshot.info if snapshot else {}
    base_rate = info.get("base_rate")
    return {
        **provenance(settings, view, account.coverage, _thin(account.coverage, lang), lang=lang),
        "account_id": account.account_id,
        "source": "stored",
        "churn_probability": account.churn_probability,
        "horizon_days": info.get("horizon_days"),
        "horizons": _horizons(info, account),
        "base_rate": base_rate,
        "lift": account.churn_probability / base_rate if base_rate else None,
        "health_score": account.health_score,
        "band": account.band,
        "verdict": info.get("verdict"),
        "arr": account.arr,
        "expected_loss": account.expected_loss,
        "currency": info.get("currency", settings.currency),
        "reasons": [render(text, lang) for text in account.reasons],
        "renewal_risk": account.renewal_risk,
        "expected_end": account.expected_end,
        "residual_value": account.residual_value,
    }


def _horizons(info: Mapping[str, Any], account: AccountScore) -> dict[str, float]:
    """Return the stored probabilities by horizon; a snapshot of one horizon keeps just that one's."""
    own = info.get("horizon_days")
    return account.details.get("horizons") or ({} if own is None else {str(own): account.churn_probability})


def computed(settings: Settings, scorer: Scorer, row: Row, scored: Scored, lang: Lang, now: datetime) -> dict[str, Any]:
    """Return the fields of a `PredictAnswer` from features that were sent."""
    warnings = []
    total = len(scorer.model.features)
    if scored.missing * 2 > total:
        warnings.append(_warn("many_missing", lang, missing=scored.missing, total=total))
    warnings += [_warn("unknown_word", lang, feature=name) for name in scorer.unknown_words(row.features)]
    if scorer.verdict == Publication.RULES_ONLY:
        warnings.append(_warn(Publication.RULES_ONLY.value, lang))
    warnings += _level(scorer.level_gaps, lang)
    blind = not scored.coverage
    if blind:
        warnings.insert(0, _warn("no_coverage", lang))
    return {
        "as_of": row.as_of,
        "scored_at": now,
        "model_version": scorer.version,
        "config_version": scorer.bundle.manifest.config_hash,
        "coverage": scored.coverage,
        "freshness": freshness(row.as_of, now, now),
        "warnings": [*warnings, *([] if blind else _thin(scored.coverage, lang))],
        "account_id": None,
        "source": "computed",
        "churn_probability": scored.churn_probability,
        "horizon_days": scorer.model.horizon_days,
        "horizons": scored.horizons,
        "base_rate": scorer.model.base_rate,
        "lift": scored.lift,
        "health_score": None if blind else scored.health_score,
        "band": "unknown" if blind else scored.band,
        "verdict": scorer.verdict,
        "arr": row.arr,
        "expected_loss": None if row.arr is None else scored.churn_probability * row.arr,
        "currency": settings.currency,
        "reasons": [render(text, lang) for text in scored.reasons],
    }


def in_language(body: Mapping[str, Any], lang: Lang) -> Reasoning:
    """Return a stored explanation in one language."""
    return Reasoning.model_construct(
        source=body["source"],
        summary=body[f"summary_{lang}"],
        raising=[_driver(item, lang) for item in body["raising"]],
        lowering=[_driver(item, lang) for item in body["lowering"]],
        context=[_driver(item, lang) for item in body["context"]],
        told=spoken_reasons(body, lang),
        other_signals=body.get(f"other_signals_{lang}"),
        families=body["families"],
        indicators=[
            IndicatorAnswer.model_construct(
                code=item["code"], feature=item["feature"], value=item["value"], text=item[f"text_{lang}"]
            )
            for item in body["indicators"]
        ],
        csm_sentiment=body["csm_sentiment"],
        expected_log_odds=body["expected_log_odds"],
        log_odds=body["log_odds"],
    )


def spoken_reasons(body: Mapping[str, Any], lang: Lang) -> list[str]:
    """Return what a reader is told of the risk."""
    from churnml.explain.published import spoken_reasons

    return spoken_reasons(body, lang)


def _driver(item: Mapping[str, Any], lang: Lang) -> DriverAnswer:
    words = {"label": item[f"label_{lang}"], "sentence": item[f"sentence_{lang}"]}
    figures = {name: item[name] for name in DriverAnswer.model_fields if name not in words}
    return DriverAnswer.model_construct(**figures, **words)


def explained(fields: Mapping[str, Any], body: Mapping[str, Any], lang: Lang) -> ExplainAnswer:
    """Return the answer that joins a score and its explanation."""
    return ExplainAnswer.model_construct(**fields, lang=lang, explanation=in_language(body, lang))


def override_of(override: Override) -> OverrideAnswer:
    """Return an override as the API shows it."""
    return OverrideAnswer.model_validate(override, from_attributes=True)


def last_score(current: StateView, of: SnapshotInfo, departed: Departed | None, lang: Lang) -> FrozenAnswer | None:
    """Return what to say beside a score that is an account's last; None where it is of the snapshot in force."""
    from churnml.explain import frozen

    newest = current.snapshot
    if newest is None or newest.as_of <= of.as_of:
        return None
    notice = frozen(None if departed is None else departed.words(), of.as_of)
    return FrozenAnswer(as_of=notice["as_of"], why=notice["why"], on=notice["on"], text=notice[f"text_{lang}"])


def health_of(
    settings: Settings,
    view: StateView,
    account: AccountScore,
    override: Override | None,
    lang: Lang,
    explanation: Mapping[str, Any] | None = None,
) -> HealthAnswer:
    """Return an account's health with the override in force beside it, and with its reasons where they are given."""
    fields = stored(settings, view, account, lang)
    fields["effective_band"] = override.band if override else account.band
    return HealthAnswer.model_construct(
        **fields,
        name=account.name,
        owner=account.owner,
        segment=account.segment,
        days_to_renewal=account.days_to_renewal,
        override=override_of(override) if override else None,
        top_reasons=None if explanation is None else spoken_reasons(explanation, lang),
        rules_score=account.details.get("rules_score"),
        model_score=account.details.get("model_score"),
    )


def history_point(snapshot: SnapshotInfo, account: AccountScore) -> HistoryPoint:
    """Return an account's score at one ``as_of``."""
    return HistoryPoint(
        as_of=snapshot.as_of,
        scored_at=snapshot.scored_at,
        model_version=snapshot.model_version,
        config_version=snapshot.config_hash,
        churn_probability=account.churn_probability,
        health_score=account.health_score,
        band=account.band,
        coverage=account.coverage,
    )
