"""The targets: one adapter a file, each with the words and ways of one tool."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from churnml.config.deliveries import DeliveriesConfig, TargetConfig
from churnml.deliveries.adapter import Adapter, Context
from churnml.deliveries.gateway import Gateway, Request
from churnml.store import Store, TargetState

__all__ = ["adapter_for"]


def adapter_for(
    store: Store,
    config: str,
    name: str,
    section: TargetConfig,
    *,
    deliveries: DeliveriesConfig,
    clock: Callable[[], datetime],
    state: TargetState,
    language: str = "en",
    currency: str = "USD",
    base: Path | None = None,
    transport: httpx.BaseTransport | None = None,
    shown: list[Request] | None = None,
) -> Adapter:
    """Return the adapter of a target, with its own way out.

    Parameters
    ----------
    store : Store
        Tables read whole scorings from it.
    config, name : str
        The config's name and the target's.
    section : TargetConfig
    deliveries : DeliveriesConfig
        What targets share, such as `page_url`.
    clock : callable
        Returns the time, UTC.
    state : TargetState
    language, currency : str
    base : Path, optional
        Folder that relative paths start at.
    transport : httpx.BaseTransport, optional
        For tests.
    shown : list of Request, optional
        A dry run, see `Gateway`.
    """
    gateway = Gateway(
        name,
        state,
        clock,
        daily_calls=section.daily_calls,
        allowance_share=section.allowance_share,
        timeout_seconds=section.timeout_seconds,
        secrets=Adapter.secrets_of(section),
        transport=transport,
        shown=shown,
    )
    context = Context(config, name, gateway, language, currency)
    kind = name.partition(".")[0]
    return _made(kind, context, section, store, deliveries, base or Path.cwd(), transport is not None)


def _made(
    kind: str, context: Context, section: Any, store: Store, deliveries: DeliveriesConfig, base: Path, is_test: bool
) -> Adapter:
    if kind == "salesforce":
        from churnml.deliveries.targets.salesforce import Salesforce

        return Salesforce(context, section)
    raise LookupError(kind)
