"""Holds the model in use against its training window, and its kept predictions against what became of the accounts."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.config import Config
from churnml.files import write_parquet
from churnml.language import Text
from churnml.monitoring import Budget, Drift, Performance, drift, estimate, realised, training_sample
from churnml.monitoring.feature_drift import Sample
from churnml.monitoring.performance import Realised, level_shift, promise_of
from churnml.pipeline.models import tested_path
from churnml.pipeline.outcomes import with_outcomes
from churnml.registry import Bundle
from churnml.registry.promotion import promotions
from churnml.store import SnapshotInfo, Store
from churnml.tables import Tables

__all__ = [
    "MOVED",
    "drift_of",
    "keep_reference",
    "mature_rows",
    "newest_scored",
    "performance_of",
    "reference_path",
    "same_ranking",
]

MOVED = "retrain-moved"
"""Code of the reason for which a version was promoted that is another one with its level moved."""

_AT_MOST = 60
"""Snapshots with final labels that are looked at, the newest."""


def reference_path(config: Config, version: str) -> Path:
    """Return where a version's sample of its training window is kept; it holds no account ids."""
    return config.workspace_dir / "monitoring" / f"{version}.parquet"


def keep_reference(config: Config, bundle: Bundle, frame: pd.DataFrame) -> None:
    """Keep a sample of the training window, to hold later days against."""
    sample = training_sample(frame, bundle.model.features.names, seed=config.seed)
    words = sample.select_dtypes("category").columns
    write_parquet(
        reference_path(config, bundle.version), sample.assign(**{name: sample[name].astype("object") for name in words})
    )


def newest_scored(config: Config, store: Store, as_of: date) -> SnapshotInfo | None:
    """Return the newest scoring up to a date that was made on its own day, not replayed."""
    scorings = (one for one in store.outlooks(config.name).snapshots() if one.as_of <= as_of)
    return next(scorings, None)


def drift_of(config: Config, bundle: Bundle, store: Store, as_of: date) -> Drift | None:
    """Return how features and scores of the newest scoring lie against training; None where that cannot be told.

    It needs the sample that training keeps and the features of the scoring, which the store keeps for the newest ones.
    """
    path, scored = reference_path(config, bundle.version), newest_scored(config, store, as_of)
    if not path.is_file() or scored is None or scored.model_version != bundle.version:
        return None
    features = store.all_features(scored.id)
    if not features:
        return None
    model = bundle.model
    now = pd.DataFrame.from_records(list(features.values())).assign(as_of=pd.Timestamp(scored.as_of))
    training = pd.read_parquet(path)
    names = model.features.names
    columns = model.matrix(training)[:, : len(names)]
    sample = Sample(
        columns, _numbered(training["account"]), _numbered(training["as_of"]), np.full(len(training), np.nan)
    )
    matrix = model.matrix(now)
    rest = matrix[:, len(names) :]
    before = None
    if tested_path(config, bundle.version).is_file() and model.rule is None:
        tested = pd.read_parquet(tested_path(config, bundle.version))
        before = tested["p_model"].to_numpy(dtype=np.float64), _numbered(tested["account_id"])
    return drift(
        sample,
        matrix[:, : len(names)],
        names,
        lambda X: model.probability(np.column_stack([X, rest])),
        rate=config.monitoring.drift_rate,
        scores_before=before,
    )


def performance_of(
    config: Config, bundle: Bundle, tables: Tables, store: Store, as_of: date
) -> tuple[Performance | None, tuple[Realised, ...], pd.DataFrame | None]:
    """Return promised, realised and expected performance, what of it is new, and the newest mature rows.

    Parameters
    ----------
    config : Config
    bundle : Bundle
        The model in use.
    tables : Tables
        What became of the accounts is read from them.
    store : Store
        Keeps the predictions, and how earlier ones turned out.
    as_of : date
        Scorings after it do not count.
    """
    scored = [one for one in store.outlooks(config.name).snapshots() if one.as_of <= as_of]
    if not scored:
        return None, (), None
    monitoring = store.monitoring(config.name)
    known = {(one.as_of, one.model_version) for one in monitoring.matured()}
    new, newest = [], None
    final_before = as_of - timedelta(days=config.label.purge_days)
    for snapshot in [one for one in scored if one.as_of <= final_before][:_AT_MOST]:
        own = snapshot.model_version == bundle.version
        is_stored = (snapshot.as_of, snapshot.model_version) in known
        if is_stored and (newest is not None or not own):
            continue
        rows = mature_rows(config, tables, store, snapshot)
        if rows is None:
            continue
        if own and newest is None:
            newest = rows
        if not is_stored:
            outcome = realised(
                rows,
                as_of=snapshot.as_of,
                model_version=snapshot.model_version,
                matured_on=as_of,
                seed=config.seed,
            )
            new += [] if outcome is None else [outcome]
    every = {(one.as_of, one.model_version): one for one in (*monitoring.matured(), *new)}
    mine = tuple(every[key] for key in sorted(every) if key[1] == bundle.version)
    alike = same_ranking(config, bundle.version)
    ranked = mine[-1:] or [every[key] for key in sorted(every) if key[1] in alike][-1:]
    now = [float(one.churn_probability) for one in store.outlooks(config.name).of(scored[0].id)]
    shift = None
    if newest is not None and bundle.model.rule is None and config.monitoring.recalibrate:
        shift = level_shift(newest, level=Budget(config.monitoring.false_alarms_per_month).level("performance", 3))
    promise = promise_of(bundle.manifest.backtest)
    estimated = estimate(now, as_of=scored[0].as_of, seed=config.seed)
    return Performance(promise, mine, estimated, shift, next(iter(ranked), None)), tuple(new), newest


def same_ranking(config: Config, version: str) -> frozenset[str]:
    """Return a version and those that it was made of by moving the level of the probabilities alone.

    Told by the record of promotions: what is moved is promoted in the same breath.
    """
    record = promotions(config.bundles_dir, config.registered_model)
    made_of = {one.version: one.previous for one in record if isinstance(one.reason, Text) and one.reason.code == MOVED}
    versions, older = {version}, made_of.get(version)
    while older is not None and older not in versions:
        versions.add(older)
        older = made_of.get(older)
    return frozenset(versions)


def mature_rows(config: Config, tables: Tables, store: Store, snapshot: SnapshotInfo) -> pd.DataFrame | None:
    """Return ``account_id, probability, churned`` of a scoring whose labels are final; None where they are not."""
    opens = pd.Timestamp(snapshot.as_of)
    if opens + pd.Timedelta(days=config.label.purge_days) > pd.Timestamp(tables.observed_until):
        return None
    rows = with_outcomes(store, config.name, tables, config.label, [snapshot])
    rows = rows.rename(columns={"churn_probability": "probability"})[["account_id", "probability", "churned"]]
    return rows if rows["churned"].notna().any() else None


def _numbered(values: pd.Series) -> npt.NDArray[np.intp]:
    return np.asarray(pd.factorize(values.astype(str))[0], dtype=np.intp)
