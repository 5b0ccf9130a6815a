"""The targets: one adapter a file, each with the words and ways of one tool."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx

from churnml.config.deliveries import TargetConfig, WebhookTarget
from churnml.deliveries.adapter import Adapter, Context
from churnml.deliveries.gateway import Gateway, Request
from churnml.deliveries.guard import guarded
from churnml.store import Store, TargetState

__all__ = ["adapter_for"]

_ADAPTERS = {
    "salesforce": ("salesforce", "Salesforce"),
    "hubspot": ("hubspot", "Hubspot"),
    "zoho": ("zoho", "Zoho"),
    "gainsight": ("gainsight", "Gainsight"),
    "churnzero": ("churnzero", "ChurnZero"),
    "totango": ("totango", "Totango"),
    "zendesk": ("zendesk", "Zendesk"),
    "slack": ("slack", "Slack"),
    "teams": ("teams", "Teams"),
    "webhooks": ("webhooks", "Webhook"),
    "emails": ("emails", "Email"),
}


def adapter_for(
    store: Store,
    config: str,
    name: str,
    section: TargetConfig,
    *,
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
    if isinstance(section, WebhookTarget) and transport is None:
        transport = guarded(section)
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
    return _made(kind, context, section, store, base or Path.cwd())


def _made(kind: str, context: Context, section: Any, store: Store, base: Path) -> Adapter:
    """Return the adapter of a kind; each is loaded when it is used."""
    if kind == "tables":
        from churnml.deliveries.targets.tables import FlatTable

        return FlatTable(context, section, store, base)
    module, name = _ADAPTERS[kind]
    made = getattr(import_module(f"churnml.deliveries.targets.{module}"), name)
    adapter: Adapter = made(context, section)
    return adapter
