"""From raw data to a tracked, bundled champion."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from churnml import features as features_room
from churnml import registry, snapshots
from churnml.config import Config
from churnml.engine import connect
from churnml.evaluation import Tuning, backtest, tune
from churnml.evaluation.horizon_models import backtest_further, fit_further
from churnml.evaluation.report import HorizonReport
from churnml.evaluation.tuning import budget_seconds, check_installed
from churnml.explain import ExplainReference
from churnml.features import FeatureSet
from churnml.files import write_parquet, write_text
from churnml.health import HealthScale
from churnml.pipeline.models import keep_or_promote, tested_path
from churnml.pipeline.results import Checked, Prepared, Trained, rejected_counts
from churnml.progress import Stages
from churnml.snapshots import Split
from churnml.sources import Loaded, load
from churnml.training import Publication, fit

__all__ = ["catalogue", "check", "prepare", "simulate_company", "train"]

_PACKAGES = ("churnml", "pandas", "numpy", "scikit-learn", "lightgbm", "mlflow", "shap", "bentoml", "duckdb")


def simulate_company(
    folder: Path,
    *,
    accounts: int,
    months: int,
    seed: int,
    churn_rate: float | None = None,
    stages: Stages | None = None,
) -> dict[str, Any]:
    """Simulate a company and write its tables to a folder, its truth to ``truth/`` beside them."""
    from churnml.simulate import simulate, write

    stages = stages or Stages()
    with stages("simulate"):
        company = simulate(accounts=accounts, months=months, seed=seed, churn_rate=churn_rate)
        write(company, folder)
    return {
        "folder": str(folder),
        "accounts": accounts,
        "months": months,
        "seed": seed,
        "tables": {name: len(frame) for name, frame in company.tables.items()},
    }


def catalogue(config: Config, stages: Stages | None = None) -> tuple[FeatureSet, Mapping[str, str]]:
    """Return the features a config makes of its data, and what is off and why."""
    tables = check(config, stages).loaded.tables
    return features_room.catalogue(tables, config), features_room.skipped(tables, config)


def check(config: Config, stages: Stages | None = None) -> Checked:
    """Map the raw data to canonical tables and say what is wrong with it."""
    stages = stages or Stages()
    with stages("check"):
        connection = connect(config.engine, temp_dir=config.workspace_dir / "tmp")
        return Checked(load(config, connection=connection, progress=stages.say))


def prepare(config: Config, stages: Stages | None = None, *, loaded: Loaded | None = None) -> Prepared:
    """Make the training frame: spine, labels, features."""
    stages = stages or Stages()
    loaded = loaded or check(config, stages).loaded
    with stages("snapshots"):
        spine = snapshots.spine(loaded.tables, config)
    with stages("features"):
        catalogue = features_room.catalogue(loaded.tables, config)
        frame = features_room.compute(loaded.tables, spine, catalogue, config)
    return Prepared(loaded, catalogue, frame, features_room.skipped(loaded.tables, config))


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
        Time to search LightGBM parameters for before the backtest, such as ``"300s"``; see `churnml.training.tune`.
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
    frame, catalogue = prepared.frame, prepared.feature_set
    folds = snapshots.splits(frame, config)
    tuning = None if seconds is None else _tuned(config, stages, prepared, folds, seconds)
    settings = config if tuning is None else tuning.configured(config)
    with stages("backtest"):
        tested = backtest(frame, catalogue, folds, settings, progress=stages.say)
        further = backtest_further(frame, catalogue, settings, progress=stages.say)
        report = {
            **tested.report().as_dict(),
            "horizons": {str(days): own.as_dict() for days, own in further.items()},
        }
    with stages("fit"):
        model = fit_further(frame, catalogue, settings, fit(frame, catalogue, settings.learning, tested), further)
        if tuning is not None:
            model = model.with_info(tuning=tuning.summary())
        labelled = frame[frame["churned"].notna()]
        chances = model.probability(model.matrix(labelled))
        # A blend may only be fitted on probabilities of rows the model had not seen: the backtest's.
        unseen = tested.predictions.rename(columns={"p_model": "churn_probability"})
        unseen = unseen.drop_duplicates(["account_id", "as_of"], keep="last")
        scale = HealthScale.fit(labelled, config, catalogue, scores=unseen)
        reference = ExplainReference.fit(labelled, catalogue, chances)
    packages = {name: version(name) for name in _PACKAGES}
    about = {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "config_hash": config.hash,
        "config": config.as_dict(),
        "fingerprint": prepared.loaded.fingerprint,
        "seed": config.seed,
        "verdict": model.info.verdict,
        "verdict_reason": model.info.verdict_reason,
        "target": model.target,
        "horizon_days": model.horizon_days,
        "backtest": report,
        "python": platform.python_version(),
        "packages": packages,
    }
    notes = [*prepared.loaded.notes, *_fold_notes(config, len(folds)), *_horizon_notes(further)]
    with stages("track"):
        path = registry.save_bundle(
            config.bundles_dir,
            name=config.registered_model,
            model=model,
            health=scale.as_dict(),
            explain=reference.as_dict(),
            about=about,
        )
        bundle = registry.load_bundle(path)
        from churnml.registry.tracking import track
        from churnml.reports.evidence import training_evidence

        evidence = training_evidence(config, bundle, report, frame, tested.predictions)
        cards = {"model_card.md": evidence.card_markdown, "model_card.html": evidence.card_html}
        tracked = track(
            config,
            bundle,
            report,
            frame,
            plots=evidence.plots,
            documents=[write_text(config.workspace_dir / name, text) for name, text in cards.items()],
            fingerprint=prepared.loaded.fingerprint,
            packages=packages,
            tuning=None if tuning is None else tuning.as_dict(),
        )
        write_parquet(tested_path(config, bundle.version), tested.predictions)
    with stages("gate"):
        decision = keep_or_promote(config, bundle, tested.predictions, prepared, promote_because)
    champion = registry.champion_bundle(config.bundles_dir, config.registered_model).name
    return Trained(
        bundle=bundle,
        backtest=report,
        model_uri=f"models:/{config.registered_model}@champion" if champion == bundle.version else tracked.model_uri,
        decision=decision,
        run_id=tracked.run_id,
        rejected=rejected_counts(prepared.loaded),
        notes=notes,
        tuning=None if tuning is None else tuning.as_dict(),
    )


def _tuned(config: Config, stages: Stages, prepared: Prepared, folds: Sequence[Split], seconds: float) -> Tuning:
    config.workspace_dir.mkdir(parents=True, exist_ok=True)
    with stages("tune"):
        return tune(
            prepared.frame,
            prepared.feature_set,
            folds,
            config,
            budget=seconds,
            study=f"{config.hash[:16]}-{prepared.loaded.fingerprint[:16]}",
            storage=f"sqlite:///{config.workspace_dir / 'tuning.db'}",
            progress=stages.say,
        )


def _fold_notes(config: Config, folds: int) -> list[str]:
    wanted = len(config.splits.fixed) or config.splits.folds
    if folds >= wanted:
        return []
    return [f"The history allows {folds} of the {wanted} backtest folds that splits.folds asks for."]


def _horizon_notes(further: Mapping[int, HorizonReport]) -> list[str]:
    return [
        f"At the horizon of {days} days a rule is used: {report.verdict.reason}"
        for days, report in further.items()
        if report.verdict.verdict is not Publication.PUBLISHABLE
    ]
