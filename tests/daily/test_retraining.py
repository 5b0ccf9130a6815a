"""When a model is due: what is trained and kept on record, how long the next one waits, and what moves the level."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from scipy.special import expit, logit
from tests.companies.command import churnml, without_plots
from tests.monitoring.test_model import outcome

from churnml import registry
from churnml.config import Config, load_config
from churnml.errors import DataError, EngineError
from churnml.language import Text
from churnml.monitoring.alarms import Alarm
from churnml.pipeline import check, model_watch, retraining
from churnml.pipeline.daily import Day
from churnml.pipeline.daily.stages import monitor, retrain
from churnml.pipeline.model_watch import MOVED
from churnml.pipeline.models import champion_version
from churnml.pipeline.models import tested_path as backtest_of
from churnml.pipeline.monitoring import retraining_due
from churnml.pipeline.retraining import moved, retrain_if_due, trainings_pause_until
from churnml.progress import Stages
from churnml.registry import Provenance
from churnml.registry.promotion import Decision, promote, promotions
from churnml.registry.tracking import open_mlflow
from churnml.sources import Loaded
from churnml.store import Actor, Retraining, Snapshot, Store

pytestmark = pytest.mark.slow  # models are trained and scored

NOW = datetime(2026, 7, 1, 4, tzinfo=UTC)
DUE: dict[str, Any] = {"retrain_after_days": 7}


def of(config: Path, **monitoring: Any) -> Config:
    settings = load_config(config)
    return settings.model_copy(update={"monitoring": settings.monitoring.model_copy(update=monitoring)})


def put_in_place(config: Config, shift: float, reason: Any = "A try.") -> str:
    """Put the champion's own model in its place with its probabilities moved, and the backtest it would have had."""
    champion = registry.load_champion(config.bundles_dir, config.registered_model)
    kept = {name: getattr(champion.manifest, name) for name in Provenance.model_fields}
    path = registry.save_bundle(
        config.bundles_dir,
        name=config.registered_model,
        model=moved(replace(champion.model, fallback=None), shift),
        health=champion.health,
        explain=champion.explain,
        provenance=Provenance(**kept),
    )
    tested = pd.read_parquet(backtest_of(config, champion.version))
    tested["p_model"] = expit(logit(tested["p_model"].clip(1e-9, 1 - 1e-9)) + shift)
    tested.to_parquet(backtest_of(config, path.name))
    promote(config.bundles_dir, config.registered_model, path.name, reason=reason, at=NOW)
    return path.name


def live_on(config: Config, store: Store, last: date, version: str, *, days: int) -> None:
    """Publish scores of a few accounts on the last days."""
    newest = store.latest(config.name)
    assert newest is not None
    features = pd.DataFrame.from_dict(store.all_features(newest.id), orient="index").head(5)
    features = features.rename_axis("account_id").reset_index()
    scores = pd.DataFrame({"account_id": features["account_id"], "name": "A firm", "churn_probability": 0.5})
    scores = scores.assign(health_score=50.0, band="yellow", coverage=1.0)
    for back in reversed(range(days)):
        day = last - timedelta(days=back)
        told = features if day == last else None
        store.publish(Snapshot(config.name, day, NOW, version, config.hash, scores, features=told))


def retrainings(config: Config) -> list[Retraining]:
    with Store(config.store_url) as store:
        return store.monitoring(config.name).retrainings()


@pytest.fixture(scope="session")
def loaded(trained: Path) -> Loaded:
    return check(load_config(trained)).loaded


def test_one_that_is_due_is_challenged_then_the_next_waits(acme: Path, loaded: Loaded) -> None:
    config = of(acme, **DUE)
    before = put_in_place(config, 4.0)
    with Store(config.store_url) as store, without_plots():
        first = retrain(Day(config, store, Stages(), NOW, loaded=loaded))
        again = retrain(Day(config, store, Stages(), NOW + timedelta(days=27), loaded=loaded))
    assert first.outcome == "done"
    assert first.detail["promoted"] is True, first.detail["reason"]
    assert first.detail["model"] == champion_version(config) != before
    (record,) = retrainings(config)
    assert (record.before, record.version, record.promoted) == (before, first.detail["model"], True)
    assert [one.code.split(".")[0] for one in record.because] == ["retrain-MON401"]
    with open_mlflow(config) as client:
        run = client.get_run(record.run_id)
    assert run.data.tags["churnml.because"] == " ".join(first.detail["because"])
    # As old as its newest label, it is due still; whoever asks, the next training waits.
    assert (again.outcome, again.detail["because"]) == ("not_due", first.detail["because"])
    assert again.detail["waits_until"] == (NOW + timedelta(days=28)).isoformat()
    assert retrain_if_due(config, loaded=loaded, now=NOW + timedelta(days=27)) is None
    assert trainings_pause_until(config, NOW + timedelta(days=28)) is None


def test_a_refusal_is_on_record_and_the_champion_stays(
    acme: Path, loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = of(acme, **DUE)
    champion = registry.load_champion(config.bundles_dir, config.registered_model)
    refused = Decision(False, Text.of("gate-same"))
    run_id = "0" * 32
    monkeypatch.setattr(retraining, "prepare", lambda *_, **__: None)
    monkeypatch.setattr(
        retraining, "train", lambda *_, **__: SimpleNamespace(bundle=champion, decision=refused, run_id=run_id)
    )
    # MLflow knows no such run: what was decided is on record before it is told.
    with pytest.raises(EngineError, match=run_id):
        retrain_if_due(config, loaded=loaded, now=NOW)
    (record,) = retrainings(config)
    assert (record.promoted, record.decision, record.run_id) == (False, refused.reason, run_id)
    assert trainings_pause_until(config, NOW) == NOW + timedelta(days=28)


def test_a_training_that_failed_is_on_record_and_tried_again(
    acme: Path, loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise DataError("There are too few churners", where="subscriptions")

    monkeypatch.setattr(retraining, "train", broken)
    monkeypatch.setattr(retraining, "prepare", lambda *_, **__: None)
    config = of(acme, **DUE)
    for _ in range(2):
        with pytest.raises(DataError):
            retrain_if_due(config, loaded=loaded, now=NOW)
    assert [(one.version, one.promoted) for one in retrainings(config)] == [(None, False)] * 2
    assert "too few churners" in str(retrainings(config)[0].decision)
    assert trainings_pause_until(config, NOW) is None


def test_a_model_that_is_not_due_is_left_alone(acme: Path, loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retraining, "train", None)  # a call would fail
    config = of(acme, retrain_after_days=5000)
    assert retrain_if_due(config, loaded=loaded) is None
    with Store(config.store_url) as store:
        assert retrain(Day(config, store, Stages(), NOW, loaded=loaded)).outcome == "not_due"
    assert retrainings(config) == []


def test_what_was_found_of_another_model_makes_none_due(acme: Path) -> None:
    config = of(acme, retrain_after_days=5000)
    drifted = Alarm("MON201", "events_28d", NOW.date(), Text.of("alarm-MON201", feature="events_28d"), 1e-9)

    def reasons(found_of: str | None) -> list[str]:
        report = outcome(2, drifted)
        with Store(config.store_url) as store:
            kept = type(report)(**{**vars(report), "model_version": found_of})
            store.monitoring(config.name).keep(kept, [], Actor("cli", NOW))
        return [one.code for one in retraining_due(config).reasons]

    first = champion_version(config)
    assert reasons(first) == ["MON402"]
    put_in_place(config, 0.5)
    assert reasons(first) == []
    second = champion_version(config)
    assert reasons(second) == ["MON402"]
    # The level alone is another one: what drifted for the one drifted for the other.
    put_in_place(config, 0.5, Text.of(MOVED, n=1, expected=2, accounts=3))
    assert reasons(second) == ["MON402"]


def test_probabilities_that_are_off_are_moved_to_what_came_true(
    acme: Path, loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = of(acme)
    too_high = put_in_place(config, 3.0)
    early = loaded.tables.observed_until - timedelta(days=config.label.purge_days)
    assert churnml("score", acme, "--as-of", early.isoformat()).exit_code == 0
    with Store(config.store_url) as store:
        # Scores of so many days since then are too young to tell anything.
        monkeypatch.setattr(model_watch, "_AT_MOST", 5)
        live_on(config, store, loaded.tables.observed_until, too_high, days=6)
        day = Day(config, store, Stages(), NOW, loaded=loaded)
        done = monitor(day)
        again = monitor(day)
        report = store.monitoring(config.name).newest()
    version = done.detail["model"]
    assert any(told.startswith("MON302") for told in done.detail["new"])
    assert champion_version(config) == version != too_high
    assert [(one.kind, one.before, one.version) for one in retrainings(config)] == [("recalibrated", too_high, version)]
    last = promotions(config.bundles_dir, config.registered_model)[-1]
    assert last.by.startswith("monitoring")
    # Of the moved version nothing has come true yet, so that it is not moved again; its ranking is known.
    assert "model" not in again.detail
    assert report is not None
    assert report.performance is not None
    assert report.performance.realised == ()
    assert report.performance.ranked is not None
    assert report.performance.ranked.model_version == too_high
    before, after = (
        registry.load_bundle(config.bundles_dir / config.registered_model / one).model for one in (too_high, version)
    )
    told = pd.read_parquet(config.workspace_dir / "scores.parquet")["churn_probability"]
    by = after.ensemble.calibrator.prior_shift - before.ensemble.calibrator.prior_shift
    assert told.sum() > 2 * report.performance.ranked.churned
    assert expit(logit(told) + by).sum() == pytest.approx(report.performance.ranked.churned, rel=0.05)
    with open_mlflow(config) as client:
        named = client.MlflowClient().get_model_version_by_alias(config.registered_model, "champion")
    assert named.tags["churnml.bundle_version"] == version
    assert churnml("models", "rollback", acme, "--reason", "Not yet.").exit_code == 0
    assert champion_version(config) == too_high
