"""What if: the same account with other facts."""

from __future__ import annotations

import pytest
from tests.companies.explained import World

from churnml.assessment import Champion, WhatIf, what_if
from churnml.errors import ConfigError, UsageError


def asked(world: World, champion: Champion, row: int, **changes: float) -> WhatIf:
    return what_if(champion, world.frame.iloc[[row]], changes)


def test_what_if_scores_again(world: World, champion: Champion) -> None:
    row = int(world.frame["invoices_overdue"].to_numpy().argmax())
    found = asked(world, champion, row, invoices_overdue=0.0)
    assert found.probability_before == pytest.approx(world.scores["churn_probability"][row])
    assert found.health_before == pytest.approx(world.health["health_score"][row])
    assert found.probability_after < found.probability_before
    assert found.health_after > found.health_before
    assert found.changes["invoices_overdue"].after == 0.0
    assert found.outside == ()
    assert asked(world, champion, row, invoices_overdue=99.0).outside == ("invoices_overdue",)
    assert "active_users_trend_28d" in asked(world, champion, row, active_users_28d=12.0).linked


def test_what_if_changes_only_what_someone_can_act_on(world: World, champion: Champion) -> None:
    for name in ("tenure_days", "attr_segment"):
        with pytest.raises(UsageError, match="nobody can act"):
            asked(world, champion, 0, **{name: 1.0})
    with pytest.raises(ConfigError) as caught:
        asked(world, champion, 0, active_user_28d=1.0)
    assert "active_users_28d" in str(caught.value)
    with pytest.raises(UsageError, match="one account"):
        asked(world, champion, 0)
