"""Wires the rooms into runs: check, features, train, score, explain, and all of them at once."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from churnml import features as features_room
from churnml import registry, scoring, snapshots
from churnml.config import Config
from churnml.engine import connect
from churnml.errors import DataError, near_name
from churnml.explain import ExplainReference
from churnml.explain import explain as explain_frame
from churnml.features import FeatureSet
from churnml.files import write_json, write_parquet
from churnml.health import HealthScale, health
from churnml.progress import Stages, peak_rss_mb
from churnml.registry import Bundle
from churnml.sources import Loaded, load
from churnml.store import Snapshot, Store
from churnml.tables import Tables
from churnml.training import backtest, fit

if TYPE_CHECKING:
    from churnml.explain import Explanation

__all__ = ["Checked", "Prepared", "Scored", "Trained", "check", "explain", "prepare", "run", "score", "train"]

_PACKAGES = ("churnml", "pandas", "numpy", "scikit-learn", "lightgbm", "mlflow", "shap", "bentoml", "duckdb")
_PREVIOUS_DAYS = 28
"""An explanation compares an account with itself this many days earlier."""


@dataclass(frozen=True)
class Checked:
    """What checking the raw data found.

    Parameters
    ----------
    loaded : Loaded
        The canonical tables, what was set aside, notes.
    """

    loaded: Loaded

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready data."""
        tables = self.loaded.tables
        return {
            "tables": dict(self.loaded.counts),
            "observed_from": tables.observed_from.isoformat(),
            "observed_until": tables.observed_until.isoformat(),
            "rejected": rejected_counts(self.loaded),
            "notes": list(self.loaded.notes),
            "fingerprint": self.loaded.fingerprint,
        }


@dataclass(frozen=True)
class Prepared:
    """A training frame and what it was made from.

    Parameters
    ----------
    loaded : Loaded
        The canonical tables.
    feature_set : FeatureSet
        The catalogue.
    frame : DataFrame
        Spine and features, one row per ``(account_id, as_of)``.
    skipped : mapping of str to str
        Family or feature → why it is off.
    """

    loaded: Loaded
    feature_set: FeatureSet
    frame: pd.DataFrame
    skipped: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready data."""
        labelled = self.frame["churned"].notna()
        return {
            "rows": len(self.frame),
            "accounts": int(self.frame["account_id"].nunique()),
            "snapshots": [f"{day:%Y-%m-%d}" for day in sorted(self.frame["as_of"].unique())],
            "labelled": int(labelled.sum()),
            "churned": int((self.frame["churned"] == 1).sum()),
            "features": len(self.feature_set),
            "skipped": dict(self.skipped),
            "rejected": rejected_counts(self.loaded),
            "notes": list(self.loaded.notes),
        }


@dataclass(frozen=True)
class Trained:
    """A trained, tracked and bundled model.

    Parameters
    ----------
    bundle : Bundle
        The champion.
    backtest : mapping
        ``pooled`` and ``folds``, see `churnml.training.Backtest.as_dict`.
    model_uri, run_id : str
        In MLflow.
    rejected : mapping
        Table → reason → rows set aside.
    notes : sequence of str
        What a reader of the numbers should know.
    """

    bundle: Bundle
    backtest: Mapping[str, Any]
    model_uri: str
    run_id: str
    rejected: Mapping[str, Mapping[str, int]]
    notes: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready data."""
        return {
            "verdict": self.bundle.manifest["verdict"],
            "verdict_reason": self.bundle.manifest["verdict_reason"],
            "backtest": dict(self.backtest),
            "model_uri": self.model_uri,
            "run_id": self.run_id,
            "bundle": str(self.bundle.path),
            "model_version": self.bundle.version,
            "rejected": {table: dict(reasons) for table, reasons in self.rejected.items()},
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Scored:
    """A scored snapshot.

    Parameters
    ----------
    table : DataFrame
        One row per account, highest expected loss first: the scores, account details and ``reasons``.
    explanations : sequence of Explanation
        In the table's order.
    path : Path
        ``scores.parquet``.
    as_of : date
        The snapshot's date.
    bundle : Bundle
        The model that scored.
    rejected : mapping
        Table → reason → rows set aside.
    """

    table: pd.DataFrame
    explanations: Sequence[Explanation]
    path: Path
    as_of: date
    bundle: Bundle
    rejected: Mapping[str, Mapping[str, int]]

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready data; the scores themselves are in the files."""
        bands = self.table["band"].value_counts()
        return {
            "as_of": self.as_of.isoformat(),
            "accounts": len(self.table),
            "bands": {band: int(bands.get(band, 0)) for band in ("green", "yellow", "red", "unknown")},
            "verdict": self.bundle.manifest["verdict"],
            "backtest": self.bundle.manifest.get("backtest"),
            "model_uri": self.bundle.manifest.get("model_uri"),
            "bundle": str(self.bundle.path),
            "model_version": self.bundle.version,
            "scores": str(self.path),
            "explanations": str(self.path.with_name("explanations.json")),
            "rejected": {table: dict(reasons) for table, reasons in self.rejected.items()},
        }


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


def train(config: Config, stages: Stages | None = None, *, prepared: Prepared | None = None) -> Trained:
    """Backtest, fit, bundle and track a model, and make it the champion."""
    stages = stages or Stages()
    prepared = prepared or prepare(config, stages)
    frame, catalogue = prepared.frame, prepared.feature_set
    folds = snapshots.splits(frame, config)
    with stages("backtest"):
        tested = backtest(frame, catalogue, folds, config, progress=stages.say)
    with stages("fit"):
        model = fit(frame, catalogue, config, backtest=tested)
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
        "verdict": model.info["verdict"],
        "verdict_reason": model.info["verdict_reason"],
        "horizon_days": model.horizon_days,
        "backtest": tested.as_dict(),
        "model_uri": f"models:/{config.registered_model}@champion",
        "python": platform.python_version(),
        "packages": packages,
    }
    notes = [*prepared.loaded.notes, *_fold_notes(config, len(folds))]
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

        tracked = track(
            config,
            bundle,
            tested.as_dict(),
            frame,
            fingerprint=prepared.loaded.fingerprint,
            packages=packages,
        )
        registry.set_champion(config.bundles_dir, config.registered_model, bundle.version)
    write_parquet(config.workspace_dir / "backtest.parquet", tested.predictions)
    return Trained(
        bundle=bundle,
        backtest=tested.as_dict(),
        model_uri=tracked.model_uri,
        run_id=tracked.run_id,
        rejected=rejected_counts(prepared.loaded),
        notes=notes,
    )


def score(
    config: Config, stages: Stages | None = None, *, as_of: date | None = None, loaded: Loaded | None = None
) -> Scored:
    """Score every account of the cohort at an ``as_of``, explain it, write the files and publish to the store.

    Parameters
    ----------
    config : Config
        The config.
    stages : Stages, optional
        Told of progress.
    as_of : date, optional
        Default: the end of the observed period, so that everything known counts.
    loaded : Loaded, optional
        Canonical tables at hand.
    """
    stages = stages or Stages()
    bundle = registry.load_bundle(registry.champion_bundle(config.bundles_dir, config.registered_model))
    loaded = loaded or check(config, stages).loaded
    day = pd.Timestamp(as_of or loaded.tables.observed_until).as_unit("us")
    with stages("score"):
        now, before = _frames_at(loaded.tables, config, bundle, day)
        scores = scoring.score(bundle.model, now)
        scale = HealthScale.from_dict(bundle.health)
        healths = health(now, scores, scale=scale, base_rate=bundle.model.base_rate, verdict=bundle.manifest["verdict"])
    with stages("explain"):
        explanations = explain_frame(
            bundle.model,
            now,
            scores=scores,
            health=healths,
            scale=scale,
            reference=ExplainReference.from_dict(bundle.explain),
            previous=before,
            currency=config.currency,
        )
    with stages("publish"):
        table, ordered = _table(now, scores, healths, explanations, loaded.tables, day)
        scored_at = datetime.now(UTC)
        path = _publish(config, bundle, now, table, ordered, day, scored_at)
    return Scored(table, ordered, path, day.date(), bundle, rejected_counts(loaded))


def run(config: Config, stages: Stages | None = None, *, as_of: date | None = None) -> tuple[Trained, Scored]:
    """Check, train and score in one go, reading the data once."""
    stages = stages or Stages()
    checked = check(config, stages)
    trained = train(config, stages, prepared=prepare(config, stages, loaded=checked.loaded))
    return trained, score(config, stages, as_of=as_of, loaded=checked.loaded)


def explain(config: Config, account_id: str) -> dict[str, Any]:
    """Return the explanation of one account from the newest scored snapshot.

    Raises
    ------
    DataError
        The account is not in it; the message names the near one.
    """
    store = Store(config.store_url)
    snapshot = store.latest(config.name)
    if snapshot is None:
        raise DataError(
            "No snapshot has been scored yet",
            where=str(config.workspace_dir),
            remedy="Run `churnml score CONFIG` (or `churnml run CONFIG`) first.",
            code="store.empty",
        )
    found = store.explanation(snapshot.id, account_id)
    if found is None:
        known = store.account_ids(snapshot.id)
        near = near_name(account_id, known)
        raise DataError(
            f"Account {account_id!r} is not in the scored snapshot",
            where=f"as_of {snapshot.as_of}",
            expected=f"for example {near!r}" if near else f"one of {len(known)} accounts, such as {known[0]!r}",
            remedy="It may have churned, given notice, or be new; the cohort section says who is scored.",
            code="data.unknown_account",
        )
    return found


def rejected_counts(loaded: Loaded) -> dict[str, dict[str, int]]:
    """Return table → reason → rows set aside."""
    out: dict[str, dict[str, int]] = {}
    for row in loaded.rejected.itertuples():
        reasons = out.setdefault(str(row.table), {})
        reasons[str(row.reason)] = reasons.get(str(row.reason), 0) + int(row.rows)  # type: ignore[arg-type]
    return out


def _frames_at(tables: Tables, config: Config, bundle: Bundle, day: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the cohort's features at a date and, for the same accounts, `_PREVIOUS_DAYS` earlier."""
    cohort = snapshots.cohort_at(tables, config, day)
    earlier = cohort.assign(as_of=day - pd.Timedelta(days=_PREVIOUS_DAYS))
    both = features_room.compute(tables, pd.concat([cohort, earlier], ignore_index=True), bundle.model.features, config)
    return both.iloc[: len(cohort)].reset_index(drop=True), both.iloc[len(cohort) :].reset_index(drop=True)


def _table(
    now: pd.DataFrame,
    scores: pd.DataFrame,
    healths: pd.DataFrame,
    explanations: Sequence[Explanation],
    tables: Tables,
    day: pd.Timestamp,
) -> tuple[pd.DataFrame, list[Explanation]]:
    """Return the accounts, highest expected loss first, and their explanations in that order."""
    keys = ["account_id", "as_of"]
    table = now[[*keys, "arr"]].merge(scores, on=keys, validate="1:1").merge(healths, on=keys, validate="1:1")
    table["expected_loss"] = table["churn_probability"] * table["arr"]
    table["days_to_renewal"] = now["days_to_renewal"].to_numpy() if "days_to_renewal" in now else float("nan")
    table = table.merge(_details(tables, day), on="account_id", how="left", validate="1:1")
    table["position"] = range(len(table))
    table = table.sort_values(
        ["expected_loss", "churn_probability", "account_id"], ascending=[False, False, True], kind="stable"
    )
    ordered = [explanations[position] for position in table["position"]]
    return table.drop(columns="position").reset_index(drop=True), ordered


def _details(tables: Tables, day: pd.Timestamp) -> pd.DataFrame:
    """Return name, owner and segment of each account, as known before the date."""
    columns = ["account_id", "name", "owner", "segment"]
    accounts = tables["accounts"].select([*columns, "known_at"]).to_pandas()
    accounts["account_id"] = accounts["account_id"].astype("str")
    known = accounts[~(pd.to_datetime(accounts["known_at"]) >= day)]
    known = known.sort_values(["account_id", "known_at"], na_position="first", kind="stable")
    return known.drop_duplicates("account_id", keep="last")[columns]


def _publish(
    config: Config,
    bundle: Bundle,
    now: pd.DataFrame,
    table: pd.DataFrame,
    explanations: Sequence[Explanation],
    day: pd.Timestamp,
    scored_at: datetime,
) -> Path:
    """Write ``scores.parquet`` and ``explanations.json`` and publish both to the store."""
    told = [explanation.as_dict() for explanation in explanations]
    out = table[["account_id", "as_of", "churn_probability", "health_score", "band", "coverage"]].copy()
    out["drivers"] = [[driver["sentence_en"] for driver in (*item["raising"], *item["lowering"])] for item in told]
    out["model_version"] = bundle.version
    out["config_hash"] = config.hash
    out["scored_at"] = pd.Timestamp(scored_at).as_unit("us")
    path = write_parquet(config.workspace_dir / "scores.parquet", out)
    write_json(path.with_name("explanations.json"), told)
    Store(config.store_url).publish(
        Snapshot(
            config=config.name,
            as_of=day.date(),
            scored_at=scored_at,
            model_version=bundle.version,
            config_hash=config.hash,
            scores=table,
            features=now[["account_id", *bundle.model.features.names]],
            explanations=told,
            info={
                "horizon_days": bundle.model.horizon_days,
                "base_rate": bundle.model.base_rate,
                "verdict": bundle.manifest["verdict"],
                "currency": config.currency,
            },
        )
    )
    return path


def _fold_notes(config: Config, folds: int) -> list[str]:
    wanted = len(config.splits.fixed) or config.splits.folds
    if folds >= wanted:
        return []
    return [f"The history allows {folds} of the {wanted} backtest folds that splits.folds asks for."]


def finish(report: dict[str, Any], stages: Stages) -> dict[str, Any]:
    """Add the seconds per stage and the peak memory to a report."""
    return {**report, "seconds": dict(stages.seconds), "peak_rss_mb": peak_rss_mb()}
