"""Build a bento that serves a config's champion anywhere: ``python -m churnml.serving.bento CONFIG``."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import churnml
from churnml.config import Config, load_config
from churnml.registry import champion_bundle, load_bundle
from churnml.serving.settings import SETTINGS, Settings
from churnml.serving.workers import shared_folder

__all__ = ["build", "settle"]

_SETTINGS = "settings.json"
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

    It holds the verified bundle, the settings, churnml itself, and the names and versions of what churnml needs.
    The store's URL is not in it: ``CHURNML_STORE_URL`` must name one when the bento is served.

    Raises
    ------
    BundleError
        There is no champion, or its bundle is broken.
    """
    champion = champion_bundle(config.bundles_dir, config.registered_model)
    bundle = load_bundle(champion)
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    import bentoml

    with tempfile.TemporaryDirectory(prefix="churnml-bento-") as folder:
        context = Path(folder)
        models = context / "models" / config.registered_model
        shutil.copytree(champion, models / champion.name)
        shutil.copy(champion.parent / "champion.json", models / "champion.json")
        elsewhere = {"bundles_dir": Path("models"), "store_url": "", "shared": None}
        settings = Settings.from_config(config).model_copy(update=elsewhere)
        (context / _SETTINGS).write_text(settings.model_dump_json(indent=1), encoding="utf-8")
        (context / "service.py").write_text(_SERVICE, encoding="utf-8")
        package = Path(churnml.__file__).parent
        shutil.copytree(package, context / "churnml", ignore=shutil.ignore_patterns("__pycache__"))
        _copy_metadata(context)
        made: Any = bentoml.bentos.build(
            "service:ChurnmlService",
            name="churnml",
            version=f"{config.name}-{bundle.version}".lower(),
            build_ctx=folder,
            include=["*"],
            labels={"config": config.name, "model_version": bundle.version},
            python={"packages": _requirements(), "lock_packages": False},
        )
        return str(made.tag)


def settle(folder: Path) -> None:
    """Point the service to the settings and models of a bento's folder; called by the bento itself."""
    settings = Settings.model_validate_json((folder / _SETTINGS).read_text(encoding="utf-8"))
    update: dict[str, Any] = {"bundles_dir": (folder / settings.bundles_dir).resolve(), "shared": shared_folder()}
    os.environ[SETTINGS] = settings.model_copy(update=update).model_dump_json()


def _copy_metadata(context: Path) -> None:
    """Put churnml's own metadata beside its copy, so that the version can be looked up there."""
    own = distribution("churnml")
    target = context / f"churnml-{own.version}.dist-info"
    target.mkdir()
    (target / "METADATA").write_text(own.read_text("METADATA") or "", encoding="utf-8")


def _requirements() -> list[str]:
    """Return what churnml needs at the versions that are installed here, optional parts left out."""
    names = [line.split(";")[0] for line in distribution("churnml").requires or () if "extra ==" not in line]
    found = []
    for name in names:
        bare = next(part for part in name.replace("[", " ").replace(">", " ").replace("=", " ").split(" ") if part)
        found.append(f"{bare}=={distribution(bare).version}")
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m churnml.serving.bento CONFIG")
    sys.stdout.write(build(load_config(sys.argv[1])) + "\n")
