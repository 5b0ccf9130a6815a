"""The model bundle: a folder of text files with checksums, all that serving needs and nothing it must trust blindly.

``<bundles>/<name>/<version>/`` holds ``manifest.json`` and the files it lists; ``<bundles>/<name>/champion.json``
names the version in use. There is no pickle: LightGBM's own text format and JSON only. The version is a hash of the
content, so the same config, data and seed give the same version.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnml.errors import BundleError, UsageError
from churnml.files import write_json
from churnml.registry.manifest import MANIFEST, Manifest, Provenance, broken_bundle, read_manifest

if TYPE_CHECKING:
    from churnml.training.model import ChurnModel

__all__ = ["Bundle", "champion_bundle", "load_bundle", "load_champion", "save_bundle", "set_champion"]

_CHAMPION = "champion.json"
_HEALTH = "health.json"
_EXPLAIN = "explain.json"
_MODEL_FOLDER = "model"


@dataclass(frozen=True)
class Bundle:
    """A loaded, verified bundle.

    Parameters
    ----------
    model : ChurnModel
        Predicts, and explains its log-odds.
    health : dict
        The health score's scales, as JSON data (`HealthScale.from_dict` reads it).
    explain : dict
        What is normal, as JSON data (`ExplainReference.from_dict` reads it).
    manifest : Manifest
        How the model came about, and its files.
    path : Path
        The folder.
    """

    model: ChurnModel
    health: dict[str, Any]
    explain: dict[str, Any]
    manifest: Manifest
    path: Path

    @property
    def version(self) -> str:
        """Twelve hex digits of the content."""
        return self.manifest.version


def save_bundle(
    folder: Path,
    *,
    name: str,
    model: ChurnModel,
    health: Mapping[str, Any],
    explain: Mapping[str, Any],
    provenance: Provenance,
) -> Path:
    """Write a bundle and return its folder; the folder appears complete or not at all.

    Parameters
    ----------
    folder : Path
        Folder of all bundles.
    name : str
        Name of the registered model.
    model : ChurnModel
        The model.
    health : mapping
        JSON data of the health scales.
    explain : mapping
        JSON data of the explanations' reference.
    provenance : Provenance
        How the model came about.
    """
    if model.info.verdict is None:
        raise UsageError(
            "A model without a verdict is not bundled", where=name, remedy="Backtest it first: `fit(…, backtest=…)`."
        )
    files = {f"{_MODEL_FOLDER}/{file}": text for file, text in model.to_files().items()}
    files[_HEALTH] = json.dumps(health, ensure_ascii=False, sort_keys=True, indent=1)
    files[_EXPLAIN] = json.dumps(explain, ensure_ascii=False, sort_keys=True)
    sums = {file: _sha256(text.encode()) for file, text in sorted(files.items())}
    version = _sha256(json.dumps([sums, provenance.config_hash]).encode())[:12]
    manifest = Manifest(
        **dict(provenance),
        name=name,
        version=version,
        verdict=model.info.verdict,
        verdict_reason=model.info.verdict_reason,
        target=model.target,
        horizon_days=model.horizon_days,
        files=sums,
    )
    target = folder / name / version
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=target.parent))
    try:
        for file, text in files.items():
            path = beside / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        (beside / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        beside.chmod(0o755)
        beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def load_bundle(path: Path) -> Bundle:
    """Load a bundle after checking every file against the manifest.

    Raises
    ------
    BundleError
        The folder, a file or the manifest is missing, or a checksum does not match.
    """
    # Looking where a bundle is, as the service's start does, must not cost LightGBM's import.
    from churnml.training.model import ChurnModel

    manifest = read_manifest(path)
    for file, expected in manifest.files.items():
        found = path / file
        if not found.is_file():
            raise broken_bundle(path, f"the file {file} is missing")
        if _sha256(found.read_bytes()) != expected:
            raise broken_bundle(path, f"the file {file} does not match its checksum")
    model_files = {
        file.removeprefix(f"{_MODEL_FOLDER}/"): _text(path / file)
        for file in manifest.files
        if file.startswith(f"{_MODEL_FOLDER}/")
    }
    return Bundle(
        model=ChurnModel.from_files(model_files),
        health=json.loads(_text(path / _HEALTH)),
        explain=json.loads(_text(path / _EXPLAIN)),
        manifest=manifest,
        path=path,
    )


def set_champion(folder: Path, name: str, version: str) -> None:
    """Make a version the one in use. Readers see the old one or the new one."""
    if not (folder / name / version / MANIFEST).is_file():
        raise BundleError(
            f"There is no bundle {name}/{version}",
            where=str(folder / name),
            remedy="`churnml train CONFIG` makes one.",
        )
    pointer = folder / name / _CHAMPION
    write_json(pointer, {"version": version})


def champion_bundle(folder: Path, name: str) -> Path:
    """Return the folder of the bundle in use.

    Raises
    ------
    BundleError
        No model has been trained yet.
    """
    pointer = folder / name / _CHAMPION
    if not pointer.is_file():
        raise BundleError(
            f"No model of {name!r} has been trained yet",
            where=str(pointer),
            remedy="Run `churnml train CONFIG` (or `churnml run CONFIG`) first.",
            code="bundle.none",
        )
    return folder / name / str(json.loads(_text(pointer)).get("version", ""))


def load_champion(folder: Path, name: str) -> Bundle:
    """Load the bundle in use, see `champion_bundle` and `load_bundle`."""
    return load_bundle(champion_bundle(folder, name))


def _text(path: Path) -> str:
    # Not read_text: its newline translation would change what the checksum was made of.
    return path.read_bytes().decode("utf-8")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
