"""The mail digest: the open alerts of a person, or of everybody, as one text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from churnml.config.deliveries import EmailTarget
from churnml.language import Day, Text, phrases
from churnml.store import Deliveries, Wanted

__all__ = ["digests"]


def digests(
    target: EmailTarget,
    alerts: Sequence[Mapping[str, Any]],
    as_of: date,
    deliveries: Deliveries,
    name: str,
    language: str,
) -> list[Wanted]:
    """Return the mails of one day: to each owner their own alerts, to `to` all of them; none without an alert.

    Parameters
    ----------
    target : EmailTarget
    alerts : sequence of mappings
        Alerts as `churnml.deliveries.words.alert_values` tells them, the largest avoidable loss first.
    as_of : date
    deliveries : Deliveries
        Knows which digests there were already.
    name : str
        The target's name.
    language : str
    """
    lists: dict[str, list[Mapping[str, Any]]] = {address: list(alerts) for address in target.to}
    for owner, address in target.owners.items():
        own = [alert for alert in alerts if alert["owner"] == owner]
        lists.setdefault(address, []).extend(alert for alert in own if alert not in lists.get(address, []))
    lately = [as_of - timedelta(days=days) for days in range(1, target.every_days)]
    lines = []
    for address, listed in lists.items():
        earlier = [f"digest:{day.isoformat()}:{address}" for day in lately]
        today = f"digest:{as_of.isoformat()}:{address}"
        if listed and not deliveries.under(name, [today, *earlier]):
            lines.append(Wanted(today, "digest", _mail(address, listed, as_of, language)))
    return lines


def _mail(address: str, alerts: Sequence[Mapping[str, Any]], as_of: date, language: str) -> dict[str, Any]:
    say = phrases(language).text
    lines = [say(Text.of("deliver-digest", n=len(alerts), day=Day(on=as_of.isoformat()))), ""]
    for alert in alerts:
        facts = ", ".join(f"{label}: {value}" for label, value in alert["facts"])
        lines += [alert["subject"], f"  {facts}", *([f"  {alert['page']}"] if alert["page"] else []), ""]
    subject = say(Text.of("deliver-digest_subject", n=len(alerts), day=Day(on=as_of.isoformat())))
    return {"to": address, "subject": subject, "text": "\n".join(lines), "alerts": [one["alert_id"] for one in alerts]}
