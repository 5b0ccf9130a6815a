"""From a training frame to a tracked, bundled champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pandas as pd

from churnml import memory, registry, snapshots
from churnml.config import Config
from churnml.evaluation import Backtest, Tuning, backtest, tune
from churnml.evaluation.audit import Finding, audit, leak_reason
from churnml.evaluation.horizon_models import backtest_horizons, fit_horizons
from churnml.evaluation.report import HorizonReport
from churnml.evaluation.tuning import budget_seconds, check_installed
from churnml.explain import ExplainReference
from churnml.files import sqlite_url, write_parquet, write_text
from churnml.health import HealthScale, HealthVerdict
from churnml.language import Text
from churnml.pipeline.contacts import contacts
from churnml.pipeline.model_watch import keep_reference
from churnml.pipeline.models import champion_version, keep_or_promote, tested_path
from churnml.pipeline.preparation import prepare
from churnml.pipeline.results import Prepared, Trained, rejected_counts
from churnml.pipeline.survival import Curves, learn_survival
from churnml.progress import Stages
from churnml.registry import Bundle, Provenance
from churnml.registry.tracking import Tracked, settle, track
from churnml.snapshots import Split
from churnml.training import ChurnModel, Publication, fit
from churnml.training.fitting import with_fallback

__all__ = ["train"]

_KEY = ["account_id", "as_of"]
_PACKAGES = ("churnml", "pandas", "numpy", "scikit-learn", "lightgbm", "mlflow", "shap", "bentoml", "duckdb")


@dataclass(frozen=True)
class _Tested:
    """The backtest of the model, and the reports of its further horizons, by their days."""

    main: Backtest
    by_horizon: Mapping[int, HorizonReport]
    report: Mapping[str, Any]


@dataclass(frozen=True)
class _Fitted:
    """What goes into a bundle."""

    model: ChurnModel
    scale: HealthScale
    reference: ExplainReference


def train(
    config: Config,
    stages: Stages | None = None,
    *,
    prepared: Prepared | None = None,
    promote_because: str | None = None,
    budget: str | None = None,
) -> Trained:
    """Backtest, fit, bundle and track a model, and make it the champion where the gate lets it.

    Parameters
    ----------
    config : Config
    stages : Stages, optional
        Told of progress.
    prepared : Prepared, optional
        The training frame, if at hand.
    promote_because : str, optional
        A person's reason to promote whatever the gate would say; it goes on record.
    budget : str, optional
        Time to search LightGBM parameters for before the backtest, such as ``"300s"``; see `churnml.evaluation.tune`.
        Trials are kept in ``tuning.db`` in the workspace: the same config and data go on where they stopped.

    Raises
    ------
    UsageError
        The budget is no time, or optuna is not installed.
    """
    seconds = None
    if budget is not None:
        seconds = budget_seconds(budget)
        check_installed()
    stages = stages or Stages()
    prepared = prepared or prepare(config, stages)
    settle(config)
    folds = snapshots.splits(prepared.frame, config)
    tuning = None if seconds is None else _tune(config, stages, prepared, folds, seconds)
    settings = config if tuning is None else config.model_copy(update={"model": tuning.configured(config.model)})
    with stages("audit"):
        findings = audit(prepared.frame, prepared.feature_set, folds, config.label, tables=prepared.loaded.tables)
    leak = leak_reason(findings) if promote_because is None else None
    with stages("backtest", steps=len(folds) * (1 + len(config.label.further_horizons_days))):
        tested = _backtest(settings, prepared, folds, findings, stages)
        memory.release()
    with stages("fit"):
        fitted = _fit(config, settings, prepared, tested, tuning, leak)
        memory.release()
    with stages("curves"):
        curves = learn_survival(config, prepared, tested.main.predictions)
        memory.release()
    with stages("track"):
        bundle = _bundle(config, prepared, fitted, tested, curves)
        tracked = _track(config, prepared, bundle, tested, tuning)
        memory.release()
    with stages("gate"):
        decision = keep_or_promote(
            config, bundle, tested.main.predictions, prepared.loaded.tables, because=promote_because, leak=leak
        )
    champion = champion_version(config)
    return Trained(
        bundle=bundle,
        backtest=tested.report,
        predictions=tested.main.predictions,
        model_uri=f"models:/{config.registered_model}@champion" if champion == bundle.version else tracked.model_uri,
        decision=decision,
        run_id=tracked.run_id,
        rejected=rejected_counts(prepared.loaded),
        notes=[
            *prepared.loaded.notes,
            *_fold_notes(config, folds),
            *_horizon_notes(tested.by_horizon),
            *([curves.verdict.reason] if config.survival.enabled and config.label.target == "churn" else []),
            *_audit_notes(findings),
        ],
        tuning=tuning,
    )


def _tune(config: Config, stages: Stages, prepared: Prepared, folds: Sequence[Split], seconds: float) -> Tuning:
    config.workspace_dir.mkdir(parents=True, exist_ok=True)
    with stages("tune"):
        return tune(
            prepared.frame,
            prepared.feature_set,
            folds,
            config,
            budget=seconds,
            study=f"{config.hash[:16]}-{prepared.loaded.fingerprint[:16]}",
            storage=sqlite_url(config.workspace_dir / "tuning.db"),
            progress=stages.say,
        )


def _backtest(
    settings: Config, prepared: Prepared, folds: Sequence[Split], findings: Sequence[Finding], stages: Stages
) -> _Tested:
    frame, catalogue = prepared.frame, prepared.feature_set
    made = contacts(settings, prepared.loaded.tables)
    main = backtest(frame, catalogue, folds, settings, progress=stages.say, contacts=made)
    longer = backtest_horizons(frame, catalogue, settings, progress=stages.say)
    horizons = {str(days): own.as_dict() for days, own in longer.items()}
    audited = [finding.as_dict() for finding in findings]
    return _Tested(main, longer, {**main.report().as_dict(), "horizons": horizons, "audit": audited})


def _fit(
    config: Config, settings: Config, prepared: Prepared, tested: _Tested, tuning: Tuning | None, leak: Text | None
) -> _Fitted:
    """Fit the model on all labelled rows, then what the health score and the explanations know of them.

    Where there is a leak, a rule scores: the backtest that speaks for the model is worth nothing.
    """
    frame, catalogue = prepared.frame, prepared.feature_set
    main = fit(frame, catalogue, settings.learning, tested.main)
    if leak is not None:
        main = with_fallback(main, frame[frame["churned"].notna()], tested.main.rules_by_loss).with_info(
            verdict_reason=Text.of("verdict-leak", leak=leak, reason=main.info.verdict_reason)
        )
    model = fit_horizons(frame, catalogue, settings, main, tested.by_horizon)
    if tuning is not None:
        model = model.with_info(tuning=tuning.summary())
    memory.give_back()
    labelled = frame[frame["churned"].notna()]
    # A blend may only be fitted on probabilities of rows the model had not seen: the backtest's.
    unseen = tested.main.predictions.rename(columns={"p_model": "churn_probability"})
    unseen = unseen.drop_duplicates(_KEY, keep="last")
    verdict = HealthVerdict.of(tested.main.verdict.verdict, "churn")
    newest = _newest(frame, model)
    scale = HealthScale.fit(labelled, config, catalogue, scores=unseen, verdict=verdict, newest=newest)
    reference = ExplainReference.fit(labelled, catalogue, model.probability_of(labelled))
    return _Fitted(model, scale, reference)


def _newest(frame: pd.DataFrame, model: ChurnModel) -> pd.DataFrame | None:
    """Return the snapshots whose labels are not known yet, with the probability of the model that has not seen them."""
    newest = frame[frame["as_of"] > frame.loc[frame["churned"].notna(), "as_of"].max()]
    return newest.assign(churn_probability=model.probability_of(newest)) if len(newest) else None


def _bundle(config: Config, prepared: Prepared, fitted: _Fitted, tested: _Tested, curves: Curves) -> Bundle:
    """Write the bundle with its backtest's predictions beside it, and read it back as serving will."""
    provenance = Provenance.of(
        config,
        created_at=datetime.now(UTC),
        fingerprint=prepared.loaded.fingerprint,
        backtest={**tested.report, "survival": curves.verdict.as_dict()},
        packages={name: version(name) for name in _PACKAGES},
    )
    path = registry.save_bundle(
        config.bundles_dir,
        name=config.registered_model,
        model=fitted.model,
        health=fitted.scale.as_dict(),
        explain=fitted.reference.as_dict(),
        provenance=provenance,
        survival=curves.verdict,
        hazard=curves.model,
    )
    bundle = registry.load_bundle(path)
    write_parquet(tested_path(config, bundle.version), tested.main.predictions)
    keep_reference(config, bundle, prepared.frame)
    return bundle


def _track(config: Config, prepared: Prepared, bundle: Bundle, tested: _Tested, tuning: Tuning | None) -> Tracked:
    """Draw the evidence, leave the model card in the workspace, and record the training in MLflow."""
    from churnml.reports.evidence import training_evidence

    evidence = training_evidence(config, bundle, tested.report, prepared.frame, tested.main.predictions)
    cards = {"model_card.md": evidence.card_markdown, "model_card.html": evidence.card_html}
    return track(
        config,
        bundle,
        prepared.frame,
        plots=evidence.plots,
        documents=[write_text(config.workspace_dir / name, text) for name, text in cards.items()],
        tuning=tuning,
    )


def _fold_notes(config: Config, folds: Sequence[Split]) -> list[Text]:
    if config.splits.fixed:
        return [
            Text.of(
                "note-fold_shortened",
                fold=split.name,
                until=f"{split.train[-1]:%Y-%m-%d}",
                asked=f"{asked.train_until:%Y-%m-%d}",
                tested=f"{split.test[0]:%Y-%m-%d}",
            )
            for split, asked in zip(folds, config.splits.fixed, strict=True)
            if asked.train_until >= (split.train[-1] + pd.Timedelta(days=1)).date()
            and pd.Timestamp(asked.train_until) + pd.Timedelta(days=config.label.purge_days) > split.test[0]
        ]
    if len(folds) >= config.splits.folds:
        return []
    return [Text.of("card-limit-folds", count=len(folds), wanted=config.splits.folds)]


def _audit_notes(findings: Sequence[Finding]) -> list[Text]:
    return [
        Text.of("audit-note", code=one.code, what=one.what, remedy=one.remedy)
        for one in findings
        if one.status == "found"
    ]


def _horizon_notes(longer: Mapping[int, HorizonReport]) -> list[Text]:
    return [
        Text.of("note-horizon_rule", days=days, reason=report.verdict.reason)
        for days, report in longer.items()
        if report.verdict.verdict is not Publication.PUBLISHABLE
    ]
