"""The snapshot to publish, and how its frames become rows, a chunk at a time."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from churnml.errors import DataError, near_name
from churnml.explain.lifetime import Lifetime
from churnml.language import Text, one_of
from churnml.store.compositions import packed_compositions
from churnml.store.curves import packed_curve
from churnml.store.documents import Documents
from churnml.store.packing import pack_document, pack_numbers
from churnml.store.plain import plain
from churnml.store.records import BANDS, Departed
from churnml.store.search import normal

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Snapshot"]

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
    "plan",
    "phase",
    "contract_ends_on",
    "renewal",
    "change_30d",
    "next_decision_on",
    "renewal_risk",
    "lost_by_decision",
    "expected_end",
    "residual_value",
    "avoidable_loss",
)
_DAYS = ("contract_ends_on", "next_decision_on", "expected_end")
_REQUIRED = ("account_id", "churn_probability", "health_score", "band", "coverage")
_STORABLE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,255}")
"""An account id that every database can hold and that the API can ask for."""
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
        `arr`, `expected_loss`, `owner`, `segment`, `days_to_renewal`, `plan`, `phase`, `contract_ends_on` (date),
        `renewal` (``auto`` or ``manual``), `change_30d` (points), and of the account's curve `next_decision_on`,
        `renewal_risk`, `lost_by_decision`, `expected_end`, `residual_value`, `avoidable_loss`. Any other column is kept
        in the row's details.
    features : DataFrame, optional
        One row per account: `account_id` and the columns it was scored from.
    explanations : Documents or iterable of mappings
        JSON-ready, each with its `account_id`; read once, as they are written, so they need not all be in memory.
    curves : iterable of Lifetime
        When accounts will be lost, as far as a model tells it; read once, too.
    rank_by : str
        Numeric column of the scores by which they are ordered, highest first; what it leaves open goes by
        `expected_loss`.
    compositions : DataFrame, optional
        What the health scores are made of: `account_id` and the columns of `churnml.health.compositions`, and where
        known ``by_weights, by_model`` (points) and ``risk:<family>`` (log-odds); see `Composition`.
    departures : mapping of str to Departed
        Accounts that were scored before and are not any more.
    info : mapping
        JSON-ready facts of the whole run, such as `horizon_days`, `base_rate`, `verdict`, `currency`, `notes`.

    Notes
    -----
    An account whose id no database can hold (longer than 255 characters, with control characters or half of a
    character) is left out, see `unstorable`; it could never be asked for.

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
    >>> made = Snapshot("acme", date(2024, 1, 1), datetime(2024, 1, 2, tzinfo=UTC), "3", "0f0f", scores)
    >>> next(made.score_chunks(1000))[0]["position"]
    0
    """

    config: str
    as_of: date
    scored_at: datetime
    model_version: str
    config_hash: str
    scores: pd.DataFrame
    features: pd.DataFrame | None = None
    explanations: Documents | Iterable[Mapping[str, Any]] = ()
    curves: Iterable[Lifetime] = ()
    rank_by: str = "expected_loss"
    compositions: pd.DataFrame | None = None
    departures: Mapping[str, Departed] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for column in _REQUIRED:
            if column not in self.scores.columns:
                near = near_name(column, [str(name) for name in self.scores.columns])
                raise DataError(
                    Text.of("fault-no_score_column", column=repr(column)),
                    where="scores",
                    got=one_of(map(str, self.scores.columns), near),
                    code="store.column_missing",
                )
        twice = self.scores["account_id"][self.scores["account_id"].duplicated()]
        if len(twice):
            raise DataError(
                Text.of("fault-account_twice", n=len(twice)),
                where="scores.account_id",
                got=str(twice.iloc[0]),
                code="store.duplicate_account",
            )
        probability = self.scores["churn_probability"]
        if not probability.between(0, 1).all():
            raise DataError(Text.of("fault-probability"), where="scores.churn_probability", code="store.value")
        strange = set(self.scores["band"].astype(str)) - set(BANDS)
        if strange:
            raise DataError(
                Text.of("fault-band"), where="scores.band", got=", ".join(sorted(strange)), expected=", ".join(BANDS)
            )
        if self.scored_at.tzinfo is None:
            raise DataError(Text.of("fault-no_zone"), where="snapshot.scored_at", got=self.scored_at.isoformat())

    @property
    def mean_coverage(self) -> float | None:
        """Mean coverage of the accounts, 0–1."""
        mean = self.scores["coverage"].astype(float).mean()
        return None if math.isnan(mean) else float(mean)

    @cached_property
    def unstorable(self) -> frozenset[str]:
        """Account ids that no database can hold."""
        ids = (str(name) for name in self.scores["account_id"])
        return frozenset(name for name in ids if not _STORABLE.fullmatch(name))

    @property
    def accounts(self) -> int:
        """Accounts that are stored."""
        return len(self.scores) - len(self.unstorable)

    @property
    def feature_names(self) -> list[str]:
        """Columns that accounts were scored from, in their order."""
        if self.features is None:
            return []
        return [str(name) for name in self.features.columns if name not in ("account_id", "as_of")]

    @property
    def composition_names(self) -> list[str]:
        """The numbers of which each composition consists, in their order."""
        if self.compositions is None:
            return []
        return [str(name) for name in self.compositions.columns if name not in ("account_id", "as_of")]

    def score_chunks(self, size: int) -> Iterator[list[dict[str, Any]]]:
        """Yield the scores as rows in the order of `rank_by`, then expected loss, probability and account id.

        A column of which nothing is known is left out, and null in the store.
        """
        frame = self._stored(self.scores)
        none = dict.fromkeys((column for column in _COLUMNS if column not in frame.columns), None)
        frame = frame.assign(**none)
        if frame["expected_loss"].isna().all() and not frame["arr"].isna().all():
            frame["expected_loss"] = frame["churn_probability"] * frame["arr"].astype(float)
        order = frame.assign(
            _rank=frame[self.rank_by].astype(float).fillna(-1.0),
            _loss=frame["expected_loss"].astype(float).fillna(-1.0),
            _key=frame["account_id"].astype(str),
        ).sort_values(
            ["_rank", "_loss", "churn_probability", "_key"], ascending=[False, False, False, True], kind="stable"
        )
        names, composed = self.composition_names, {}
        if self.compositions is not None:
            packed = packed_compositions(self.compositions, names)
            composed = dict(zip(self.compositions["account_id"].astype(str), packed, strict=True))
        extras = [str(name) for name in self.scores.columns if name not in (*_COLUMNS, *_ON_THE_SNAPSHOT)]
        known = [name for name in _COLUMNS if name in _REQUIRED or not order[name].isna().all()]
        for start in range(0, len(order), size):
            part = order.iloc[start : start + size]
            columns = {name: _days(part[name]) if name in _DAYS else _plain_values(part[name]) for name in known}
            columns["account_id"] = [str(account) for account in part["account_id"]]
            called = columns.get("name", [None] * len(part))
            details = _records({name: _plain_values(part[name]) for name in extras}, len(part))
            yield [
                {
                    **row,
                    "position": position,
                    "searched": normal(f"{row['account_id']} {name or ''}"),
                    "composition": composed.get(row["account_id"]),
                    "details": more,
                }
                for position, (row, name, more) in enumerate(
                    zip(_records(columns, len(part)), called, details, strict=True), start
                )
            ]

    def feature_chunks(self, size: int) -> Iterator[list[dict[str, Any]]]:
        """Yield each account's features as a row: packed numbers, and words as JSON."""
        if self.features is None:
            return
        frame, names = self._stored(self.features), self.feature_names
        numeric = [name for name in names if frame[name].dtype.kind in "iufb"]
        words = [name for name in names if name not in numeric]
        for start in range(0, len(frame), size):
            part = frame.iloc[start : start + size]
            numbers = pack_numbers(part[numeric].to_numpy(dtype="float64", na_value=math.nan))
            texts = part[words].to_dict("records") if words else [{}] * len(part)
            yield [
                {
                    "account_id": str(account_id),
                    "features": {name: plain(text[name]) for name in words},
                    "numbers": packed,
                }
                for account_id, text, packed in zip(part["account_id"], texts, numbers, strict=True)
            ]

    def explanation_chunks(self, size: int) -> Iterator[list[dict[str, Any]]]:
        """Yield the explanations as rows, each packed."""
        stored = (item for item in self._packed_explanations() if item[0] not in self.unstorable)
        while rows := [
            {"account_id": account_id, "body": {}, "packed": packed} for account_id, packed in islice(stored, size)
        ]:
            yield rows

    def curve_chunks(self, size: int) -> Iterator[list[dict[str, Any]]]:
        """Yield the curves as rows, each packed."""
        stored = (item for item in self.curves if item.account_id not in self.unstorable)
        while rows := [{"account_id": item.account_id, "packed": packed_curve(item)} for item in islice(stored, size)]:
            yield rows

    def _packed_explanations(self) -> Iterator[tuple[str, bytes]]:
        if isinstance(self.explanations, Documents):
            return self.explanations.packed()
        return ((str(item["account_id"]), pack_document(item)) for item in self.explanations)

    def _stored(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of accounts that can be stored."""
        if not self.unstorable:
            return frame
        return frame[[str(name) not in self.unstorable for name in frame["account_id"]]]


def _plain_values(column: pd.Series) -> list[Any]:
    """Return a column's values as JSON can hold them, see `plain`."""
    if column.dtype == "float64":
        return [value if math.isfinite(value) else None for value in column.tolist()]
    return [plain(value) for value in column.tolist()]


def _days(column: pd.Series) -> list[date | None]:
    """Return a column's dates as dates."""
    return [_day(value) for value in column.tolist()]


def _day(value: Any) -> date | None:
    if value is None or value != value:
        return None
    return value.date() if isinstance(value, datetime) else value


def _records(columns: Mapping[str, list[Any]], length: int) -> list[dict[str, Any]]:
    """Return columns as rows."""
    if not columns:
        return [{} for _ in range(length)]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
