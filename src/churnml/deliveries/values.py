"""What a scored account is, as values that a target can hold; and whether they have changed enough to be written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from churnml.config.deliveries import CrmTarget, FieldConfig, Value
from churnml.explain.movement import trend_of
from churnml.store import AccountScore, SnapshotInfo

__all__ = ["KINDS", "Kind", "account_values", "changed", "mapped", "shortened"]

Kind = Literal["number", "text", "date", "datetime"]

KINDS: Mapping[Value, Kind] = {
    "account_id": "text", "name": "text", "health_score": "number", "band": "text", "churn_probability": "number",
    "expected_loss": "number", "arr": "number", "coverage": "number", "days_to_renewal": "number", "owner": "text",
    "segment": "text", "health_change_7d": "number", "health_change_30d": "number", "summary": "text",
    "reasons": "text", "reason_1": "text", "reason_2": "text", "reason_3": "text", "as_of": "date",
    "scored_at": "datetime", "model_version": "text", "page": "text", "renewal_risk": "number",
    "expected_end": "date", "residual_value": "number",
}  # fmt: skip
"""What each value is."""

_DIGITS = {
    "health_score": 1,
    "churn_probability": 3,
    "coverage": 3,
    "health_change_7d": 1,
    "health_change_30d": 1,
    "renewal_risk": 3,
}
_FOLLOWING = (
    "summary", "reasons", "reason_1", "reason_2", "reason_3", "as_of", "scored_at", "model_version", "page",
    "expected_loss", "coverage", "days_to_renewal", "health_change_7d", "health_change_30d",
    "expected_end", "residual_value",
)  # fmt: skip
"""Values that change with every scoring: they are written along, and never the reason to write."""


def account_values(
    account: AccountScore,
    snapshot: SnapshotInfo,
    explanation: Mapping[str, Any] | None,
    *,
    language: str,
    page_url: str | None = None,
) -> dict[str, Any]:
    """Return every value of an account, JSON-ready.

    Parameters
    ----------
    account : AccountScore
    snapshot : SnapshotInfo
    explanation : mapping or None
        As it was published.
    language : str
        Of the sentences.
    page_url : str, optional
        With ``{account_id}`` in it.

    Examples
    --------
    >>> from datetime import UTC, date
    >>> info = SnapshotInfo(1, "acme", date(2026, 1, 5), *[datetime(2026, 1, 5, tzinfo=UTC)] * 2, "3", "0f", 1, 1.0, {})
    >>> values = account_values(AccountScore("a", 0.25, 41.26, "yellow", 1.0), info, None, language="en",
    ...                         page_url="https://churnml.example/accounts/{account_id}")
    >>> values["health_score"], values["as_of"], values["page"]
    (41.26, '2026-01-05', 'https://churnml.example/accounts/a')
    """
    document = explanation or {}
    reasons = [str(reason) for reason in document.get(f"reasons_{language}") or ()]
    trend = trend_of(document)
    numbered = dict(zip(("reason_1", "reason_2", "reason_3"), [*reasons, None, None, None], strict=False))
    return {
        "account_id": account.account_id,
        "name": account.name,
        "health_score": account.health_score,
        "band": account.band,
        "churn_probability": account.churn_probability,
        "expected_loss": account.expected_loss,
        "arr": account.arr,
        "coverage": account.coverage,
        "days_to_renewal": account.days_to_renewal,
        "owner": account.owner,
        "segment": account.segment,
        "health_change_7d": trend.change_7d if trend else account.details.get("change_7d"),
        "health_change_30d": trend.change_30d if trend else account.details.get("change_30d"),
        "summary": document.get(f"summary_{language}"),
        "reasons": "; ".join(reasons) or None,
        **numbered,
        "as_of": snapshot.as_of.isoformat(),
        "scored_at": snapshot.scored_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "model_version": snapshot.model_version,
        "page": page_for(page_url, account.account_id),
        "renewal_risk": account.renewal_risk,
        "expected_end": None if account.expected_end is None else account.expected_end.isoformat(),
        "residual_value": account.residual_value,
    }


def page_for(page_url: str | None, account_id: str) -> str | None:
    """Return the address of an account's page."""
    return None if page_url is None else page_url.replace("{account_id}", quote(account_id, safe=""))


def mapped(fields: Mapping[str, FieldConfig], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values under the target's names, rounded and cut as the config says.

    Examples
    --------
    >>> fields = {"Health__c": FieldConfig(value="health_score"), "Why__c": FieldConfig(value="summary", max_length=20)}
    >>> mapped(fields, {"health_score": 41.26, "summary": "Active users fell from 14 to 5"})
    {'Health__c': 41.3, 'Why__c': 'Active users fell …'}
    """
    return {name: _fitted(field, values.get(field.value)) for name, field in fields.items()}


def _fitted(field: FieldConfig, value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        digits = _DIGITS.get(field.value, 0) if field.digits is None else field.digits
        return round(value, digits) if digits else round(value)
    if isinstance(value, str) and field.max_length is not None:
        return shortened(value, field.max_length)
    return value


def shortened(text: str, length: int) -> str:
    """Return a text cut at a word, with a sign that it was.

    Examples
    --------
    >>> shortened("Active users fell from 14 to 5", 20), shortened("利用がありません。", 5)
    ('Active users fell …', '利用があ…')
    """
    if len(text) <= length:
        return text
    head = text[: length - 1]
    at_word = head.rsplit(" ", 1)[0] if " " in head[length // 2 :] else head
    return f"{at_word} …" if at_word != head and len(at_word) + 2 <= length else f"{head.rstrip()}…"


@dataclass(frozen=True)
class _Threshold:
    points: float
    probability: float


def changed(
    target: CrmTarget,
    held: Mapping[str, Any] | None,
    wanted: Mapping[str, Any],
    held_at: datetime | None,
    now: datetime,
) -> bool:
    """Tell whether what a target holds differs enough from what it is to hold.

    The band and what people gave, such as the owner, count at any change; health and probability beyond a threshold;
    sentences, dates and amounts that move with every scoring are written along, or after `refresh_days`.

    Examples
    --------
    >>> from datetime import UTC
    >>> target = CrmTarget.model_validate({"fields": {"h": "health_score", "d": "as_of"}})
    >>> now = datetime(2026, 1, 5, tzinfo=UTC)
    >>> changed(target, {"h": 40.0, "d": "2026-01-04"}, {"h": 40.6, "d": "2026-01-05"}, now, now)
    False
    >>> changed(target, {"h": 40.0, "d": "2026-01-04"}, {"h": 38.9, "d": "2026-01-05"}, now, now)
    True
    """
    if held is None or set(held) != set(wanted):
        return True
    if held == wanted:
        return False
    if held_at is None or now - held_at >= timedelta(days=target.refresh_days):
        return True
    threshold = _Threshold(target.min_change_points, target.min_change_probability)
    return any(_moved(target.fields[name].value, held[name], wanted[name], threshold) for name in wanted)


def _moved(value: Value, before: Any, after: Any, threshold: _Threshold) -> bool:
    if before == after or value in _FOLLOWING:
        return False
    least = {
        "health_score": threshold.points,
        "churn_probability": threshold.probability,
        "renewal_risk": threshold.probability,
    }.get(value)
    if least is None or not isinstance(before, int | float) or not isinstance(after, int | float):
        return True
    return abs(after - before) >= least
