"""Fields of the survival curve: what a target gets, and when it is worth writing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import get_args

from churnml.config.deliveries import CrmTarget, TableTarget, Value
from churnml.deliveries.values import KINDS, account_values, changed, mapped
from churnml.store import AccountScore, SnapshotInfo

NOW = datetime(2026, 1, 5, tzinfo=UTC)
INFO = SnapshotInfo(1, "acme", date(2026, 1, 5), NOW, NOW, "3", "0f", 1, 1.0, {})
TARGET = CrmTarget.model_validate(
    {"fields": {"Risk__c": "renewal_risk", "End__c": "expected_end", "Worth__c": "residual_value"}}
)


def _told(**curve: object) -> dict[str, object]:
    account = replace(AccountScore("a", 0.25, 41.2, "yellow", 1.0), **curve)  # type: ignore[arg-type]
    return mapped(TARGET.fields, account_values(account, INFO, None, language="en"))


def test_the_numbers_of_a_curve_are_fields_and_empty_without_one() -> None:
    told = _told(renewal_risk=0.23456, expected_end=date(2027, 3, 1), residual_value=41234.56)
    assert told == {"Risk__c": 0.235, "End__c": "2027-03-01", "Worth__c": 41235}
    assert _told() == {"Risk__c": None, "End__c": None, "Worth__c": None}


def test_a_risk_is_written_when_it_has_moved_and_the_rest_along() -> None:
    held = _told(renewal_risk=0.2, expected_end=date(2027, 3, 1), residual_value=100.0)
    near = _told(renewal_risk=0.21, expected_end=date(2027, 4, 1), residual_value=120.0)
    far = _told(renewal_risk=0.24, expected_end=date(2027, 3, 1), residual_value=100.0)
    assert not changed(TARGET, held, near, NOW, NOW)
    assert changed(TARGET, held, far, NOW, NOW)
    assert changed(TARGET, held, _told(), NOW, NOW)


def test_every_value_has_a_kind_and_a_table_that_is_there_keeps_its_columns() -> None:
    assert set(KINDS) == set(get_args(Value))
    columns = TableTarget.model_validate({"folder": "bi"}).columns_wanted()
    assert set(get_args(Value)) - set(columns) == {"renewal_risk", "expected_end", "residual_value"}
    named = TableTarget.model_validate({"folder": "bi", "columns": {"risk": "renewal_risk"}}).columns_wanted()
    assert [field.value for field in named.values()] == ["renewal_risk"]
