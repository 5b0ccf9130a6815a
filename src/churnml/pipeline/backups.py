"""A backup of what cannot be made again: store, bundles, and who was erased; taken and put back while serving."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from churnml import __version__
from churnml.config import Config
from churnml.errors import UsageError
from churnml.files import beside, folder_beside, stage_folder
from churnml.language import Text
from churnml.pipeline.lock import only_one
from churnml.sources.suppression import Suppression
from churnml.store import Store, Traces
from churnml.store.copying import copy_out, put_back

__all__ = ["Backup", "Restored", "backup", "restore"]

_STORE, _MODELS, _ABOUT, _SUPPRESSED = "store.db", "models", "backup.json", "suppressed.json"


@dataclass(frozen=True)
class Backup:
    """A backup that was written."""

    file: Path
    bytes: int
    at: datetime


@dataclass(frozen=True)
class Restored:
    """What was put back: when it was taken, and how many accounts were erased again because they had been since."""

    taken_at: datetime
    erased_again: int


def backup(config: Config, to: Path) -> Backup:
    """Write store, bundles and the list of the erased into one archive, while the service goes on.

    Raises
    ------
    StoreError
        The store is no SQLite file, or there is none.
    """
    now = datetime.now(UTC)
    with stage_folder(config.workspace_dir, "backup") as stage, beside(to) as part:
        copy_out(config.store_url, stage / _STORE)
        (stage / _ABOUT).write_text(
            json.dumps({"config": config.name, "taken_at": now.isoformat(), "churnml": __version__}) + "\n"
        )
        with tarfile.open(part, "w:gz", compresslevel=3) as archive:
            archive.add(stage / _ABOUT, _ABOUT)
            archive.add(stage / _STORE, _STORE)
            if config.bundles_dir.is_dir():
                archive.add(config.bundles_dir, _MODELS, filter=_whole)
            if (config.workspace_dir / _SUPPRESSED).is_file():
                archive.add(config.workspace_dir / _SUPPRESSED, _SUPPRESSED)
    return Backup(to, to.stat().st_size, now)


def restore(config: Config, file: Path) -> Restored:
    """Put a backup back, while the service goes on; whoever was erased since it was taken is erased from it again.

    Raises
    ------
    UsageError
        The file is no backup, or one of another company.
    Busy
        A daily run is at work.
    StoreError
        The copy of the store in it is damaged.
    """
    workspace = config.workspace_dir
    with only_one(workspace, config.name, config.store_url), stage_folder(workspace, "restore") as stage:
        about = _unpacked(file, stage, config.name)
        put_back(stage / _STORE, config.store_url)
        if (stage / _MODELS).is_dir():
            with folder_beside(config.bundles_dir) as fresh:
                for path in (stage / _MODELS).iterdir():
                    path.rename(fresh / path.name)
        now_listed = Suppression.read(workspace)
        listed = Suppression.read(stage)
        if listed.salt == now_listed.salt or not (now_listed.accounts or now_listed.persons):
            base = listed if not (now_listed.accounts or now_listed.persons) else now_listed
            both = Suppression(base.salt, now_listed.accounts | listed.accounts, now_listed.persons | listed.persons)
            if both.accounts or both.persons:
                both.write(workspace)
            now_listed = both
        again = _erase_again(config, now_listed)
    return Restored(datetime.fromisoformat(about["taken_at"]), again)


def _unpacked(file: Path, stage: Path, name: str) -> dict[str, str]:
    try:
        with tarfile.open(file, "r:*") as archive:
            _take_out(archive, stage)
        about: dict[str, str] = json.loads((stage / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, tarfile.TarError, ValueError) as error:
        raise UsageError(
            Text.of("fault-no_backup"),
            where=str(file),
            got=str(error).splitlines()[0] if str(error) else type(error).__name__,
            code="backup.unreadable",
        ) from error
    if about.get("config") != name:
        raise UsageError(
            Text.of("fault-other_backup"), where=str(file), got=about.get("config"), expected=name, code="backup.other"
        )
    return about


def _take_out(archive: tarfile.TarFile, stage: Path) -> None:
    """Unpack what stays below a folder; Python before 3.11.4 cannot be asked to see to that itself."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(stage, filter="data")
        return
    root = stage.resolve()
    for member in archive.getmembers():
        inside = (root / member.name).resolve().is_relative_to(root)
        if not inside or not (member.isfile() or member.isdir()):
            raise tarfile.ExtractError(member.name)
    archive.extractall(stage)


def _erase_again(config: Config, listed: Suppression) -> int:
    if not listed.accounts:
        return 0
    now, count = datetime.now(UTC), 0
    with Store(config.store_url) as store:
        for account in sorted(store.known_accounts(config.name)):
            if listed.is_account(account):
                store.erasure(config.name, Traces(account, (account,))).erase(listed.mark(account), now)
                count += 1
        if count:
            store.erasure(config.name, Traces(None, ())).settle()
    return count


def _whole(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what is being written at this moment."""
    return None if member.name.endswith(".part") else member
