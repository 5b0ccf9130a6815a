"""What the service serves from at this moment: the champion's bundle and the snapshot in force, kept up to date."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from anyio import CapacityLimiter, to_thread
from cachetools import LRUCache

from churnml.errors import BundleError, ChurnmlError, StoreError, near_name
from churnml.explain.lifetime import Lifetime
from churnml.language import Text
from churnml.serving.batching import ScoringQueue
from churnml.serving.http.problems import Problem
from churnml.serving.scorer import Scorer
from churnml.serving.settings import Settings
from churnml.store import AccountScore, Departed, Run, SnapshotInfo, Store

if TYPE_CHECKING:
    from churnml.monitoring.report import MonitoringReport

__all__ = ["ServingState", "StateView"]

T = TypeVar("T")
_LOG = logging.getLogger("churnml.serving")
_ACCOUNTS, _EXPLANATIONS = 20_000, 5_000
"""Answers from the store that are remembered for as long as their snapshot is in force."""
_PATIENCE_SECONDS = 2.0
"""How long a write waits for other writers: much shorter than a request may take."""
_WARM_SECONDS = 20.0
_WRITERS = 4
"""Writes at a time; the others wait outside the store, whose connections are for the readers too."""
_LOADING_SECONDS = 60
"""How long a request waits for the first model to be loaded."""


Part = Literal["model", "snapshot", "run", "monitoring"]


@dataclass(frozen=True)
class Fault:
    """Why something newer is not taken up.

    `message` is fit for any caller: it names no path, host or account. `detail` is for the log.
    """

    code: str
    message: str
    detail: str


@dataclass(frozen=True)
class StateView:
    """One consistent state: requests that began with it end with it. Its caches belong to the event loop's thread.

    `choices` is what the snapshot's accounts can be filtered by, once a page has asked for it.
    """

    scorer: Scorer | None = None
    snapshot: SnapshotInfo | None = None
    run: Run | None = None
    accounts: LRUCache[str, AccountScore] = field(default_factory=lambda: LRUCache(_ACCOUNTS))
    explanations: LRUCache[str, dict[str, object]] = field(default_factory=lambda: LRUCache(_EXPLANATIONS))
    curves: LRUCache[str, Lifetime] = field(default_factory=lambda: LRUCache(_EXPLANATIONS))
    choices: dict[str, list[str]] = field(default_factory=dict)


class ServingState:
    """Holds the `StateView` in force and replaces it when a new champion or a new snapshot appears.

    A champion whose bundle is broken is refused: the one before stays, and `faults` says why. Whatever goes wrong in
    looking for news is a fault of that look only: the view stays, and the next look may succeed.

    Parameters
    ----------
    settings : Settings
        What to serve.

    Attributes
    ----------
    warmed : Event
        Set when what takes long once is done; a service that has just started is not ready before.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.view = StateView()
        self.monitoring: MonitoringReport | None = None
        self.faults: dict[Part, Fault] = {}
        self.warmed = threading.Event()
        self.warmed.set()
        self.scoring = ScoringQueue()
        self.writers = CapacityLimiter(_WRITERS)
        self._store: Store | None = None
        self._refused: tuple[Path, int] | None = None
        self._stop = threading.Event()
        self._looked = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def store(self) -> Store:
        """The open store.

        Raises
        ------
        Problem
            It could not be opened yet.
        """
        if self._store is None:
            raise Problem("service.store", Text.of("detail-store"), headers={"Retry-After": "5"})
        return self._store

    def start(self, *, model_first: bool = True) -> None:
        """Load what there is, then look for news in the background.

        Parameters
        ----------
        model_first : bool
            Otherwise the snapshot is enough to return: stored scores can be answered, and the model, whose libraries
            take seconds to import, is loaded in the background. Who needs it waits (`scorer`).
        """
        if model_first:
            self.refresh()
            self._looked.set()
        else:
            self.view = StateView(
                None, self._look("snapshot", self._snapshot, None), self._look("run", self._run, None)
            )
        self._thread = threading.Thread(target=self._watch, name="churnml-state", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the background look-out and close the store."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        if self._store is not None:
            self._store.close()
            self._store = None

    def _watch(self) -> None:
        if not self._looked.is_set():
            # The model's libraries and the first pages would keep each other from the processor.
            self.warmed.wait(_WARM_SECONDS)
            self.refresh()
            self._looked.set()
        while not self._stop.wait(self.settings.refresh_seconds):
            self.refresh()

    def refresh(self) -> None:
        """Take up a new champion and a new snapshot, each whole or not at all; never raises."""
        view = self.view
        scorer = self._look("model", self._scorer, view.scorer)
        snapshot = self._look("snapshot", self._snapshot, view.snapshot)
        run = self._look("run", self._run, view.run)
        self.monitoring = self._look("monitoring", self._monitoring, self.monitoring)
        same = snapshot is not None and view.snapshot is not None and snapshot.id == view.snapshot.id
        if scorer is view.scorer and (same or snapshot is view.snapshot):
            if run != view.run:
                self.view = replace(view, run=run)
            return
        self.view = (
            StateView(scorer, snapshot, run, view.accounts, view.explanations, view.curves)
            if same
            else StateView(scorer, snapshot, run)
        )
        _LOG.info(
            "serving model %s, snapshot %s",
            scorer.version if scorer else "none",
            f"{snapshot.id} of {snapshot.as_of}" if snapshot else "none",
        )

    def _look(self, part: Part, look: Callable[[T | None], T | None], held: T | None) -> T | None:
        """Return what a look found; what was held, with a fault, where it failed in any way."""
        try:
            return look(held)
        except StoreError as error:
            fault = Fault("store_unreachable", "The store cannot be read; what was read before is served.", str(error))
        except BundleError as error:
            fault = _refused(error) if error.code != "bundle.none" else _untrained(error)
        except Exception as error:
            # Out of file handles, a pointer that is half written, a library's own fault: the next look may succeed.
            message = f"Looking for a new {part} failed ({type(error).__name__}); what was loaded before is served."
            fault = Fault("refresh_failed", message, repr(error))
        if self.faults.get(part) != fault:
            _LOG.warning("%s: %s", fault.message, fault.detail)
        self.faults[part] = fault
        return held

    def _scorer(self, held: Scorer | None) -> Scorer | None:
        from churnml.registry import champion_bundle, load_bundle

        path = champion_bundle(self.settings.bundles_dir, self.settings.registered_model)
        if held is not None and held.bundle.path == path:
            self.faults.pop("model", None)
            return held
        manifest = path / "manifest.json"
        attempt = (path, manifest.stat().st_mtime_ns if manifest.exists() else 0)
        if attempt == self._refused:
            return held
        try:
            scorer = Scorer(load_bundle(path), self.settings.display)
        except (ChurnmlError, KeyError, TypeError, ValueError) as error:
            # It will not get better by itself, so it is not read again before it changes.
            self._refused = attempt
            raise (
                error
                if isinstance(error, BundleError)
                else BundleError(
                    Text.of("fault-bundle_unusable"), where=str(path), got=repr(error), code="bundle.broken"
                )
            ) from error
        self._refused = None
        self.faults.pop("model", None)
        return scorer

    def _snapshot(self, held: SnapshotInfo | None) -> SnapshotInfo | None:
        if self._store is None:
            self._store = Store(self.settings.store_url, patience_seconds=_PATIENCE_SECONDS)
        snapshot = self._store.latest(self.settings.name)
        self.faults.pop("snapshot", None)
        return snapshot

    def _run(self, held: Run | None) -> Run | None:
        run = None if self._store is None else self._store.runs(self.settings.name).last(ended=True)
        self.faults.pop("run", None)
        return run

    def _monitoring(self, held: MonitoringReport | None) -> MonitoringReport | None:
        newest = None if self._store is None else self._store.monitoring(self.settings.name).newest()
        self.faults.pop("monitoring", None)
        return newest

    async def scorer(self) -> Scorer:
        """Return the scorer in force, once it was looked for.

        Raises
        ------
        Problem
            No model is loaded.
        """
        if not self._looked.is_set():
            await to_thread.run_sync(self._looked.wait, _LOADING_SECONDS)
        if self.view.scorer is None:
            fault = self.faults.get("model")
            message = fault.message if fault else "No model is loaded"
            raise Problem("service.no_model", message, headers={"Retry-After": "30"})
        return self.view.scorer

    async def account(self, account_id: str, *, hint: bool = True) -> tuple[StateView, SnapshotInfo, AccountScore]:
        """Return an account's stored score with the view it belongs to.

        Parameters
        ----------
        account_id : str
        hint : bool
            Suggest the near id where the account is unknown; it takes some milliseconds, so not in a batch.

        Raises
        ------
        Problem
            Nothing has been scored, or the snapshot does not have the account.
        """
        view = self.view
        snapshot = view.snapshot
        if snapshot is None:
            raise Problem(
                "service.no_snapshot",
                Text.of("detail-no_snapshot"),
                headers={"Retry-After": "30"},
            )
        account = view.accounts.get(account_id)
        if account is None:
            account = await _read(lambda: self.store.account(snapshot.id, account_id))
            if account is None:
                raise await self.unknown_account(snapshot, account_id, hint=hint)
            view.accounts[account_id] = account
        return view, snapshot, account

    async def last_known(self, account_id: str) -> tuple[StateView, SnapshotInfo, AccountScore]:
        """Return an account's stored score or, where it has left, its last one with the snapshot that held it.

        Raises
        ------
        Problem
            Nothing has been scored, or the account never was.
        """
        try:
            return await self.account(account_id, hint=False)
        except Problem as problem:
            if problem.code != "account.unknown":
                raise
            last = await _read(lambda: self.store.history(self.settings.name, account_id, 1))
            if not last:
                if self.view.snapshot is not None:
                    problem = await self.unknown_account(self.view.snapshot, account_id)
                raise problem from None
        snapshot, account = last[0]
        return StateView(self.view.scorer, snapshot), snapshot, account

    async def departure(self, snapshot: SnapshotInfo, account_id: str) -> Departed | None:
        """Return why an account of an earlier snapshot is scored no more; None where it still is, or nobody knows."""
        newest = self.view.snapshot
        if newest is None or newest.as_of <= snapshot.as_of:
            return None
        return await _read(lambda: self.store.departure(self.settings.name, account_id))

    async def explanation(self, view: StateView, snapshot: SnapshotInfo, account_id: str) -> dict[str, object]:
        """Return an account's stored explanation.

        Raises
        ------
        Problem
            None is stored.
        """
        explanation = view.explanations.get(account_id)
        if explanation is None:
            explanation = await _read(lambda: self.store.explanation(snapshot.id, account_id))
            if explanation is None:
                raise Problem("explanation.unknown", Text.of("detail-no_explanation", account=repr(account_id)))
            view.explanations[account_id] = explanation
        return explanation

    async def curve(self, view: StateView, snapshot: SnapshotInfo, account_id: str) -> Lifetime | None:
        """Return when an account will be lost, or None where no curve of it is stored."""
        curve = view.curves.get(account_id)
        if curve is None:
            curve = await _read(lambda: self.store.curve(snapshot.id, account_id))
            if curve is not None:
                view.curves[account_id] = curve
        return curve

    async def remember(self, account_ids: Sequence[str]) -> None:
        """Read the scores of many accounts at once, so that `account` has them at hand."""
        view = self.view
        snapshot, missing = view.snapshot, [name for name in account_ids if name not in view.accounts]
        if snapshot is not None and missing:
            view.accounts.update(await _read(lambda: self.store.account_scores(snapshot.id, missing)))

    async def unknown_account(self, snapshot: SnapshotInfo, account_id: str, *, hint: bool = True) -> Problem:
        """Return the problem that says an account is unknown, and names the near one."""
        near = None
        if hint:
            near = await _read(lambda: near_name(account_id, self.store.near_ids(snapshot.id, account_id)))
        form = "detail-no_account.near" if near else "detail-no_account"
        said = Text.of(form, as_of=str(snapshot.as_of), account=repr(account_id), near=repr(near))
        return Problem("account.unknown", said)


async def _read(work: Callable[[], T]) -> T:
    return await to_thread.run_sync(work)


def _refused(error: BundleError) -> Fault:
    message = f"The champion's bundle was refused ({error.code}); the log says why, and the one before is served."
    return Fault("bundle_refused", message, str(error))


def _untrained(error: BundleError) -> Fault:
    return Fault("no_model", "No model has been trained yet.", str(error))
