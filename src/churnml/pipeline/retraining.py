"""Trains anew when it is due, through the gate; moves probabilities that are off to the newest mature churn rate."""

from __future__ import annotations

import getpass
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd
from scipy.special import expit, logit

from churnml import registry
from churnml.config import Config
from churnml.errors import ChurnmlError
from churnml.files import write_parquet
from churnml.language import Quantity, Text, render
from churnml.monitoring import MonitoringReport
from churnml.pipeline.model_watch import MOVED, newest_scored, reference_path
from churnml.pipeline.models import tested_path
from churnml.pipeline.monitoring import retraining_due
from churnml.pipeline.preparation import prepare
from churnml.pipeline.training import train
from churnml.progress import Stages
from churnml.registry import Bundle, Provenance
from churnml.registry.promotion import promote
from churnml.registry.tracking import name_alias, tag_run, track_moved
from churnml.sources import Loaded
from churnml.store import Actor, Retraining, Store
from churnml.training import ChurnModel

__all__ = ["moved", "recalibrate_if_off", "retrain_if_due", "trainings_pause_until"]


def trainings_pause_until(config: Config, now: datetime) -> datetime | None:
    """Return until when the last training that was due, promoted or refused, holds back the next; None when it may be.

    It waits ``daily.retrain_pause_days``, whoever asks: the same data would make the same challenger again. A training
    that failed holds back none, as no stage that failed does, nor does one by hand (`churnml train`).

    Parameters
    ----------
    config : Config
    now : datetime
        UTC.
    """
    with Store(config.store_url) as store:
        tried = store.monitoring(config.name).retrainings()
    last = next((one.at for one in tried if one.kind == "retrained" and one.version is not None), None)
    until = None if last is None else last + timedelta(days=config.daily.retrain_pause_days)
    return until if until is not None and now < until else None


def retrain_if_due(
    config: Config,
    stages: Stages | None = None,
    *,
    as_of: date | None = None,
    loaded: Loaded | None = None,
    now: datetime | None = None,
) -> Retraining | None:
    """Train a challenger where the newest monitoring says that the model is due; the gate decides as always.

    A promotion, a refusal and a training that failed go on record with why it was due, see `Store.monitoring`; MLflow's
    run has it as the tag ``churnml.because``.

    Parameters
    ----------
    config : Config
    stages : Stages, optional
        Told of progress.
    as_of : date, optional
        As in `churnml.pipeline.retraining_due`.
    loaded : Loaded, optional
        Canonical tables at hand.
    now : datetime, optional
        UTC; default: the machine's.

    Returns
    -------
    Retraining or None
        None where it is not due, or the last training was less than ``daily.retrain_pause_days`` ago; see
        `trainings_pause_until`.

    Raises
    ------
    ChurnmlError
        The training failed; that is on record as well.
    """
    decision = retraining_due(config, as_of=as_of)
    now = now or datetime.now(UTC)
    if not decision.due or trainings_pause_until(config, now) is not None:
        return None
    because = tuple(reason.said for reason in decision.reasons)
    try:
        prepared = None if loaded is None else prepare(config, stages, loaded=loaded)
        trained = train(config, stages, prepared=prepared)
    except ChurnmlError as error:
        failed = Retraining(now, "retrained", decision.model_version, None, False, because, str(error))
        _keep(config, failed)
        raise
    done = Retraining(
        at=now,
        kind="retrained",
        before=decision.model_version,
        version=trained.bundle.version,
        promoted=trained.decision.promote,
        because=because,
        decision=trained.decision.reason,
        run_id=trained.run_id,
    )
    _keep(config, done)
    tag_run(config, trained.run_id, {"churnml.because": " ".join(render(one, config.language) for one in because)})
    return done


def recalibrate_if_off(config: Config, report: MonitoringReport) -> Retraining | None:
    """Move the probabilities to the newest mature churn rate where they are off beyond noise, as a version of its own.

    The ranking stays as it is, and `churnml models rollback` takes it back.

    Parameters
    ----------
    config : Config
    report : MonitoringReport
        Of `churnml.pipeline.monitor`.

    Returns
    -------
    Retraining or None
        None where the level is within noise, a rule scores, or ``monitoring.recalibrate`` is off.
    """
    performance = report.performance
    if (
        performance is None
        or performance.shift is None
        or not performance.realised
        or not config.monitoring.recalibrate
    ):
        return None
    champion = registry.load_champion(config.bundles_dir, config.registered_model)
    if champion.version != report.model_version or champion.model.rule is not None:
        return None
    last, now = performance.realised[-1], datetime.now(UTC)
    reason = Text.of(
        MOVED,
        n=last.churned,
        expected=round(last.expected),
        accounts=Quantity(value=last.accounts, unit="accounts"),
    )
    bundle = _bundled(config, champion, moved(champion.model, performance.shift), performance.shift, now)
    example = _example(config, report.as_of)
    run_id = (
        "" if example is None else track_moved(config, bundle, example, before=champion.version, reason=reason).run_id
    )
    entry = promote(
        config.bundles_dir,
        config.registered_model,
        bundle.version,
        reason=reason,
        at=now,
        by=f"monitoring, run by {_user()}",
    )
    name_alias(config, "champion", bundle.version, entry)
    done = Retraining(now, "recalibrated", champion.version, bundle.version, True, (reason,), reason, run_id)
    _keep(config, done)
    return done


def moved(model: ChurnModel, shift: float) -> ChurnModel:
    """Return the same model with its probabilities moved: `shift` is added to their log-odds; the order stays.

    Parameters
    ----------
    model : ChurnModel
    shift : float
        In log-odds.
    """
    calibrator = model.ensemble.calibrator
    ensemble = replace(model.ensemble, calibrator=replace(calibrator, prior_shift=calibrator.prior_shift + shift))
    base = float(expit(logit(model.base_rate) + shift))
    longer = {days: moved(other, shift) for days, other in model.horizon_models.items()}
    return replace(model, ensemble=ensemble, base_rate=base, horizon_models=longer)


def _bundled(config: Config, champion: Bundle, model: ChurnModel, shift: float, now: datetime) -> Bundle:
    """Write the bundle, with what the next gate and the next monitoring hold it against."""
    provenance = {name: getattr(champion.manifest, name) for name in Provenance.model_fields}
    path = registry.save_bundle(
        config.bundles_dir,
        name=config.registered_model,
        model=model,
        health=champion.health,
        explain=champion.explain,
        provenance=Provenance(**{**provenance, "created_at": now}),
        survival=champion.survival,
        hazard=champion.hazard,
    )
    bundle = registry.load_bundle(path)
    if tested_path(config, champion.version).is_file():
        tested = pd.read_parquet(tested_path(config, champion.version))
        inner = tested["p_model"].clip(1e-9, 1 - 1e-9)
        write_parquet(tested_path(config, bundle.version), tested.assign(p_model=expit(logit(inner) + shift)))
    if reference_path(config, champion.version).is_file():
        write_parquet(reference_path(config, bundle.version), pd.read_parquet(reference_path(config, champion.version)))
    return bundle


def _example(config: Config, as_of: date) -> pd.DataFrame | None:
    with Store(config.store_url) as store:
        scored = newest_scored(config, store, as_of)
        rows = {} if scored is None else store.all_features(scored.id)
    return pd.DataFrame.from_records(list(rows.values())[:5]) if rows else None


def _keep(config: Config, done: Retraining) -> None:
    with Store(config.store_url) as store:
        store.monitoring(config.name).keep_retraining(done, Actor("cli", done.at))


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container without the user's name
        return "an unnamed user"
