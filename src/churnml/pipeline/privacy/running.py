"""Erases an account or a person, and says what was removed where; or hands out what there is of them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from churnml.config import Config
from churnml.config.deliveries import CrmTarget, TableTarget
from churnml.errors import DataError
from churnml.files import beside, write_json, write_text
from churnml.language import Text
from churnml.pipeline.lock import only_one
from churnml.pipeline.privacy.files import (
    left_in,
    parquet_rows,
    remove_cache,
    remove_from_file,
    remove_from_landing,
    rows_in_raw,
)
from churnml.sources.suppression import PERSON_COLUMNS, Suppression
from churnml.store import ERASED, ERASURE, Actor, Store, Traces, Wanted, pattern_of, plain

__all__ = ["Certificate", "Removed", "Subject", "erase", "export"]

_CACHES = ("events", "tmp", "spill")
_OURS = ("mlartifacts", "models")
"""Folders of models, which stay: nothing in them names an account or a person, which is looked at."""
_MOST_LINES = 1000


@dataclass(frozen=True)
class Subject:
    """Who is asked about."""

    kind: Literal["account", "contact"]
    id: str


@dataclass(frozen=True)
class Removed:
    """What went from one place."""

    place: str
    rows: int


@dataclass(frozen=True)
class Certificate:
    """What was removed where, and what is left for others to do.

    Parameters
    ----------
    subject : str
        A salted hash of the id: the certificate itself must not say who it was.
    kind : str
    at : datetime
    dry_run : bool
    removed : tuple of Removed
    told : tuple of str
        Targets that are asked to empty their fields by the next delivery.
    by_hand : tuple of str
        Targets that cannot be asked.
    own_files : mapping of str to list of int
        Files of the customer's own that churnml reads and never writes → lines or rows that name the subject.
    unread : tuple of str
        Sources that could not be looked through.
    left : tuple of str
        Files of the workspace that still name the subject; empty, or something went wrong.
    """

    subject: str
    kind: str
    at: datetime
    dry_run: bool
    removed: tuple[Removed, ...]
    told: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    own_files: Mapping[str, list[int]] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Known:
    """The ids of a subject: of its account, and of persons."""

    subject: Subject
    persons: frozenset[str]
    accounts: frozenset[str]

    @property
    def gone(self) -> frozenset[str]:
        """Ids whose rows go."""
        return frozenset([self.subject.id]) if self.subject.kind == "account" else frozenset()

    @property
    def ids(self) -> frozenset[str]:
        return self.gone | self.persons

    @property
    def traces(self) -> Traces:
        if self.subject.kind == "account":
            return Traces(self.subject.id, self.ids)
        return Traces(None, self.persons, near=sorted(self.accounts))


def erase(config: Config, subject: Subject, *, dry_run: bool = False) -> Certificate:
    """Remove an account, or a person, from everything that churnml keeps, and keep it out from now on.

    Aggregates and models stay: they are made of many, and name none. A person's acts stay with their account, and no
    longer say who acted.

    Parameters
    ----------
    config : Config
    subject : Subject
    dry_run : bool
        Count only; nothing is changed.

    Raises
    ------
    DataError
        Nothing is known of the subject.
    Busy
        A daily run is at work.
    """
    workspace, now = config.workspace_dir, datetime.now(UTC)
    with only_one(workspace, config.name, config.store_url), Store(config.store_url) as store:
        known = _known(config, subject)
        own_files, unread = _own_files(config, known)
        held = store.erasure(config.name, known.traces).held()
        if not held and not own_files and not any(True for _ in _naming_files(workspace, known)):
            raise DataError(
                Text.of(f"fault-nothing_known.{subject.kind}"),
                where=config.name,
                got=subject.id,
                remedy=Text.of("fault-nothing_known.check"),
                code="erase.unknown",
            )
        suppression = Suppression.read(workspace)
        mark = suppression.mark(subject.id)
        asked, by_hand = _targets(config, subject)
        certificate = Certificate(mark, subject.kind, now, dry_run, (), asked, by_hand, own_files, unread)
        if dry_run:
            rows = [Removed(f"store: {table}", len(rows)) for table, rows in held.items()]
            return _with(certificate, [*rows, *_naming_files(workspace, known)])
        # First of all: whatever is loaded from now on leaves the subject out, even where this run is killed.
        added = suppression.adding(accounts=known.gone, persons=known.persons)
        added.write(workspace)
        # The next load lacks these rows, which is no fault of the data.
        store.monitoring(config.name).restate(_rows_to_go(workspace, known), Actor("cli", now))
        removed = list(_removed(config, known))
        counts = store.erasure(config.name, known.traces).erase(mark, now)
        removed += [Removed(f"store: {table}", number) for table, number in counts.items()]
        _tell(config, store, subject, asked, now)
        store.erasure(config.name, known.traces).settle()
        names = {path.relative_to(workspace).as_posix() for path in left_in(workspace, known.ids)}
        expected = {"store.db", "store.db-wal"} if asked else set()
        named = pattern_of(known.ids)
        # A page is called after its account.
        removed = [replace(one, place=named.sub(ERASED, one.place)) for one in removed]
        certificate = _with(certificate, removed, left=tuple(sorted(names - expected)))
        _keep(workspace, certificate, now)
        return certificate


def export(config: Config, subject: Subject, path: Path) -> dict[str, int]:
    """Write everything that churnml keeps of an account or a person into one ZIP of JSON files; returns rows by file.

    Raises
    ------
    DataError
        Nothing is known of the subject.
    """
    known = _known(config, subject)
    documents: dict[str, list[dict[str, Any]]] = {}
    for file in sorted((config.workspace_dir / "tables").glob("*.parquet")):
        rows = parquet_rows(file, known.ids)
        if rows:
            documents[f"tables/{file.stem}"] = rows
    with Store(config.store_url) as store:
        held = store.erasure(config.name, known.traces).held()
    documents |= {f"store/{table}": rows for table, rows in held.items()}
    if not documents:
        raise DataError(
            Text.of(f"fault-nothing_known.{subject.kind}"), where=config.name, got=subject.id, code="erase.unknown"
        )
    with beside(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as made:
        for name, rows in documents.items():
            made.writestr(f"{name}.json", json.dumps(plain(rows), ensure_ascii=False, indent=1, default=str) + "\n")
    return {name: len(rows) for name, rows in documents.items()}


def _known(config: Config, subject: Subject) -> _Known:
    """Return all ids of a subject: the persons of an account, or the ids and accounts of a person."""
    persons, accounts = set(), set()
    if subject.kind == "contact":
        persons.add(subject.id)
        contacts = config.workspace_dir / "tables" / "contacts.parquet"
        for row in parquet_rows(contacts, [subject.id]) if contacts.is_file() else ():
            persons |= {str(row[name]) for name in PERSON_COLUMNS if row.get(name) is not None}
    files = sorted((config.workspace_dir / "tables").glob("*.parquet"))
    for file in files:
        wanted = [subject.id] if subject.kind == "account" else sorted(persons)
        for row in parquet_rows(file, wanted):
            if subject.kind == "contact":
                accounts.add(str(row["account_id"]))
            elif row.get("account_id") == subject.id:
                persons |= {str(row[name]) for name in PERSON_COLUMNS if row.get(name) is not None}
    if subject.kind == "account":
        # Who acts for another account, too, stays there.
        others = [row for file in files for row in parquet_rows(file, persons) if row.get("account_id") != subject.id]
        persons -= {str(row[name]) for row in others for name in PERSON_COLUMNS if row.get(name) is not None}
    return _Known(
        subject, frozenset(persons - {subject.id} if subject.kind == "account" else persons), frozenset(accounts)
    )


def _rows_to_go(workspace: Path, known: _Known) -> dict[str, int]:
    """Return how many rows of each table go: all of an account, of a person the contact alone."""
    name, ids = ("*", known.gone) if known.subject.kind == "account" else ("contacts", known.persons)
    return {file.stem: len(parquet_rows(file, ids)) for file in (workspace / "tables").glob(f"{name}.parquet")}


def _removed(config: Config, known: _Known) -> Iterator[Removed]:
    """Take the subject out of the files of the workspace; yields what went where."""
    workspace = config.workspace_dir
    for cache in _CACHES:
        if (workspace / cache).is_dir():
            yield Removed(cache, remove_cache(workspace / cache))
    # Contacts last: they tell which user a contact is, should this run be killed and another one go on.
    for path in sorted(_derived(workspace), key=lambda path: path.stem == "contacts"):
        name = path.relative_to(workspace).as_posix()
        own = known.subject.kind == "account" or name in ("tables/contacts.parquet",) or name.startswith("rejected/")
        rows = remove_from_file(path, known.gone, known.persons, whole_rows=own)
        if rows:
            yield Removed(name, rows)
    contacts = {part.from_ for part in config.tables["contacts"].parts} if "contacts" in config.tables else set()
    own_tables = set() if known.subject.kind == "account" else {*contacts, "contacts", "users", "people"}
    for path in sorted(workspace.rglob("*.duckdb")):
        for table, rows in remove_from_landing(path, known.ids, own=own_tables).items():
            yield Removed(f"{path.relative_to(workspace).as_posix()}: {table}", rows)


def _naming_files(workspace: Path, known: _Known) -> Iterator[Removed]:
    """Yield the files of the workspace that name the subject, for a dry run."""
    for path in left_in(workspace, known.ids):
        name = path.relative_to(workspace).as_posix()
        if not name.startswith("store.db"):
            yield Removed(name, len(parquet_rows(path, known.ids)) if path.suffix == ".parquet" else 1)


def _derived(workspace: Path) -> list[Path]:
    kinds = {".parquet", ".csv", ".json", ".html", ".md"}
    files = (path for path in workspace.rglob("*") if path.is_file() and path.suffix in kinds)
    return sorted(
        path
        for path in files
        if path.relative_to(workspace).parts[0] not in (*_OURS, *_CACHES) and path.name != "suppressed.json"
    )


def _own_files(config: Config, known: _Known) -> tuple[dict[str, list[int]], tuple[str, ...]]:
    """Return the lines of the customer's own files that name the subject, and the sources not looked through."""
    lines_of: dict[str, list[int]] = {}
    unread = []
    for name, source in config.named_sources.items():
        if source.folder is None:
            unread.append(name or "source")
            continue
        folder = config.resolve(source.folder)
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.is_file() and not path.is_relative_to(config.workspace_dir / "landing"):
                lines = rows_in_raw(path, known.ids)
                if lines:
                    lines_of[str(path)] = lines[:_MOST_LINES]
    return lines_of, tuple(unread)


def _targets(config: Config, subject: Subject) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the targets that can be asked to forget an account, and those that hold it and cannot."""
    if subject.kind != "account":
        return (), ()
    asked, by_hand = [], []
    for name, target in config.deliveries.targets().items():
        if isinstance(target, CrmTarget):
            asked += [name] if target.fields else []
        elif not isinstance(target, TableTarget) or not _is_inside(config, target):
            by_hand.append(name)
    return tuple(asked), tuple(by_hand)


def _is_inside(config: Config, target: TableTarget) -> bool:
    """Tell whether a table lies in the workspace, whose files are looked through."""
    if target.folder is None or "://" in target.folder:
        return False
    return (config.workspace_dir / target.folder).resolve().is_relative_to(config.workspace_dir.resolve())


def _tell(config: Config, store: Store, subject: Subject, names: tuple[str, ...], now: datetime) -> None:
    """Ask targets to empty the fields of an account; the request itself is forgotten once it was answered."""
    targets = config.deliveries.targets()
    for name in names:
        target = targets[name]
        assert isinstance(target, CrmTarget)
        empty = Wanted(f"{ERASURE}{subject.id}", "score", dict.fromkeys(target.fields), subject.id)
        store.deliveries(config.name).plan(name, [empty], now)


def _with(certificate: Certificate, removed: list[Removed], left: tuple[str, ...] = ()) -> Certificate:
    return replace(certificate, removed=tuple(removed), left=left)


def _keep(workspace: Path, certificate: Certificate, now: datetime) -> None:
    """Keep the certificate, for programs and for readers."""
    from pydantic_core import to_jsonable_python

    stem = workspace / "erasures" / f"{now:%Y%m%dT%H%M%SZ}-{certificate.subject[:12]}"
    write_json(stem.with_suffix(".json"), to_jsonable_python(certificate))
    lines = [
        f"# Erasure of one {certificate.kind}, {certificate.at:%Y-%m-%d %H:%M} UTC",
        "",
        f"Subject (salted hash): `{certificate.subject}`",
        "",
        "| removed from | rows |",
        "|---|---|",
        *(f"| {one.place} | {one.rows} |" for one in certificate.removed),
        "",
        f"Targets that are told: {', '.join(certificate.told) or 'none'}",
        f"Targets to be cleaned by hand: {', '.join(certificate.by_hand) or 'none'}",
        f"Files of your own that name the subject: {len(certificate.own_files)}",
        *(f"- {path}: rows {', '.join(map(str, lines[:20]))}" for path, lines in certificate.own_files.items()),
        f"Left in the workspace: {', '.join(certificate.left) or 'nothing'}",
    ]
    write_text(stem.with_suffix(".md"), "\n".join(lines) + "\n")
