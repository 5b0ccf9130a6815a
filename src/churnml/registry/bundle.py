"""The model bundle: a folder of text files with checksums, all that serving needs and nothing it must trust blindly.

``<bundles>/<name>/<version>/`` holds ``manifest.json`` and the files it lists; ``<bundles>/<name>/champion.json``
names the version in use. There is no pickle: LightGBM's own text format and JSON only. The version is a hash of the
content, so the same config, data and seed give the same version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnml.errors import BundleError, Said, UsageError
from churnml.files import beside, folder_beside, write_json
from churnml.language import Text
from churnml.registry.manifest import MANIFEST, Manifest, Provenance, broken_bundle, read_manifest
from churnml.training.survival_verdict import SurvivalVerdict

if TYPE_CHECKING:
    from churnml.training.hazard import HazardModel
    from churnml.training.model import ChurnModel

__all__ = [
    "Bundle",
    "champion_bundle",
    "champion_health",
    "load_bundle",
    "load_champion",
    "save_bundle",
    "set_champion",
]

_CHAMPION = "champion.json"
_HEALTH = "health.json"
_EXPLAIN = "explain.json"
_MODEL_FOLDER, _SURVIVAL_FOLDER = "model", "survival"
_SURVIVAL = f"{_SURVIVAL_FOLDER}/verdict.json"


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
    survival : SurvivalVerdict or None
        Whether survival curves are shown, and why; None in bundles of earlier versions.
    """

    model: ChurnModel
    health: dict[str, Any]
    explain: dict[str, Any]
    manifest: Manifest
    path: Path
    survival: SurvivalVerdict | None = None

    @cached_property
    def hazard(self) -> HazardModel | None:
        """The model of the survival curves, read when it is first asked for; None where they are not shown.

        Raises
        ------
        BundleError
            A file of it is missing, does not match its checksum, or cannot be read.
        """
        if self.survival is None or not self.survival.role.serves:
            return None
        from churnml.training.hazard import HazardModel

        files = {}
        for file, expected in self.manifest.files.items():
            if file.startswith(f"{_SURVIVAL_FOLDER}/") and file != _SURVIVAL:
                _check_sum(self.path, file, expected)
                files[file.removeprefix(f"{_SURVIVAL_FOLDER}/")] = _text(self.path / file)
        return HazardModel.from_files(files)

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
    survival: SurvivalVerdict | None = None,
    hazard: HazardModel | None = None,
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
    survival : SurvivalVerdict, optional
        Whether survival curves are shown.
    hazard : HazardModel, optional
        Their model, where they are.
    """
    if model.info.verdict is None:
        raise UsageError(Text.of("fault-no_verdict"), where=name)
    files = {f"{_MODEL_FOLDER}/{file}": text for file, text in model.to_files().items()}
    files[_HEALTH] = json.dumps(health, ensure_ascii=False, sort_keys=True, indent=1)
    files[_EXPLAIN] = json.dumps(explain, ensure_ascii=False, sort_keys=True)
    if survival is not None:
        files[_SURVIVAL] = json.dumps(survival.as_dict(), ensure_ascii=False, sort_keys=True, indent=1)
    if hazard is not None:
        files |= {f"{_SURVIVAL_FOLDER}/{file}": text for file, text in hazard.to_files().items()}
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
    files[MANIFEST] = manifest.model_dump_json(indent=1)
    target = folder / name / version
    if target.is_dir():
        _mend(target, files)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with folder_beside(target) as part:
        for file, text in files.items():
            path = part / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        _owners_only(part)
    return target


def _mend(target: Path, files: Mapping[str, str]) -> None:
    """Bring a bundle of the same content up to date where it stands: it serves at every moment, the manifest last."""
    for file, text in files.items():
        path = target / file
        if not path.is_file() or path.read_bytes() != text.encode():
            path.parent.mkdir(exist_ok=True)
            with beside(path) as part:
                part.write_text(text, encoding="utf-8", newline="")
    _owners_only(target)


def _owners_only(folder: Path) -> None:
    """Keep a bundle from other users, whatever the umask: its tables of reference show how customers behave."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)


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
        _check_sum(path, file, expected)
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
        survival=_survival(path) if _SURVIVAL in manifest.files else None,
    )


def _check_sum(path: Path, file: str, expected: str) -> None:
    place = path / file
    if not place.is_file():
        raise broken_bundle(path, Text.of("bundle-why.missing", file=file))
    if _sha256(place.read_bytes()) != expected:
        raise broken_bundle(path, Text.of("bundle-why.altered", file=file))


def _survival(path: Path) -> SurvivalVerdict:
    try:
        return SurvivalVerdict.from_dict(json.loads(_text(path / _SURVIVAL)))
    except ValueError as error:
        raise broken_bundle(
            path, Text.of("bundle-why.unread", file=_SURVIVAL, why=str(error).splitlines()[0])
        ) from error


def set_champion(folder: Path, name: str, version: str, promotion: Mapping[str, Any] | None = None) -> None:
    """Make a version the one in use. Readers see the old one or the new one.

    Parameters
    ----------
    folder, name, version
        As in `champion_bundle`.
    promotion : mapping, optional
        The entry of the record, JSON-ready. It is written with the pointer, so that the two cannot disagree.
    """
    if version != Path(version).name or not (folder / name / version / MANIFEST).is_file():
        raise BundleError(Text.of("fault-no_bundle", name=name, version=str(version)), where=str(folder / name))
    pointer = {"version": version} if promotion is None else {"version": version, "promotion": dict(promotion)}
    write_json(folder / name / _CHAMPION, pointer)


def read_pointer(folder: Path, name: str) -> dict[str, Any] | None:
    """Return what ``champion.json`` says: ``version`` and the ``promotion`` that put it there; None without a file.

    Raises
    ------
    BundleError
        The file is empty, no JSON, or does not name a version.
    """
    file = folder / name / _CHAMPION
    try:
        pointer = json.loads(_text(file))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable_pointer(file, str(error)) from error
    if not isinstance(pointer, dict) or not isinstance(pointer.get("version"), str) or not pointer["version"]:
        raise _unreadable_pointer(file, Text.of("fault-pointer.empty"))
    return pointer


def champion_bundle(folder: Path, name: str) -> Path:
    """Return the folder of the bundle in use.

    Raises
    ------
    BundleError
        No model has been trained yet, or the file that names the champion is damaged.
    """
    pointer = read_pointer(folder, name)
    if pointer is None and (waiting := list((folder / name).glob(f"*/{MANIFEST}"))):
        raise BundleError(
            Text.of("fault-none_promoted", name=repr(name)),
            where=str(folder / name / _CHAMPION),
            got=Text.of("fault-none_promoted.got", n=len(waiting)),
            code="bundle.none",
        )
    if pointer is None:
        raise BundleError(
            Text.of("fault-none_trained", name=repr(name)), where=str(folder / name / _CHAMPION), code="bundle.none"
        )
    return folder / name / str(pointer["version"])


def _unreadable_pointer(file: Path, why: Said) -> BundleError:
    return BundleError(
        Text.of("fault-pointer"),
        where=str(file),
        got=why,
        code="bundle.pointer",
    )


def load_champion(folder: Path, name: str) -> Bundle:
    """Load the bundle in use, see `champion_bundle` and `load_bundle`."""
    return load_bundle(champion_bundle(folder, name))


def champion_health(folder: Path, name: str) -> dict[str, Any]:
    """Return the health scales of the bundle in use, checked against the manifest; its model is not loaded.

    Raises
    ------
    BundleError
        See `champion_bundle` and `load_bundle`.
    """
    path = champion_bundle(folder, name)
    expected, file = read_manifest(path).files.get(_HEALTH), path / _HEALTH
    if not file.is_file():
        raise broken_bundle(path, Text.of("bundle-why.missing", file=_HEALTH))
    if _sha256(file.read_bytes()) != expected:
        raise broken_bundle(path, Text.of("bundle-why.altered", file=_HEALTH))
    scales: dict[str, Any] = json.loads(_text(file))
    return scales


def _text(path: Path) -> str:
    # Not read_text: its newline translation would change what the checksum was made of.
    return path.read_bytes().decode("utf-8")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
