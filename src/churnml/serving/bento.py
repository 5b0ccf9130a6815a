"""Build a bento that serves a config's champion anywhere: ``python -m churnml.serving.bento CONFIG [FOLDER]``."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import yaml

import churnml
from churnml.config import Config, load_config
from churnml.errors import ChurnmlError, UsageError
from churnml.language import Text
from churnml.registry import champion_bundle, load_bundle
from churnml.serving.settings import SETTINGS, Settings
from churnml.serving.workers import shared_folder

__all__ = ["build", "settle", "write_context"]

_DO_NOT_TRACK = "BENTOML_DO_NOT_TRACK"
_SETTINGS = "settings.json"
_BENTOFILE = "bentofile.yaml"
_SERVICE = '''\
"""The service of this bento; made by `python -m churnml.serving.bento`."""

from pathlib import Path

from churnml.serving.bento import settle

settle(Path(__file__).parent)

from churnml.serving.service import ChurnmlService  # noqa: E402

__all__ = ["ChurnmlService"]
'''


def build(config: Config) -> str:
    """Build a bento of a config's champion in BentoML's store and return its tag.

    Raises
    ------
    BundleError
        There is no champion, or its bundle is broken.
    """
    os.environ.setdefault(_DO_NOT_TRACK, "True")
    import bentoml

    with tempfile.TemporaryDirectory(prefix="churnml-bento-") as folder:
        version = write_context(config, Path(folder))
        made: Any = bentoml.bentos.build_bentofile(
            str(Path(folder, _BENTOFILE)), version=f"{config.name}-{version}".lower(), build_ctx=folder
        )
        return str(made.tag)


def write_context(config: Config, folder: Path) -> str:
    """Write a folder that ``bentoml build`` makes a bento of; returns the champion's version.

    It holds the verified bundle, the settings, churnml itself, and the names and versions of what churnml needs.
    The store's URL is not in it: ``CHURNML_STORE_URL`` must name one when the bento is served.

    Parameters
    ----------
    folder : Path
        A new or empty folder.

    Raises
    ------
    BundleError
        There is no champion, or its bundle is broken.
    UsageError
        The folder holds something.
    """
    champion = champion_bundle(config.bundles_dir, config.registered_model)
    bundle = load_bundle(champion)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UsageError(Text.of("fault-bento_folder"), where=str(folder))
    models = folder / "models" / config.registered_model
    shutil.copytree(champion, models / champion.name)
    shutil.copy(champion.parent / "champion.json", models / "champion.json")
    elsewhere = {"bundles_dir": Path("models"), "store_url": "", "shared": None, "secrets": {}}
    settings = Settings.from_config(config).model_copy(update=elsewhere)
    (folder / _SETTINGS).write_text(settings.model_dump_json(indent=1), encoding="utf-8")
    (folder / "service.py").write_text(_SERVICE, encoding="utf-8")
    package = Path(churnml.__file__).parent
    shutil.copytree(package, folder / "churnml", ignore=shutil.ignore_patterns("__pycache__"))
    _copy_metadata(folder)
    about = {
        "service": "service:ChurnmlService",
        "name": "churnml",
        "labels": {"config": config.name, "model_version": bundle.version},
        "include": ["*"],
        # BentoML would report each start of a container to its maker.
        "envs": [{"name": _DO_NOT_TRACK, "value": "True"}],
        "python": {"packages": _requirements(oidc=settings.sign_in.oidc is not None), "lock_packages": False},
        # LightGBM needs OpenMP from the system, which slim images lack.
        "docker": {"system_packages": ["libgomp1"]},
    }
    (folder / _BENTOFILE).write_text(yaml.safe_dump(about), encoding="utf-8")
    return bundle.version


def settle(folder: Path) -> None:
    """Point the service to the settings and models of a bento's folder; called by the bento itself."""
    _stop_tracking()
    settings = Settings.model_validate_json((folder / _SETTINGS).read_text(encoding="utf-8"))
    update: dict[str, Any] = {"bundles_dir": (folder / settings.bundles_dir).resolve(), "shared": shared_folder()}
    os.environ[SETTINGS] = settings.model_copy(update=update).model_dump_json()


def _stop_tracking() -> None:
    """Turn BentoML's reports to its maker off; its command line has asked before it loaded the bento, and remembers."""
    os.environ.setdefault(_DO_NOT_TRACK, "True")
    asked: Any = getattr(sys.modules.get("bentoml._internal.utils.analytics.usage_stats"), "do_not_track", None)
    if hasattr(asked, "cache_clear"):
        asked.cache_clear()


def _copy_metadata(context: Path) -> None:
    """Put churnml's own metadata beside its copy, so that the version can be looked up there."""
    own = distribution("churnml")
    target = context / f"churnml-{own.version}.dist-info"
    target.mkdir()
    (target / "METADATA").write_text(own.read_text("METADATA") or "", encoding="utf-8")


def _requirements(*, oidc: bool = False) -> list[str]:
    """Return what churnml needs at the versions that are installed here, of the optional parts PostgreSQL's driver.

    Parameters
    ----------
    oidc : bool
        Also what signing in by OpenID Connect needs.
    """
    wanted = ["'postgres'", "'oidc'"] if oidc else ["'postgres'"]
    requirements = []
    for line in distribution("churnml").requires or ():
        needed, _, marker = line.partition(";")
        if "extra" in marker and not any(extra in marker.replace('"', "'") for extra in wanted):
            continue
        name, extras = re.match(r"([\w.-]+)(\[[^]]*\])?", needed.strip()).groups("")  # type: ignore[union-attr]
        try:
            requirements.append(f"{name}{extras}=={distribution(name).version}")
        except PackageNotFoundError:
            requirements.append(needed.strip())
    return requirements


def _main(arguments: list[str]) -> str:
    """Build a bento, or with a folder write only what ``bentoml build`` needs."""
    config = load_config(arguments[0])
    if len(arguments) == 1:
        return build(config)
    write_context(config, Path(arguments[1]))
    return f"bentoml build {arguments[1]}"


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python -m churnml.serving.bento CONFIG [FOLDER]")
    try:
        sys.stdout.write(_main(sys.argv[1:]) + "\n")
    except ChurnmlError as error:
        sys.exit(str(error))
