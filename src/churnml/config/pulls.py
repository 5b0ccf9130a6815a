"""The section `pull` of a source: from which tool its raw tables are fetched, and with which login."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from churnml.config.logins import HubspotLogin, SalesforceLogin, Secret, ZohoLogin
from churnml.config.section import Section, Share
from churnml.language import Text, WrongValueError

__all__ = [
    "PULL_SECRETS",
    "HubspotPull",
    "MixpanelPull",
    "PendoPull",
    "PullConfig",
    "PullLogin",
    "SalesforcePull",
    "StripePull",
    "ZendeskPull",
    "ZohoPull",
]

PULL_SECRETS = ("client_secret", "refresh_token", "token", "api_token", "api_key", "integration_key", "secret")
"""Keys of this section that hold secrets; they are written as ``${NAME}``."""


class PullLogin(Section):
    """What every tool has."""

    objects: tuple[str, ...] = Field((), description="Only these objects; empty = all that the connector knows")
    since: date | None = Field(None, description="The first pull begins here, where the tool can; empty = everything")
    overlap_minutes: int = Field(
        60, ge=1, le=10_080, description="A pull begins so long before the last one ended, as rows may arrive late"
    )
    daily_calls: int = Field(5000, ge=1, description="Most calls a day, UTC")
    allowance_share: Share = Field(
        0.2, description="Share of what is left of the tool's own allowance that may be used a day, where it tells"
    )
    timeout_seconds: float = Field(60.0, gt=0, le=600, description="Longest wait for an answer")


class SalesforcePull(PullLogin, SalesforceLogin):
    """Salesforce: every field the user may read, deleted and merged records included."""


class HubspotPull(PullLogin, HubspotLogin):
    """HubSpot: companies, contacts, deals, tickets, calls, meetings and mails, with their companies."""


class ZohoPull(PullLogin, ZohoLogin):
    """Zoho CRM: accounts, deals, cases and contacts, deleted ones included."""

    fields: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Module → further fields to fetch, at most 50 with the connector's own"
    )


class ZendeskPull(PullLogin):
    """Zendesk: tickets with metric sets, their events, organizations and users, by incremental export."""

    url: str = Field(description="Your domain, e.g. `https://acme.zendesk.com`")
    user: str = Field(description="Mail address of the user that reads")
    api_token: Secret = Field(description="Its API token, `${NAME}`")
    custom_fields: dict[str, str] = Field(
        default_factory=dict,
        description="Name → id of a ticket field, landed as a column, e.g. `{custom_category: 27642}`",
    )


class StripePull(PullLogin):
    """Stripe: customers, subscriptions with items, and invoices; changes by its events."""

    url: str = Field("https://api.stripe.com", description="Its API")
    api_key: Secret = Field(description="Restricted key that may read, `${NAME}`")
    api_version: str | None = Field(None, description="`Stripe-Version`; default: the account's own")


class PendoPull(PullLogin):
    """Pendo: clicks on features, visits of pages and answers to polls, day by day."""

    url: str = Field("https://app.pendo.io", description="Its API; EU: `https://app.eu.pendo.io`")
    integration_key: Secret = Field(description="Integration key, `${NAME}`")
    overlap_minutes: int = Field(
        2880, ge=1, le=43_200, description="A pull begins so long before the last one ended, as events may arrive late"
    )


class MixpanelPull(PullLogin):
    """Mixpanel: the raw export of events, day by day."""

    url: str = Field("https://data.mixpanel.com", description="Its export API; EU: `https://data-eu.mixpanel.com`")
    project_id: str = Field(description="Number of the project")
    user: str = Field(description="Name of the service account")
    secret: Secret = Field(description="Its secret, `${NAME}`")
    overlap_minutes: int = Field(
        7200, ge=1, le=43_200, description="A pull begins so long before the last one ended, as events may arrive late"
    )


class PullConfig(Section):
    """What `churnml pull` fetches into this source: one tool, and where it lands."""

    salesforce: SalesforcePull | None = Field(None, description="Salesforce")
    hubspot: HubspotPull | None = Field(None, description="HubSpot")
    zoho: ZohoPull | None = Field(None, description="Zoho CRM")
    zendesk: ZendeskPull | None = Field(None, description="Zendesk")
    stripe: StripePull | None = Field(None, description="Stripe")
    pendo: PendoPull | None = Field(None, description="Pendo")
    mixpanel: MixpanelPull | None = Field(None, description="Mixpanel")
    destination: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]*$")] | None = Field(
        None,
        description="Another destination of dlt that speaks SQL, e.g. `postgres`, whose login dlt finds in the "
        "environment; then `connection` says where the source reads",
    )

    @model_validator(mode="after")
    def _one_tool(self) -> Self:
        given = [name for name in self._tools() if getattr(self, name) is not None]
        if len(given) != 1:
            raise WrongValueError(Text.of("wrong-one_of", names=", ".join(self._tools())))
        return self

    @classmethod
    def _tools(cls) -> list[str]:
        return [name for name in cls.model_fields if name != "destination"]

    @property
    def tool(self) -> str:
        """Name of the tool."""
        return next(name for name in self._tools() if getattr(self, name) is not None)

    @property
    def login(self) -> PullLogin:
        """The tool's section."""
        section = getattr(self, self.tool)
        assert isinstance(section, PullLogin)
        return section


def landing_file(workspace: Path, name: str) -> Path:
    """Return the DuckDB file in which a source lands that names no other place.

    Examples
    --------
    >>> landing_file(Path("ws"), "crm").as_posix()
    'ws/landing/crm.duckdb'
    """
    return workspace / "landing" / f"{name or 'source'}.duckdb"
