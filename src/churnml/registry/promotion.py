"""Which bundle is in use, and who it was before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field, TypeAdapter, ValidationError

from churnml.config import LabelConfig
from churnml.errors import BundleError
from churnml.files import write_json
from churnml.language import Argument, Text, one_of
from churnml.metrics.intervals import Interval
from churnml.registry.bundle import Bundle, read_pointer, set_champion
from churnml.registry.manifest import MANIFEST, Manifest, read_manifest

__all__ = [
    "Decision",
    "Evidence",
    "Promotion",
    "asks_the_same",
    "promote",
    "promotions",
    "rollback_target",
    "versions",
]

_HISTORY = "promotions.json"


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
    champion_reason: Argument | None = None
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
    reason : Text or str
        Why: what the gate found, or a person's own words.
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
    reason: Argument
    forced: bool = False
    evidence: Evidence = Evidence()
    by: str = ""


@dataclass(frozen=True)
class Decision:
    """Whether a challenger may take the champion's place.

    Parameters
    ----------
    promote : bool
    reason : Text or str
    evidence : Evidence
        Empty where nothing was compared.
    """

    promote: bool
    reason: Argument
    evidence: Evidence = Evidence()


_ENTRY = TypeAdapter(Promotion)
_RECORD = TypeAdapter(list[Promotion])


def promote(
    folder: Path,
    name: str,
    version: str,
    *,
    reason: Argument,
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
        known = [bundle.version for bundle in versions(folder, name)]
        raise BundleError(
            Text.of("fault-no_version", name=name, version=str(version)),
            where=str(folder / name),
            expected=one_of(known),
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
    set_champion(folder, name, version, _ENTRY.dump_python(entry, mode="json"))
    write_json(folder / name / _HISTORY, _RECORD.dump_python([*past, entry], mode="json"))
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
        record = _RECORD.validate_json(file.read_bytes()) if file.is_file() else []
    except (OSError, ValidationError) as error:
        raise BundleError(
            Text.of("fault-promotions_damaged"), where=str(file), got=str(error).splitlines()[0], code="bundle.record"
        ) from error
    try:
        pointer = read_pointer(folder, name) or {}
    except BundleError:
        return record  # a promotion by hand mends the pointer, and asks for the record first
    try:
        newest = _ENTRY.validate_python(pointer["promotion"])
    except (KeyError, ValidationError):
        return record  # a pointer of an earlier version has none; the version in it is what counts
    if not record or record[-1] != newest:
        record.append(newest)
    return record


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
    raise BundleError(Text.of("fault-no_rollback"), where=str(folder / name), code="bundle.no_rollback")


def versions(folder: Path, name: str) -> list[Manifest]:
    """Return the manifests of every bundle, newest first."""
    manifests = [read_manifest(file.parent) for file in sorted((folder / name).glob(f"[!.]*/{MANIFEST}"))]
    return sorted(manifests, key=lambda manifest: (manifest.created_at, manifest.version), reverse=True)


def asks_the_same(champion: Bundle, label: Mapping[str, Any]) -> bool:
    """Tell whether the champion answers the question that the config now asks, at every horizon it names.

    A key that the champion's config did not have yet counts as its default.
    """
    trained_for = champion.manifest.config.get("label")
    try:
        answered, asked = LabelConfig.model_validate(trained_for), LabelConfig.model_validate(dict(label))
    except ValidationError:
        return False  # a label of an earlier version that has no meaning any more
    if not set(asked.further_horizons_days) <= set(answered.further_horizons_days):
        return False
    return answered.at_horizon(answered.horizon_days) == asked.at_horizon(asked.horizon_days)
