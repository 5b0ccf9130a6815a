"""Mail: a digest of the open alerts, over SMTP."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from email.message import EmailMessage

from churnml.config.deliveries import EmailTarget
from churnml.deliveries.adapter import Adapter, Context, Finding, Manner, Record, accepted, again, refused
from churnml.deliveries.faults import Lost, NotSent
from churnml.deliveries.gateway import Request
from churnml.deliveries.mail import connected
from churnml.store import DeliveryOutcome

__all__ = ["Email"]


class Email(Adapter):
    """One SMTP server. A mail whose answer was lost is never sent twice."""

    topics: Mapping[str, Manner] = {"digest": Manner(repeat="never"), "run": Manner(repeat="never")}

    def __init__(self, context: Context, section: EmailTarget) -> None:
        self.section = section
        super().__init__(context)

    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Send one mail."""
        record, section = records[0], self.section
        values = record.values
        message = EmailMessage()
        message["From"] = section.sender
        message["To"] = values["to"]
        message["Subject"] = " ".join(values["subject"].split())
        message["Message-ID"] = f"<{record.mark}.{record.delivery.version}@churnml.invalid>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(values["text"])
        headers = {"to": values["to"], "subject": str(message["Subject"])}
        self.gateway.show(Request("SMTP", f"smtp://{section.host}:{section.port}", headers, values["text"]))
        server = connected(section, self.secret(section.password) if section.user else "", self.gateway.masked)
        try:
            server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            return [self._said(code, said)]
        except smtplib.SMTPResponseException as error:
            return [self._said(error.smtp_code, error.smtp_error)]
        except (smtplib.SMTPException, OSError) as error:
            raise Lost("no_answer", self.gateway.masked(str(error))) from None
        finally:
            server.close()
        return [accepted()]

    def check(self) -> Iterator[Finding]:
        """Connect and log in, as a mail would; none is sent."""
        section = self.section
        where = f"{section.host}:{section.port}"
        self.gateway.show(Request("SMTP", f"smtp://{where}", {}, None))
        try:
            server = connected(section, self.secret(section.password) if section.user else "", self.gateway.masked)
        except NotSent as error:
            yield self.finding(False, f"{where} does not answer: {error.said}", "Correct host, port or security.")
            return
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
        how = f"takes the login of {section.user}" if section.user else "answers"
        yield self.finding(
            True, f"{where} {how}; whether it takes the sender and the addresses shows with the first mail"
        )

    def _said(self, code: int, said: bytes | str) -> DeliveryOutcome:
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        words = self.gateway.masked(f"{code} {text}")
        return again("later", words) if 400 <= code < 500 else refused("refused", words)
