"""Slack: one card an alert, by an incoming webhook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from churnml.config.deliveries import MessageTarget
from churnml.deliveries.adapter import Adapter, Context, Manner, Record, accepted, refused
from churnml.deliveries.faults import Fault, Lost
from churnml.deliveries.values import shortened
from churnml.store import DeliveryOutcome

__all__ = ["Slack", "card"]

_HEADER, _FIELD, _TEXT, _URL, _FIELDS = 150, 2000, 3000, 3000, 10
_GONE = (403, 404, 410)


class Slack(Adapter):
    """An incoming webhook. It has no ids: a message whose answer was lost is never sent twice."""

    topics: Mapping[str, Manner] = {"alert": Manner(repeat="never"), "run": Manner(repeat="never")}

    def __init__(self, context: Context, section: MessageTarget) -> None:
        self.section = section
        super().__init__(context)

    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Post one card."""
        answer = self.gateway.call("POST", self.secret(self.section.webhook_url), json=card(records[0].values))
        if answer.status_code in _GONE:
            raise Fault("hook_gone", f"the hook or its channel is gone: {self.gateway.said(answer)}")
        if not answer.is_success:
            return [refused("refused", self.gateway.said(answer))]
        if answer.text.strip() != "ok":
            raise Lost("unreadable", f"the answer is not `ok`: {self.gateway.said(answer)}")
        return [accepted()]


def card(values: Mapping[str, Any]) -> dict[str, Any]:
    r"""Return an alert as Slack's blocks: what, why, the numbers, and a button to the account.

    Examples
    --------
    >>> made = card({"subject": "A & B: No use", "why": "No use for 30 days", "facts": [["Health", "35"]],
    ...              "owner": "ann", "page": None, "button": "Open"})
    >>> made["text"], made["blocks"][2]["fields"][0]["text"]
    ('A &amp; B: No use', '*Health*\n35')
    """
    fields = [
        {"type": "mrkdwn", "text": shortened(f"*{_safe(label)}*\n{_safe(value)}", _FIELD)}
        for label, value in values["facts"][:_FIELDS]
    ]
    header = {"type": "plain_text", "text": shortened(values["subject"], _HEADER)}
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": header},
        {"type": "section", "text": {"type": "mrkdwn", "text": shortened(_safe(values["why"]), _TEXT)}},
        *([{"type": "section", "fields": fields}] if fields else []),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": shortened(_safe(values["owner"]), _FIELD)}]},
    ]
    page = values["page"]
    if page and len(page) <= _URL:
        label = {"type": "plain_text", "text": shortened(values["button"], 75)}
        blocks.append({"type": "actions", "elements": [{"type": "button", "text": label, "url": page}]})
    return {"text": _safe(values["subject"]), "blocks": blocks}


def _safe(text: str) -> str:
    """Return a text in which a name cannot become a link or call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
