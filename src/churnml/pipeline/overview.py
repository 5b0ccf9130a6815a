"""What matters over all accounts: importance, patterns of those who left, segments; as data and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churnml import features as features_room
from churnml import snapshots
from churnml.assessment import Champion, FamilyShare, FeatureShare, Overall, PatternFound, SegmentEffect
from churnml.config import Config
from churnml.explain import (
    CHURNERS_NEEDED,
    churn_patterns,
    global_importance,
    segment_differences,
    shap_summary,
)
from churnml.explain.facts import label
from churnml.files import write_text
from churnml.language import Language
from churnml.pipeline.preparation import check
from churnml.progress import Stages
from churnml.reports import overall_page
from churnml.store import plain

__all__ = ["overall"]

_MOST_ROWS = 10_000
"""Importance is a mean: rows thinned evenly give it well enough."""

_FEATURES = 30


def overall(config: Config, stages: Stages | None = None, *, language: Language = "en") -> tuple[Overall, Path, Path]:
    """Explain the champion over the company's whole history.

    Parameters
    ----------
    config : Config
    stages : Stages, optional
        Told of progress.
    language : str
        Of the page.

    Returns
    -------
    found, page, summary : Overall, Path, Path
        What was found, the HTML page, and shap's summary as a picture.
    """
    config.require_churn("overall")
    stages = stages or Stages()
    champion = Champion.load(config)
    config = config.model_copy(update={"features": champion.as_trained(config.features)})
    tables = check(config, stages).loaded.tables
    with stages("features"):
        spine = snapshots.spine(tables, config)
        everyone = snapshots.whole_cohorts(tables, config, spine)
        frame = features_room.compute(tables, spine, champion.model.features, config.features, cohort=everyone)
    folder = config.workspace_dir / "reports"
    with stages("explain"):
        everybody = _overall(frame, champion, config)
        folder.mkdir(parents=True, exist_ok=True)
        picture = shap_summary(champion.model, frame, folder / "shap_summary.png", rows=1000, top=15)
    with stages("report"):
        page = overall_page(
            everybody, language=language, title=config.name, summary=picture.read_bytes(), display=config.display
        )
        path = write_text(folder / f"overall.{language}.html", page)
    return everybody, path, picture


def _overall(frame: pd.DataFrame, champion: Champion, config: Config) -> Overall:
    model, reference = champion.model, champion.reference
    thin = frame.iloc[np.unique(np.linspace(0, len(frame) - 1, min(len(frame), _MOST_ROWS)).round().astype(int))]
    thin = thin.reset_index(drop=True)
    importance = global_importance(model, thin, reference)
    specs, directions = model.features, reference.direction
    column = reference.segment_column
    segments = segment_differences(model, thin, column) if column is not None and column in thin else None
    left = frame.loc[frame["churn_on"].notna(), "account_id"].nunique()
    return Overall(
        as_of_from=frame["as_of"].min().date(),
        as_of_until=frame["as_of"].max().date(),
        rows=len(thin),
        accounts=int(thin["account_id"].nunique()),
        horizon_days=model.horizon_days,
        verdict=champion.bundle.manifest.verdict,
        model_version=champion.version,
        families=[FamilyShare(**row) for row in _records(importance["families"])],
        features=[
            FeatureShare(**row, label=label(specs.spec(row["feature"])), direction=directions.get(row["feature"]))
            for row in _records(importance["features"].head(_FEATURES))
        ],
        segment_column=column,
        segments=[] if segments is None else [SegmentEffect(**row) for row in _records(segments)],
        churned=int(left),
        patterns=_patterns(frame, champion, config.seed) if left >= CHURNERS_NEEDED else [],
    )


def _patterns(frame: pd.DataFrame, champion: Champion, seed: int) -> list[PatternFound]:
    """Return the patterns, each with the raising drivers of its example."""
    patterns = churn_patterns(champion.model, frame, seed=seed)
    keys = pd.DataFrame(
        {
            "account_id": [pattern.example for pattern in patterns],
            "as_of": pd.to_datetime([pattern.example_on for pattern in patterns]).as_unit("us"),
        }
    )
    rows = keys.merge(frame, on=["account_id", "as_of"], how="left", validate="1:1")
    examples = champion.assess(rows, previous=frame).explanations
    return [PatternFound(pattern, example.raising) for pattern, example in zip(patterns, examples, strict=True)]


def _records(table: pd.DataFrame) -> Sequence[dict[str, Any]]:
    records: list[dict[str, Any]] = plain(table.to_dict("records"))
    return records
