"""Links by which people sign in: their address, and the mail that brings them."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import Request

from churnml.config.deliveries import EmailTarget
from churnml.deliveries.mail import send_mail
from churnml.language import Language, phrases
from churnml.serving.state import ServingState
from churnml.store import Link

__all__ = ["PATH", "base_of", "link_address", "mail_link"]

PATH = "/sign-in/link"
"""Page that a link leads to."""


def base_of(request: Request) -> str:
    """Return where people reach the pages, without a slash at its end: as the config says, else as this request did."""
    state: ServingState = request.app.state.serving
    return (state.settings.sign_in.url or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")


def link_address(base: str, link: Link) -> str:
    """Return the address that signs somebody in.

    Parameters
    ----------
    base : str
        Where people reach the pages.
    """
    return f"{base.rstrip('/')}{PATH}?token={link.token}"


def mail_link(
    section: EmailTarget, password: str, link: Link, address: str, company: str, language: Language, now: datetime
) -> None:
    """Mail somebody their link.

    Raises
    ------
    ChurnmlError
        ``mail.failed``
    """
    say = phrases(language)
    hours = max(1, round((link.expires_at - now.astimezone(UTC)).total_seconds() / 3600))
    text = say("sign_in-mail_text", name=link.user.name, company=company, address=address, hours=hours)
    send_mail(section, password, link.user.email, say("sign_in-mail_subject", company=company), text + "\n")
