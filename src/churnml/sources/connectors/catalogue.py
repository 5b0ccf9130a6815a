"""The tools that can be pulled from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from churnml.config.pulls import PullConfig
from churnml.sources.connectors.access import Access
from churnml.sources.connectors.tool import Connector
from churnml.sources.connectors.tools.hubspot import Hubspot
from churnml.sources.connectors.tools.mixpanel import Mixpanel
from churnml.sources.connectors.tools.pendo import Pendo
from churnml.sources.connectors.tools.salesforce import Salesforce
from churnml.sources.connectors.tools.stripe import Stripe
from churnml.sources.connectors.tools.zendesk import Zendesk
from churnml.sources.connectors.tools.zoho import Zoho

__all__ = ["CONNECTORS", "connector_of", "connectors_markdown"]

CONNECTORS: Mapping[str, type[Connector]] = {
    each.tool: each for each in (Salesforce, Hubspot, Zoho, Zendesk, Stripe, Pendo, Mixpanel)
}
"""Tool → its connector."""


def connector_of(section: PullConfig, access: Access, key: str, note: Callable[..., None]) -> Connector:
    """Return the connector of a source's section ``pull``."""
    return CONNECTORS[section.tool](section.login, access, key, note)


def connectors_markdown() -> str:
    """Return the table of what every connector lands, as Markdown.

    Examples
    --------
    >>> connectors_markdown().splitlines()[0]
    '| tool | lands | read by | history |'
    """
    lines = ["| tool | lands | read by | history |", "|---|---|---|---|"]
    for tool, connector in CONNECTORS.items():
        for kind in connector.kinds:
            preset = f"`{kind.preset}`" if kind.preset else "beside another table (`with:`), or not at all"
            history = f"`{kind.name}_history`" if kind.keeps else ""
            lines.append(f"| {tool} | `{kind.name}` | {preset} | {history} |")
    return "\n".join(lines) + "\n"
