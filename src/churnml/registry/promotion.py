"""Which bundle is in use, who it was before, and whether a new one may take its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import AliasChoices, Field, TypeAdapter, ValidationError

from churnml.config import LabelConfig
from churnml.errors import BundleError
from churnml.files import write_json
from churnml.metrics.intervals import Interval, clustered_bootstrap, paired_gain
from churnml.metrics.predictions import log_loss, roc_auc
from churnml.registry.bundle import Bundle, read_pointer, set_champion
from churnml.registry.manifest import MANIFEST, Manifest, read_manifest

__all__ = [
    "Decision",
    "Evidence",
    "Promotion",
    "asks_the_same",
    "compare",
    "promote",
    "promotions",
    "rollback_target",
    "versions",
]

_HISTORY = "promotions.json"
_DRAWS = 500
_MARGIN = 0.05
"""Share of the champion's log loss by which a fresher challenger may be worse at the lower end of its interval."""


@dataclass(frozen=True)
class Evidence:
    """What a decision rests on; what was not looked at is None.

    Parameters
    ----------
    rows, churned : int
        Rows that both were judged on, and how many of them churned.
    as_of_from, as_of_until : str
        ISO dates of the first and the last of their snapshots.
    min_gain, margin : float
        Log loss that the challenger must gain, and that it may lose where it knows newer data.
    fresher : bool
        Whether the challenger knows newer data.
    log_loss_gain, roc_auc_gain : Interval
        Of the challenger over the champion.
    champion_verdict, champion_reason : str
        Of the champion, judged again, where it failed.
    champion_concordance : Interval
        How the champion ranks on those rows.
    """

    rows: int | None = None
    churned: int | None = None
    as_of_from: Annotated[str | None, Field(validation_alias=AliasChoices("as_of_from", "from"))] = None
    as_of_until: Annotated[str | None, Field(validation_alias=AliasChoices("as_of_until", "until"))] = None
    min_gain: float | None = None
    fresher: bool | None = None
    margin: float | None = None
    log_loss_gain: Interval | None = None
    roc_auc_gain: Interval | None = None
    champion_verdict: str | None = None
    champion_reason: str | None = None
    champion_concordance: Interval | None = None


@dataclass(frozen=True)
class Promotion:
    """One entry of the record: a version became the champion.

    Parameters
    ----------
    version : str
        The new champion.
    previous : str or None
        The champion before.
    at : str
        ISO time, UTC.
    reason : str
        Why, in words.
    forced : bool
        A person overrode the gate.
    evidence : Evidence
        The comparison it rests on.
    by : str
        Whose command it was; empty in records of earlier versions.
    """

    version: str
    previous: str | None
    at: str
    reason: str
    forced: bool = False
    evidence: Evidence = Evidence()
    by: str = ""


@dataclass(frozen=True)
class Decision:
    """Whether a challenger may take the champion's place.

    Parameters
    ----------
    promote : bool
    reason : str
        In words.
    evidence : Evidence
        Empty where nothing was compared.
    """

    promote: bool
    reason: str
    evidence: Evidence = Evidence()


_ENTRY = TypeAdapter(Promotion)
_RECORD = TypeAdapter(list[Promotion])


def compare(rows: pd.DataFrame, *, min_gain: float, seed: int, fresher: bool = False) -> Decision:
    """Judge challenger and champion on the same rows, which neither had seen.

    The challenger wins when its gain in log loss exceeds `min_gain` by more than noise: the lower end of the 95 %
    interval, an account being one draw. One that knows newer data than the champion wins when it is not inferior: when
    that lower end is no further below zero than 5 % of the champion's log loss.

    Parameters
    ----------
    rows : DataFrame
        ``account_id, as_of, churned, p_champion, p_challenger`` of the newest snapshots with final labels.
    min_gain : float
        Log loss the challenger must gain.
    seed : int
        Seed of the draws behind the gain in ROC AUC, which is shown only.
    fresher : bool
        Whether the challenger learnt from later snapshots than the champion.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> churned = (rng.random(400) < 0.2).astype(float)
    >>> rows = pd.DataFrame({"account_id": np.arange(400), "as_of": pd.Timestamp("2026-01-01"), "churned": churned,
    ...                      "p_champion": 0.2, "p_challenger": np.where(churned == 1, 0.5, 0.1)})
    >>> compare(rows, min_gain=0.0, seed=0).promote
    True
    >>> equal = rows.assign(p_challenger=0.2)
    >>> compare(equal, min_gain=0.0, seed=0).promote, compare(equal, min_gain=0.0, seed=0, fresher=True).promote
    (False, True)
    """
    churned = rows["churned"].to_numpy(dtype=np.float64)
    window = Evidence(
        rows=len(rows),
        churned=int(churned.sum()),
        as_of_from=f"{rows['as_of'].min():%Y-%m-%d}",
        as_of_until=f"{rows['as_of'].max():%Y-%m-%d}",
    )
    if len(np.unique(churned)) < 2:
        return Decision(False, "The newest labelled snapshots hold only one outcome: nothing can be compared.", window)
    new, old = rows["p_challenger"].to_numpy(), rows["p_champion"].to_numpy()
    from churnml.metrics.within_date import log_loss_gain  # brings scipy, which a list of models has no use for

    gain = log_loss_gain(churned, new, old, rows["account_id"])
    ranking = paired_gain(roc_auc, churned, new, old, clustered_bootstrap(rows["account_id"], _DRAWS, seed))
    if gain.value is None or gain.low is None or gain.high is None:
        return Decision(False, "Too few accounts churned in the newest labelled snapshots to compare on.", window)
    margin = _MARGIN * (log_loss(churned, old) or 0.0)
    evidence = replace(
        window,
        min_gain=min_gain,
        fresher=fresher,
        margin=margin,
        log_loss_gain=Interval(gain.value, gain.low, gain.high),
        roc_auc_gain=ranking,
    )
    told = (
        f"log loss gain {gain.value:+.4f} (95 % interval {gain.low:+.4f} to {gain.high:+.4f}) on {len(rows)} rows of "
        "the newest window"
    )
    if gain.low > min_gain:
        return Decision(True, f"The challenger is better by more than noise: {told}.", evidence)
    if fresher and gain.low >= -margin:
        words = f"The challenger knows newer data and is not worse, by {margin:.4f} at most"
        return Decision(True, f"{words}: {told}.", evidence)
    worse = f"may be worse by more than {margin:.4f}" if fresher else "is not better by more than noise"
    return Decision(False, f"The challenger {worse}: {told}.", evidence)


def promote(
    folder: Path,
    name: str,
    version: str,
    *,
    reason: str,
    at: datetime,
    forced: bool = False,
    evidence: Evidence | None = None,
    by: str = "",
) -> Promotion:
    """Make a version the champion and record it.

    The pointer to the champion carries the entry of the record, and is replaced at once; the record that is kept beside
    it follows. After an interruption between the two, `promotions` still tells of this one.

    Raises
    ------
    BundleError
        There is no such version.
    """
    if version != Path(version).name or not (folder / name / version / MANIFEST).is_file():
        known = ", ".join(found.version for found in versions(folder, name)) or "none"
        raise BundleError(
            f"There is no bundle {name}/{version}",
            where=str(folder / name),
            expected=f"one of {known}",
            remedy="`churnml models list CONFIG` lists them.",
        )
    past = promotions(folder, name)
    entry = Promotion(
        version=version,
        previous=past[-1].version if past else None,
        at=at.isoformat(timespec="seconds"),
        reason=reason,
        forced=forced,
        evidence=evidence or Evidence(),
        by=by,
    )
    set_champion(folder, name, version, asdict(entry))
    write_json(folder / name / _HISTORY, [asdict(one) for one in (*past, entry)])
    return entry


def promotions(folder: Path, name: str) -> list[Promotion]:
    """Return the record of promotions, oldest first; the last one is the champion's.

    Raises
    ------
    BundleError
        The record is damaged.
    """
    file = folder / name / _HISTORY
    try:
        found = _RECORD.validate_json(file.read_bytes()) if file.is_file() else []
    except (OSError, ValidationError) as error:
        raise BundleError(
            "The record of promotions is damaged",
            where=str(file),
            got=str(error).splitlines()[0],
            remedy="Restore it from a backup, or move it away: a new record begins with the champion in use.",
            code="bundle.record",
        ) from error
    try:
        pointer = read_pointer(folder, name) or {}
    except BundleError:
        return found  # a promotion by hand mends the pointer, and asks for the record first
    try:
        newest = _ENTRY.validate_python(pointer["promotion"])
    except (KeyError, ValidationError):
        return found  # a pointer of an earlier version has none; the version in it is what counts
    if not found or found[-1] != newest:
        found.append(newest)
    return found


def rollback_target(folder: Path, name: str) -> str:
    """Return the version that was the champion before the present one.

    Raises
    ------
    BundleError
        There was none.
    """
    past = promotions(folder, name)
    if past and past[-1].previous is not None:
        return past[-1].previous
    raise BundleError(
        "There is no earlier champion to go back to",
        where=str(folder / name),
        remedy="`churnml models promote CONFIG VERSION --force --reason …` takes any version that `models list` shows.",
        code="bundle.no_rollback",
    )


def versions(folder: Path, name: str) -> list[Manifest]:
    """Return the manifests of every bundle, newest first."""
    found = [read_manifest(file.parent) for file in sorted((folder / name).glob(f"[!.]*/{MANIFEST}"))]
    return sorted(found, key=lambda manifest: (manifest.created_at, manifest.version), reverse=True)


def asks_the_same(champion: Bundle, label: Mapping[str, Any]) -> bool:
    """Tell whether the champion answers the question that the config now asks, at every horizon it names.

    A key that the champion's config did not have yet counts as its default.
    """
    kept = champion.manifest.config.get("label")
    try:
        answered, asked = LabelConfig.model_validate(kept), LabelConfig.model_validate(dict(label))
    except ValidationError:
        return False  # a label of an earlier version that has no meaning any more
    if not set(asked.further_horizons_days) <= set(answered.further_horizons_days):
        return False
    return answered.at_horizon(answered.horizon_days) == asked.at_horizon(asked.horizon_days)
