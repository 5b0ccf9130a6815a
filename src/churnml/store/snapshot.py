"""The snapshot to publish, and how its frames become rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from churnml.errors import DataError, near_name
from churnml.store.records import BANDS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Snapshot", "plain"]

_COLUMNS = (
    "account_id",
    "name",
    "churn_probability",
    "health_score",
    "band",
    "coverage",
    "arr",
    "expected_loss",
    "owner",
    "segment",
    "days_to_renewal",
)
_REQUIRED = ("account_id", "churn_probability", "health_score", "band", "coverage")
_ON_THE_SNAPSHOT = ("as_of", "scored_at", "model_version", "config_hash")


@dataclass(frozen=True)
class Snapshot:
    """A scored snapshot, ready to publish.

    Parameters
    ----------
    config : str
        The config's name.
    as_of : date
        The day before whose start all facts lie.
    scored_at : datetime
        When it was scored, with a zone.
    model_version, config_hash : str
        What scored it.
    scores : DataFrame
        One row per account: `account_id`, `churn_probability`, `health_score`, `band`, `coverage`; optionally `name`,
        `arr`, `expected_loss`, `owner`, `segment`, `days_to_renewal`. Any other column is kept in the row's details.
    features : DataFrame, optional
        One row per account: `account_id` and the columns it was scored from.
    explanations : sequence of mappings
        JSON-ready, each with its `account_id`.
    info : mapping
        JSON-ready facts of the whole run, such as `horizon_days`, `base_rate`, `verdict`, `currency`, `notes`.

    Raises
    ------
    DataError
        A required column is missing, an account stands twice, a probability is not in 0–1, or a band is not one.

    Examples
    --------
    >>> import pandas as pd
    >>> from datetime import datetime, UTC
    >>> scores = pd.DataFrame({"account_id": ["a"], "churn_probability": [0.2], "health_score": [55.0],
    ...                        "band": ["yellow"], "coverage": [1.0]})
    >>> Snapshot("acme", date(2024, 1, 1), datetime(2024, 1, 2, tzinfo=UTC), "3", "0f0f", scores).rows()[0]["position"]
    0
    """

    config: str
    as_of: date
    scored_at: datetime
    model_version: str
    config_hash: str
    scores: pd.DataFrame
    features: pd.DataFrame | None = None
    explanations: Sequence[Mapping[str, Any]] = ()
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for column in _REQUIRED:
            if column not in self.scores.columns:
                near = near_name(column, [str(name) for name in self.scores.columns])
                raise DataError(
                    f"The scores to publish have no column {column!r}",
                    where="scores",
                    got=f"{near!r}" if near else ", ".join(map(str, self.scores.columns)),
                    code="store.column_missing",
                )
        twice = self.scores["account_id"][self.scores["account_id"].duplicated()]
        if len(twice):
            raise DataError(
                f"{len(twice)} accounts stand twice in the scores to publish",
                where="scores.account_id",
                got=str(twice.iloc[0]),
                code="store.duplicate_account",
            )
        probability = self.scores["churn_probability"]
        if not probability.between(0, 1).all():
            raise DataError("A churn probability is not in 0–1", where="scores.churn_probability", code="store.value")
        strange = set(self.scores["band"].astype(str)) - set(BANDS)
        if strange:
            raise DataError(
                "A band is not one", where="scores.band", got=", ".join(sorted(strange)), expected=", ".join(BANDS)
            )
        if self.scored_at.tzinfo is None:
            raise DataError("scored_at has no zone", where="snapshot.scored_at", got=self.scored_at.isoformat())

    @property
    def mean_coverage(self) -> float | None:
        """Mean coverage of the accounts, 0–1."""
        mean = self.scores["coverage"].astype(float).mean()
        return None if math.isnan(mean) else float(mean)

    def rows(self) -> list[dict[str, Any]]:
        """Return the scores as rows in the order of expected loss, then probability, then account id."""
        frame = self.scores.copy()
        for column in _COLUMNS:
            if column not in frame.columns:
                frame[column] = None
        if frame["expected_loss"].isna().all() and not frame["arr"].isna().all():
            frame["expected_loss"] = frame["churn_probability"] * frame["arr"].astype(float)
        order = frame.assign(
            _loss=frame["expected_loss"].astype(float).fillna(-1.0), _key=frame["account_id"].astype(str)
        ).sort_values(["_loss", "churn_probability", "_key"], ascending=[False, False, True], kind="stable")
        extras = [str(name) for name in self.scores.columns if name not in (*_COLUMNS, *_ON_THE_SNAPSHOT)]
        rows = []
        for position, record in enumerate(order[[*_COLUMNS, *extras]].to_dict("records")):
            row: dict[str, Any] = {str(name): plain(record[name]) for name in _COLUMNS}
            row["account_id"] = str(record["account_id"])
            row["position"] = position
            row["details"] = {name: plain(record[name]) for name in extras}
            rows.append(row)
        return rows

    def feature_rows(self) -> list[dict[str, Any]]:
        """Return each account's features as one JSON-ready mapping, nulls kept."""
        if self.features is None:
            return []
        names = [str(name) for name in self.features.columns if name not in ("account_id", "as_of")]
        return [
            {"account_id": str(record["account_id"]), "features": {name: plain(record[name]) for name in names}}
            for record in self.features[["account_id", *names]].to_dict("records")
        ]

    def explanation_rows(self) -> list[dict[str, Any]]:
        """Return the explanations as rows."""
        return [{"account_id": str(item["account_id"]), "body": plain(dict(item))} for item in self.explanations]


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: numpy to Python, times to ISO text, not-a-number to None.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> plain({"a": np.float64("nan"), "b": [np.int64(3)], "c": pd.Timestamp("2024-01-02"), "d": pd.NaT})
    {'a': None, 'b': [3], 'c': '2024-01-02T00:00:00', 'd': None}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if str(value) in ("NaT", "<NA>"):
        return None
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    raise DataError(
        f"A value of type {type(value).__name__} cannot be stored as JSON", got=repr(value)[:80], code="store.value"
    )
