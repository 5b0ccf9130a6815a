"""The section `serving.sign_in`: who may look at the pages, and how they say who they are."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from churnml.config.deliveries import EmailTarget
from churnml.config.section import Section
from churnml.errors import ConfigError, near_name
from churnml.language import Text, WrongValueError, one_of

__all__ = ["Network", "OidcConfig", "ProxyConfig", "Role", "SignInConfig", "inside", "in_the_clear", "mail_section"]

Role = Literal["csm", "manager", "data_scientist", "admin"]
"""What a person is: it says what they see and may do (docs/signing_in.md)."""


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False) if "/" in text else ipaddress.ip_address(text))
    except ValueError:
        raise WrongValueError(Text.of("wrong-address", given=repr(text))) from None


Network = Annotated[str, AfterValidator(_network)]
"""An IP address or a network."""


def inside(address: str, networks: tuple[str, ...]) -> bool:
    """Tell whether an address is one of those, or lies in one of the networks.

    Examples
    --------
    >>> inside("10.1.2.3", ("10.0.0.0/8",)), inside("::ffff:10.1.2.3", ("10.1.2.3",)), inside("", ("0.0.0.0/0",))
    (True, True, False)
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    ip = mapped or ip
    return any(ip in ipaddress.ip_network(network, strict=False) for network in networks)


class OidcConfig(Section):
    """Signing in with the company's own accounts, by OpenID Connect."""

    issuer: str = Field(description="The provider's issuer URL, e.g. `https://login.example.com`")
    client_id: str = Field(description="Client of the provider that stands for churnml")
    client_secret: SecretStr | None = Field(
        None, description="Its secret, `${NAME}`; none for a public client, which PKCE alone protects"
    )
    scopes: tuple[str, ...] = Field(("openid", "email", "profile"), description="Scopes to ask for")
    email_claim: str = Field("email", description="Claim that holds the mail address")
    unverified_email: bool = Field(
        False,
        description="Accept an address without `email_verified`. Only where the provider's administrators alone set "
        "addresses, as in Microsoft Entra ID with one tenant",
    )
    default_role: Role | None = Field(
        None, description="Role of people the provider knows and churnml does not; none: they are refused"
    )


class ProxyConfig(Section):
    """Signing in by a proxy in front that says in a header who is there."""

    header: str = Field("X-Forwarded-User", description="Header that holds the mail address")
    addresses: tuple[Network, ...] = Field(
        min_length=1, description="Addresses or networks of the proxies; from any other the header is ignored"
    )
    default_role: Role | None = Field(
        None, description="Role of people the proxy names and churnml does not know; none: they are refused"
    )
    sign_out_url: Annotated[str, StringConstraints(pattern=r"^(https?://|/)")] | None = Field(
        None, description="Where the proxy's own session ends"
    )


class SignInConfig(Section):
    """People and their sessions; see docs/signing_in.md."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+/?$")] | None = Field(
        None, description="Address at which people reach the pages, for links: `https://health.example.com`"
    )
    csm_sees: Literal["all", "own"] = Field("all", description="Accounts that a CSM sees; `own`: by their owner id")
    ask: str | None = Field(None, description="Whom somebody without access asks, e.g. `it@example.com`")
    session_days: int = Field(30, ge=1, le=365, description="A session ends after so many days")
    idle_hours: int = Field(168, ge=1, description="A session that was not used for so many hours ends")
    link_hours: int = Field(72, ge=1, le=720, description="A sign-in link is good for so many hours, once")
    mail: str | None = Field(
        None, description="Which of `deliveries.emails` sends sign-in links; default: the first; `none`: no mails"
    )
    oidc: OidcConfig | None = Field(None, description="Sign in through your own provider (OpenID Connect)")
    proxy: ProxyConfig | None = Field(None, description="Trust your own proxy's word on who is there")


def mail_section(sign_in: SignInConfig, emails: Mapping[str, EmailTarget]) -> EmailTarget | None:
    """Return the SMTP server that mails sign-in links; None where there is none, or none is wanted.

    Raises
    ------
    ConfigError
        `sign_in.mail` names one that there is not.
    """
    if sign_in.mail == "none" or not (emails or sign_in.mail):
        return None
    if sign_in.mail is None:
        return next(iter(emails.values()))
    if sign_in.mail not in emails:
        near = near_name(sign_in.mail, emails)
        raise ConfigError(
            Text.of("fault-no_mail_entry"),
            where="serving.sign_in.mail",
            got=sign_in.mail,
            expected=one_of(emails, near),
            code="config.invalid",
        )
    return emails[sign_in.mail]


def in_the_clear(secret: SecretStr | None) -> str | None:
    """Return a secret of the config; None where there is none, or where the environment does not hold it.

    Examples
    --------
    >>> in_the_clear(SecretStr("s3cret")), in_the_clear(SecretStr("${NOT_SET}")), in_the_clear(None)
    ('s3cret', None, None)
    """
    value = None if secret is None else secret.get_secret_value()
    return None if value is None or (value.startswith("${") and value.endswith("}")) else value
