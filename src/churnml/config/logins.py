"""How one signs in to the tools that churnml both pulls from and delivers to."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from churnml.config.section import Section
from churnml.language import Text, WrongValueError

__all__ = ["HubspotLogin", "SalesforceLogin", "Secret", "ZohoLogin"]

Secret = Annotated[SecretStr, Field(min_length=1)]


class SalesforceLogin(Section):
    """Salesforce: a connected app, or a session token."""

    url: str = Field(description="My Domain, e.g. `https://acme.my.salesforce.com`")
    api_version: Annotated[str, Field(pattern=r"^v\d+\.\d$")] = Field("v62.0", description="Version of its API")
    client_id: str | None = Field(None, description="Consumer key of the connected app (client credentials)")
    client_secret: Secret | None = Field(None, description="Its secret, `${NAME}`")
    token: Secret | None = Field(None, description="Or a session token, `${NAME}`; it cannot be renewed")

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if (self.token is None) == (self.client_id is None or self.client_secret is None):
            raise WrongValueError(Text.of("wrong-login"))
        return self


class HubspotLogin(Section):
    """HubSpot: a private app."""

    url: str = Field("https://api.hubapi.com", description="Its API")
    token: Secret = Field(description="Token of a private app, `${NAME}`")


class ZohoLogin(Section):
    """Zoho CRM: a self client with a refresh token."""

    url: str = Field("https://www.zohoapis.com", description="API of your data centre")
    accounts_url: str = Field("https://accounts.zoho.com", description="Login of your data centre")
    client_id: str = Field(description="Client of the self client")
    client_secret: Secret = Field(description="Its secret, `${NAME}`")
    refresh_token: Secret = Field(description="Its refresh token, `${NAME}`")
