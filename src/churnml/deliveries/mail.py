"""One mail over SMTP: for digests of alerts and for links by which people sign in."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from email.utils import make_msgid

from churnml.config.deliveries import EmailTarget
from churnml.config.secrets import mask_text
from churnml.deliveries.faults import Fault, Interruption, NotSent
from churnml.errors import ChurnmlError
from churnml.language import Text

__all__ = ["connected", "send_mail"]


def connected(section: EmailTarget, password: str, masked: Callable[[str], str]) -> smtplib.SMTP:
    """Return a connection to the server of a section, logged in.

    Parameters
    ----------
    section : EmailTarget
    password : str
        In the clear; not used where the section names no user.
    masked : callable
        Takes secrets out of what the server says.

    Raises
    ------
    Fault
        The server does not take the login, or not the way the connection is to be protected.
    NotSent
        Nobody answers.
    """
    try:
        if section.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                section.host, section.port, timeout=section.timeout_seconds, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(section.host, section.port, timeout=section.timeout_seconds)
        if section.security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if section.user is not None:
            server.login(section.user, password)
    except (smtplib.SMTPAuthenticationError, smtplib.SMTPNotSupportedError, ssl.SSLError) as error:
        raise Fault("login", f"reconnect: {masked(str(error))}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise NotSent("unreachable", masked(str(error))) from None
    return server


def send_mail(section: EmailTarget, password: str, to: str, subject: str, text: str) -> None:
    """Send one mail to one person.

    Raises
    ------
    ChurnmlError
        ``mail.failed``: it was not sent; the message says what the server said.
    """

    def masked(said: str) -> str:
        return mask_text(said.replace(password, "***") if password else said)

    message = EmailMessage()
    message["From"], message["To"] = section.sender, to
    message["Subject"] = " ".join(subject.split())
    message["Message-ID"] = make_msgid("churnml", "churnml.invalid")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    try:
        server = connected(section, password, masked)
        try:
            server.send_message(message)
        finally:
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
    except (Interruption, smtplib.SMTPException, OSError) as error:
        said = error.said if isinstance(error, Interruption) else masked(str(error))
        raise ChurnmlError(
            Text.of("fault-mail"), where=f"smtp://{section.host}:{section.port}", got=said, code="mail.failed"
        ) from None
