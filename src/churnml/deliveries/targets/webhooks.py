"""Signed webhooks as Standard Webhooks has them, to receivers outside our own network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from churnml.config.deliveries import WebhookTarget
from churnml.config.secrets import MASK
from churnml.deliveries.adapter import Adapter, Context, Manner, Record, accepted, again
from churnml.deliveries.faults import Fault
from churnml.errors import ConfigError
from churnml.language import Text
from churnml.store import DeliveryOutcome

__all__ = ["Webhook"]

_PAUSES = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""As the convention has them: 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 hours."""
_HIDDEN = ("owner_id", "button", "at", "subject", "body", "facts")


class Webhook(Adapter):
    """One receiver. The id stays the same when a message is sent again, so that the receiver sees it once."""

    topics: Mapping[str, Manner] = dict.fromkeys(("alert", "task", "snapshot", "run"), Manner(pauses=_PAUSES))

    def __init__(self, context: Context, section: WebhookTarget) -> None:
        self.section = section
        super().__init__(context)

    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Send one message; 2xx is done, 410 ends the target, everything else is tried again."""
        record = records[0]
        values = record.values
        kind = _KINDS.get(topic) or f"{topic}.{_EVENTS.get(values['state'], values['state'])}"
        data = {name: value for name, value in values.items() if name not in _HIDDEN}
        at = values.get("at") or values.get("scored_at")
        body = json.dumps({"type": kind, "timestamp": at, "data": data}, ensure_ascii=False, separators=(",", ":"))
        message = f"msg_{record.mark}_{record.delivery.version}"
        headers = {"content-type": "application/json", **self._signed(message, body)}
        answer = self.gateway.call("POST", self.section.url, content=body.encode(), headers=headers)
        if answer.status_code == 410:
            raise Fault("gone", "the receiver wants no more webhooks (410)")
        if not answer.is_success:
            return [again(str(answer.status_code), self.gateway.said(answer))]
        return [accepted()]

    def _signed(self, message: str, body: str) -> dict[str, str]:
        try:
            from standardwebhooks import Webhook as Signature
        except ModuleNotFoundError as error:
            fault = ConfigError(Text.of("fault-webhook_extra"), code="deliver.extra")
            raise Fault("extra", f"{fault.what}. {fault.remedy}") from error
        now = self.gateway.clock()
        secret = self.secret(self.section.signing_secret)
        try:
            signature = MASK if secret == MASK else Signature(secret).sign(message, now, body)
        except ValueError as error:
            fault = ConfigError(Text.of("fault-webhook_secret"), code="deliver.secret")
            raise Fault("secret", f"{fault.what}; expected: {fault.expected}") from error
        stamp = str(int(now.timestamp()))
        return {"webhook-id": message, "webhook-timestamp": stamp, "webhook-signature": signature}


_KINDS = {"snapshot": "snapshot.published", "run": "run.finished"}
_EVENTS = {"open": "opened", "acknowledged": "acknowledged", "snoozed": "snoozed", "closed": "closed"}
