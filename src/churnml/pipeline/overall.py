"""What matters over all accounts: importance, patterns of those who left, segments; as data and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from churnml import features as features_room
from churnml import registry, scoring, snapshots
from churnml.config import Config
from churnml.explain import (
    CHURNERS_NEEDED,
    ExplainReference,
    churn_patterns,
    global_importance,
    segment_differences,
    shap_summary,
)
from churnml.explain import explain as explain_frame
from churnml.explain.published import published_driver
from churnml.files import write_text
from churnml.health import HealthScale, health
from churnml.pipeline.score import as_trained
from churnml.pipeline.train import check
from churnml.progress import Stages
from churnml.registry import Bundle
from churnml.reports import overall_page
from churnml.store import plain

__all__ = ["overall"]

_MOST_ROWS = 10_000
"""Importance is a mean: rows thinned evenly give it well enough."""

_FEATURES = 30


def overall(
    config: Config, stages: Stages | None = None, *, language: Literal["en", "ja"] = "en"
) -> tuple[dict[str, Any], Path]:
    """Explain the champion over the company's whole history.

    Parameters
    ----------
    config : Config
    stages : Stages, optional
        Told of progress.
    language : {"en", "ja"}
        Of the page.

    Returns
    -------
    found, page : dict, Path
        JSON-ready, as `churnml.reports.overall_page` reads it; the HTML page.
    """
    config.require_churn("What matters over all accounts")
    stages = stages or Stages()
    bundle = registry.load_bundle(registry.champion_bundle(config.bundles_dir, config.registered_model))
    config = as_trained(config, bundle)
    tables = check(config, stages).loaded.tables
    with stages("features"):
        frame = features_room.compute(tables, snapshots.spine(tables, config), bundle.model.features, config)
    folder = config.workspace_dir / "reports"
    with stages("explain"):
        found = _found(frame, bundle, config)
        folder.mkdir(parents=True, exist_ok=True)
        picture = shap_summary(bundle.model, frame, folder / "shap_summary.png", rows=1000, top=15)
    with stages("report"):
        page = overall_page(found, language=language, title=config.name, summary=picture.read_bytes())
        path = write_text(folder / f"overall.{language}.html", page)
    return {**found, "shap_summary": str(picture)}, path


def _found(frame: pd.DataFrame, bundle: Bundle, config: Config) -> dict[str, Any]:
    reference = ExplainReference.from_dict(bundle.explain)
    thin = frame.iloc[np.unique(np.linspace(0, len(frame) - 1, min(len(frame), _MOST_ROWS)).round().astype(int))]
    thin = thin.reset_index(drop=True)
    importance = global_importance(bundle.model, thin, reference)
    specs = bundle.model.features
    features = importance["features"].head(_FEATURES)
    directions: Any = [reference.direction.get(name) for name in features["feature"]]
    features = features.assign(
        label_en=[specs.spec(name).label_en for name in features["feature"]],
        label_ja=[specs.spec(name).label_ja for name in features["feature"]],
        direction=directions,
    )
    column = reference.segment_column
    segments = segment_differences(bundle.model, thin, column) if column is not None and column in thin else None
    left = frame.loc[frame["churn_on"].notna(), "account_id"].nunique()
    return {
        "as_of_from": f"{frame['as_of'].min():%Y-%m-%d}",
        "as_of_until": f"{frame['as_of'].max():%Y-%m-%d}",
        "rows": len(thin),
        "accounts": int(thin["account_id"].nunique()),
        "horizon_days": bundle.model.horizon_days,
        "verdict": bundle.manifest["verdict"],
        "model_version": bundle.version,
        "families": _records(importance["families"]),
        "features": _records(features),
        "segment_column": column,
        "segments": [] if segments is None else _records(segments),
        "churned": int(left),
        "patterns": _patterns(frame, bundle, reference, config) if left >= CHURNERS_NEEDED else [],
    }


def _patterns(
    frame: pd.DataFrame, bundle: Bundle, reference: ExplainReference, config: Config
) -> list[Mapping[str, Any]]:
    """Return the patterns, each with the raising drivers of its example."""
    patterns = [pattern.as_dict() for pattern in churn_patterns(bundle.model, frame, seed=config.seed)]
    keys = pd.DataFrame(
        {
            "account_id": [pattern["example"] for pattern in patterns],
            "as_of": pd.to_datetime([pattern["example_on"] for pattern in patterns]).as_unit("us"),
        }
    )
    rows = keys.merge(frame, on=["account_id", "as_of"], how="left", validate="1:1")
    scores = scoring.score(bundle.model, rows)
    scale, verdict = HealthScale.from_dict(bundle.health), bundle.manifest["verdict"]
    told = explain_frame(
        bundle.model,
        rows,
        scores=scores,
        health=health(rows, scores, scale=scale, base_rate=bundle.model.base_rate, verdict=verdict),
        scale=scale,
        reference=reference,
        previous=frame,
        currency=config.currency,
    )
    return [
        {**pattern, "drivers": [published_driver(driver) for driver in one.raising]}
        for pattern, one in zip(patterns, told, strict=True)
    ]


def _records(table: pd.DataFrame) -> Sequence[dict[str, Any]]:
    records: list[dict[str, Any]] = plain(table.to_dict("records"))
    return records
