"""Deliveries in runs: sent by hand, on a schedule and after each scoring; listed, sent again, and checked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from churnml import deliveries
from churnml.config import Config
from churnml.deliveries import Delivered, Finding, Planned
from churnml.errors import ChurnmlError, UsageError
from churnml.language import Text
from churnml.pipeline.tasks import due_day
from churnml.store import Delivery, Store

__all__ = ["check_deliveries", "deliver", "deliver_after_scoring", "list_deliveries", "preview_deliveries", "resend"]

_LOG = logging.getLogger("churnml.deliveries")


def deliver(config: Config, *, target: str | None = None) -> Delivered:
    """Plan what has changed, and send what is due to every target, or to one.

    Raises
    ------
    UsageError
        The config has no target, or none of this name.
    """
    _require_targets(config)
    with Store(config.store_url) as store:
        return deliveries.deliver(
            store, config.name, config.deliveries, language=config.language, currency=config.currency,
            base=config.workspace_dir, only=target, calendar=partial(due_day, config),
        )  # fmt: skip


def deliver_after_scoring(config: Config, store: Store) -> Delivered | None:
    """Deliver what a scoring has changed; what fails is logged, and tried again by the next run."""
    if not config.deliveries.after_scoring or not config.deliveries.targets():
        return None
    try:
        return deliveries.deliver(
            store, config.name, config.deliveries, language=config.language, currency=config.currency,
            base=config.workspace_dir, calendar=partial(due_day, config),
        )  # fmt: skip
    except ChurnmlError as error:
        _LOG.warning("Nothing was delivered after the scoring; `churnml deliver` says more: %s", error.what)
        return None


def preview_deliveries(config: Config, *, target: str | None = None, requests: int = 3) -> list[Planned]:
    """Return what would be sent, request by request, secrets masked; nothing leaves."""
    _require_targets(config)
    with Store(config.store_url) as store:
        return deliveries.preview(
            store, config.name, config.deliveries, language=config.language, currency=config.currency,
            base=config.workspace_dir, only=target, requests=requests,
        )  # fmt: skip


def check_deliveries(config: Config, *, target: str | None = None) -> list[Finding]:
    """Ask each target whether what the config wants of it is there, may be written, and is long enough."""
    _require_targets(config)
    with Store(config.store_url) as store:
        return deliveries.check_targets(store, config.name, config.deliveries, only=target, base=config.workspace_dir)


def list_deliveries(
    config: Config, *, target: str | None = None, states: Sequence[str] = ("refused", "unknown"), limit: int = 100
) -> list[Delivery]:
    """Return deliveries, by default the dead letters: refused for good, or with an answer that is lost for good."""
    with Store(config.store_url) as store:
        return store.deliveries(config.name).find(target=target, states=states, limit=limit)


def resend(config: Config, ids: Sequence[int] = (), *, target: str | None = None) -> int:
    """Let dead letters be tried again by the next run; returns how many.

    Raises
    ------
    UsageError
        Neither ids nor a target are given, or none of the ids is a dead letter's.
    """
    if not ids and target is None:
        raise UsageError(Text.of("fault-nothing_again"))
    with Store(config.store_url) as store:
        count = store.deliveries(config.name).resend(datetime.now(UTC), ids=ids, target=target)
    if ids and not count:
        raise UsageError(Text.of("fault-no_letter"), got=", ".join(map(str, ids)), code="deliver.no_letter")
    return count


def _require_targets(config: Config) -> None:
    config.require_churn("deliveries")
    if not config.deliveries.targets():
        raise UsageError(Text.of("fault-no_target_on"), where="deliveries", code="deliver.no_target")
