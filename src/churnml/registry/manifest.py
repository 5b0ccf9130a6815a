"""What a bundle says of itself: how its model came about, and what files it consists of."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_serializer

from churnml.config.needs import RecordedSections
from churnml.errors import BundleError
from churnml.language import Argument, Text
from churnml.training.publication import Publication

__all__ = ["MANIFEST", "Manifest", "Provenance", "broken_bundle", "level_gaps_of", "read_manifest", "recorded"]

MANIFEST = "manifest.json"
_FORMAT = 1


class Provenance(BaseModel):
    """How a model came about.

    Parameters
    ----------
    created_at : datetime
        When it was trained, with a zone.
    config_hash : str
        Hash of the resolved config.
    config : mapping
        What of the resolved config shapes the scores, see `recorded`.
    fingerprint : str
        Of the raw data.
    seed : int
    backtest : mapping
        The backtest's report.
    python : str
        Version.
    packages : mapping of str to str
        Package → version.
    """

    model_config = ConfigDict(frozen=True)

    created_at: AwareDatetime
    config_hash: str
    config: Mapping[str, Any]
    fingerprint: str = ""
    seed: int = 0
    backtest: Mapping[str, Any] = Field(default_factory=dict)
    python: str = ""
    packages: Mapping[str, str] = Field(default_factory=dict)

    @field_serializer("created_at")
    def _iso(self, moment: datetime) -> str:
        return moment.isoformat(timespec="seconds")

    @classmethod
    def of(
        cls,
        config: RecordedSections,
        *,
        created_at: datetime,
        fingerprint: str = "",
        backtest: Mapping[str, Any] | None = None,
        packages: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the provenance of a model trained now, here, with a config."""
        return cls(
            created_at=created_at,
            config_hash=config.hash,
            config=recorded(config),
            fingerprint=fingerprint,
            seed=config.seed,
            backtest=backtest or {},
            python=platform.python_version(),
            packages=packages or {},
        )


class Manifest(Provenance):
    """The manifest of a bundle: provenance, what the model answers, and the checksum of every file.

    Parameters
    ----------
    format : int
        Of the bundle; another one is refused.
    name, version : str
        Registered model; twelve hex digits of the content.
    verdict : Publication
        Of the gate, see `churnml.evaluation.judge`.
    verdict_reason : Text
        One sentence with the numbers.
    target : str
        churn, expansion or contraction.
    horizon_days : int
        Days that the probability looks ahead.
    files : mapping of str to str
        File → SHA-256 of its bytes.
    """

    format: Literal[1] = 1
    name: str
    version: str
    verdict: Publication
    verdict_reason: Argument = ""
    target: Literal["churn", "expansion", "contraction"] = "churn"
    horizon_days: int
    files: Mapping[str, str]


_PLACES = ("workspace", "models_dir", "playbooks", "serving", "engine", "mlflow", "store", "display", "monitoring")
"""Sections that say where things are and how they look, and may hold URLs and passwords."""


def recorded(config: RecordedSections) -> dict[str, Any]:
    """Return what of a config goes on record with a model: all that shapes the scores, and no place of data.

    Examples
    --------
    >>> from churnml.config import Config
    >>> config = Config.model_validate({"name": "acme", "source": {"folder": "raw"}, "label": {"churn": "silence"},
    ...     "tables": {"events": {"from": "e.csv"}}, "store": {"url": "postgresql://me:secret@db/churn"}})
    >>> "label" in recorded(config), "store" in recorded(config)
    (True, False)
    """
    sections = {name: section for name, section in config.as_dict().items() if name not in _PLACES}
    if sections.get("source"):
        sections["source"] = {name: value for name, value in sections["source"].items() if name != "connection"}
    for name, source in (sections.get("sources") or {}).items():
        sections["sources"][name] = {key: value for key, value in source.items() if key != "connection"}
    return sections


def level_gaps_of(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the levels of risk at which the backtest told something else than happened; none where rules score."""
    if manifest.verdict != Publication.PUBLISHABLE:
        return []
    gaps = (manifest.backtest.get("calibration") or {}).get("gaps") or []
    return [{name: gap[name] for name in ("name", "told", "happened")} for gap in gaps]


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of a bundle's folder.

    Raises
    ------
    BundleError
        It is missing, no JSON, of another format, or a field is missing or of the wrong kind.
    """
    file = path / MANIFEST
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise broken_bundle(path, Text.of("bundle-why.missing", file=MANIFEST)) from error
    except OSError as error:
        raise broken_bundle(path, Text.of("bundle-why.unread", file=MANIFEST, why=str(error.strerror))) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        fault = f"{where}: {first['msg']}" if where else first["msg"]
        why = Text.of("bundle-why.format", file=MANIFEST, format=str(_FORMAT), fault=fault)
        raise broken_bundle(path, why) from error


def broken_bundle(path: Path, why: Text) -> BundleError:
    """Return the error of a bundle that cannot be used."""
    return BundleError(
        Text.of("fault-bundle_broken", why=why),
        where=str(path),
        code="bundle.broken",
    )
