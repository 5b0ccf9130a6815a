"""Links by which people sign in: their address, and the mail that brings them."""

from __future__ import annotations

from datetime import UTC, datetime

from churnml.config.deliveries import DeliveriesConfig, EmailTarget
from churnml.config.sign_in import SignInConfig
from churnml.deliveries.mail import send_mail
from churnml.errors import UsageError, near_name
from churnml.language import Language, phrases
from churnml.store import Link

__all__ = ["link_address", "mail_link", "mail_section"]

PATH = "/sign-in/link"


def link_address(base: str, link: Link) -> str:
    """Return the address that signs somebody in.

    Parameters
    ----------
    base : str
        Where people reach the pages.
    """
    return f"{base.rstrip('/')}{PATH}?token={link.token}"


def mail_section(sign_in: SignInConfig, deliveries: DeliveriesConfig) -> EmailTarget | None:
    """Return the SMTP server that mails links; None where there is none, or none is wanted.

    Raises
    ------
    UsageError
        `sign_in.mail` names one that there is not.
    """
    if sign_in.mail == "none" or not deliveries.emails:
        return None
    if sign_in.mail is None:
        return next(iter(deliveries.emails.values()))
    found = deliveries.emails.get(sign_in.mail)
    if found is None:
        near = near_name(sign_in.mail, deliveries.emails)
        raise UsageError(
            "There is no such entry of deliveries.emails",
            where="serving.sign_in.mail",
            got=sign_in.mail,
            expected=f"{near}?" if near else ", ".join(deliveries.emails),
            code="config.invalid",
        )
    return found


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
