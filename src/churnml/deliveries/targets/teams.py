"""Microsoft Teams: one adaptive card an alert, through a workflow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from churnml.config.deliveries import TeamsTarget
from churnml.deliveries.adapter import Adapter, Context, Manner, Record, refused, sent
from churnml.deliveries.faults import Fault
from churnml.deliveries.values import shortened
from churnml.store import DeliveryOutcome

__all__ = ["Teams", "card"]

_MAX_BYTES = 28_000


class Teams(Adapter):
    """A workflow ("when a Teams webhook request is received"). It queues the card, and proves nothing."""

    topics: Mapping[str, Manner] = {"alert": Manner(repeat="never"), "run": Manner(repeat="never")}

    def __init__(self, context: Context, section: TeamsTarget) -> None:
        self.section = section
        super().__init__(context)

    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Post one card."""
        answer = self.gateway.call("POST", self.secret(self.section.webhook_url), json=card(records[0].values))
        if answer.status_code in (403, 404, 410):
            raise Fault("workflow_gone", f"the workflow is gone or off: {self.gateway.said(answer)}")
        if answer.is_success:
            return [sent()]
        return [refused("refused", self.gateway.said(answer))]


def card(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an alert as an adaptive card of version 1.5, under the 28 KB that Teams takes.

    Examples
    --------
    >>> made = card({"subject": "Acme: No use", "why": "No use for 30 days", "facts": [["Health", "35"]],
    ...              "owner": "ann", "page": "https://churnml.example/accounts/a", "button": "Open"})
    >>> made["attachments"][0]["content"]["actions"][0]["url"]
    'https://churnml.example/accounts/a'
    """
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "size": "Large", "weight": "Bolder", "wrap": True,
         "text": _plain(shortened(values["subject"], 300))},
        {"type": "TextBlock", "wrap": True, "text": _plain(shortened(values["why"], 4000))},
        {"type": "FactSet", "facts": [{"title": label, "value": value} for label, value in values["facts"]]},
        {"type": "TextBlock", "isSubtle": True, "wrap": True, "text": _plain(values["owner"])},
    ]  # fmt: skip
    content: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.5",
        "body": body,
    }  # fmt: skip
    if values["page"]:
        content["actions"] = [{"type": "Action.OpenUrl", "title": values["button"], "url": values["page"]}]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content
    }  # fmt: skip
    made = {"type": "message", "attachments": [attachment]}
    if len(json.dumps(made).encode()) > _MAX_BYTES:
        content["body"] = body[:2]
    return made


def _plain(text: str) -> str:
    """Return a text in which a name is not read as Markdown's links."""
    return text.replace("[", "\\[").replace("]", "\\]")
