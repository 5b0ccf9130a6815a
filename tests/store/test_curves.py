"""Curves beside the scores: published whole, read back, forgotten and erased as the rest is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import text
from tests.companies.curves import curves_of

from churnml.config import RetentionConfig
from churnml.errors import DataError
from churnml.explain.lifetime import Lifetime
from churnml.retention.curve_columns import curve_columns
from churnml.store import Snapshot, Store, Traces
from churnml.store.packing import pack_document

Make = Callable[..., Snapshot]
_DAY = date(2024, 3, 1)


def _with_curves(made: Snapshot) -> tuple[Snapshot, dict[str, Lifetime]]:
    ids = list(made.scores["account_id"])
    nan = float("nan")
    found = curves_of(ids, made.as_of, days=[nan, *range(60, 60 + 30 * (len(ids) - 1), 30)], risk=[0.2] * len(ids))
    beside = made.scores.merge(curve_columns(found, made.as_of), on="account_id", validate="1:1")
    return replace(made, scores=beside, curves=found), {one.account_id: one for one in found}


def test_a_curve_is_read_back_and_its_numbers_stand_beside_the_score(store: Store, snapshot: Make) -> None:
    made, told = _with_curves(snapshot())
    number = store.publish(made)
    for account, curve in told.items():
        kept, score = store.curve(number, account), store.account(number, account)
        assert kept is not None
        assert score is not None
        assert kept.survival == pytest.approx(curve.survival, abs=5e-5)
        assert replace(kept, survival=(), survival_low=(), survival_high=()) == replace(
            curve, survival=(), survival_low=(), survival_high=(), value_draws=(), decision_draws=()
        )
        assert score.expected_end == curve.expected_end
        assert score.next_decision_on == curve.next_decision_on
        assert score.renewal_risk == (None if curve.renewal_risk is None else curve.renewal_risk.value)
        assert score.residual_value == (None if curve.residual_value is None else curve.residual_value.value)
        assert "renewal_risk" not in score.details
    outlooks = {one.account_id: one for one in store.outlooks("acme").of(number)}
    assert outlooks["a0"].lost_by_decision is None
    # The decision, and three months of leaving at any time.
    assert outlooks["a1"].lost_by_decision == pytest.approx(1 - 0.8 * 0.996**3)


def test_the_list_goes_by_what_is_asked_for_and_who_has_no_number_comes_last(store: Store, snapshot: Make) -> None:
    made, _ = _with_curves(snapshot())
    worth = {"a0": 10.0, "a1": 30.0, "a2": None, "a3": 20.0, "a4": 10.0}
    scores = made.scores.assign(residual_value=made.scores["account_id"].map(worth))
    number = store.publish(replace(made, scores=scores, rank_by="residual_value"))
    # The two that tie go by expected loss.
    assert [one.account_id for one in store.accounts(number).accounts] == ["a1", "a3", "a4", "a0", "a2"]


def test_a_snapshot_without_curves_has_none(store: Store, snapshot: Make) -> None:
    number = store.publish(snapshot())
    account = store.account(number, "a1")
    assert store.curve(number, "a1") is None
    assert account is not None
    assert (account.renewal_risk, account.expected_end, account.residual_value) == (None, None, None)


def test_curves_are_forgotten_with_explanations_and_their_numbers_with_scores(store: Store, snapshot: Make) -> None:
    rules = RetentionConfig(explanations_days=10, daily_days=84, weekly_days=84)
    numbers = []
    for weeks in range(4):
        made, _ = _with_curves(snapshot(_DAY + timedelta(weeks=weeks)))
        if weeks:
            # One account has left.
            curves = [one for one in made.curves if one.account_id != "a4"]
            made = replace(made, scores=made.scores[made.scores["account_id"] != "a4"], curves=curves, explanations=())
        numbers.append(store.publish(made, retention=rules))
    assert [store.curve(number, "a1") is not None for number in numbers] == [False, False, True, True]
    first = store.account(numbers[0], "a1")
    assert first is not None
    assert first.renewal_risk == pytest.approx(0.2)
    assert store.curve(numbers[0], "a4") is not None, "the last of an account that has left stays"


def test_an_erased_account_has_no_curve(store: Store, snapshot: Make) -> None:
    made, _ = _with_curves(snapshot())
    number = store.publish(made)
    subject = store.erasure("acme", Traces("a1", ["a1"]))
    held = subject.held()
    assert held["curves"][0]["body"]["account_id"] == "a1"
    assert held["scores"][0]["renewal_risk"] == pytest.approx(0.2)
    assert subject.erase("hash", made.scored_at)["curves"] == 1
    assert store.curve(number, "a1") is None
    assert store.curve(number, "a2") is not None


def test_what_fails_half_way_leaves_no_curve(store: Store, snapshot: Make) -> None:
    def broken() -> object:
        yield from _with_curves(snapshot())[0].curves
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        store.publish(replace(snapshot(), curves=broken()))
    assert store.latest("acme") is None
    with store._engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM curves")).scalar_one() == 0


@pytest.mark.parametrize("document", [{"format": 9, "account_id": "a1"}, {"format": 1, "account_id": "a1"}])
def test_a_curve_of_another_version_is_an_error_that_says_what_to_do(
    store: Store, snapshot: Make, document: dict[str, object]
) -> None:
    made, _ = _with_curves(snapshot())
    number = store.publish(made)
    with store._engine.execution_options(write=True).begin() as connection:
        connection.execute(
            text("UPDATE curves SET packed = :packed WHERE account_id = 'a1'"), {"packed": pack_document(document)}
        )
    with pytest.raises(DataError, match="cannot be read") as caught:
        store.curve(number, "a1")
    assert caught.value.code == "store.curve_format"
