"""What customers are still worth, against sums by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnml.retention.residual import residual_value, stayers_growth
from churnml.training.survival import Curves, Forecast


def curves(monthly: float, decision: tuple[float, float] = (np.nan, np.nan), rows: int = 1) -> Curves:
    day, risk = (np.full((rows, 1), value) for value in decision)
    return Curves(day, risk, np.full((rows, 24), monthly))


def test_value_is_margin_times_the_months_paid() -> None:
    value = residual_value(Forecast(curves(0.1)), [200.0], gross_margin=0.6, yearly_discount=0.0)
    stays = 0.9 ** np.arange(200)
    paid = (stays[:-1] + stays[1:]) / 2
    assert value.within[0] == pytest.approx(120 * paid[:24].sum())
    assert value.total[0] == pytest.approx(120 * paid[:122].sum(), rel=0.01)


def test_a_wait_costs_and_growth_pays() -> None:
    plain, later, grows = (
        residual_value(Forecast(curves(0.02)), [100.0], gross_margin=1.0, **more).within[0]
        for more in (
            {"yearly_discount": 0.0},
            {"yearly_discount": 0.2},
            {"yearly_discount": 0.0, "monthly_growth": 0.01},
        )
    )
    months = np.arange(24) + 0.5
    stays = 0.98 ** np.arange(25)
    paid = (stays[:-1] + stays[1:]) / 2
    assert plain == pytest.approx(100 * paid.sum())
    assert later == pytest.approx(100 * (paid * 1.2 ** (-months * 30 / 365.25)).sum())
    assert grows == pytest.approx(100 * (paid * 1.01**months).sum())


def test_a_renewal_in_danger_costs_what_comes_after_it() -> None:
    safe, danger = (
        residual_value(Forecast(curves(0.0, (365.0, risk))), [100.0], gross_margin=1.0, yearly_discount=0.0)
        for risk in (0.0, 0.5)
    )
    assert safe.within[0] == pytest.approx(2400)
    assert danger.within[0] == pytest.approx(1200 + 25 + 50 + 550, abs=1)
    assert danger.beyond[0] < 0.5 * safe.beyond[0]


def test_intervals_lie_around_the_value_and_what_is_unknown_stays_unknown() -> None:
    forecast = Forecast(curves(0.03, rows=2), (curves(0.02, rows=2), curves(0.04, rows=2)))
    value = residual_value(forecast, [100.0, np.nan], gross_margin=0.8, yearly_discount=0.1)
    assert value.low[0] < value.total[0] < value.high[0]
    assert np.isnan([value.total[1], value.low[1], value.high[1]]).all()
    assert np.isnan(residual_value(Forecast(curves(0.03)), [1.0], gross_margin=0.8, yearly_discount=0.1).low).all()


@pytest.mark.parametrize(
    "wrong", [{"gross_margin": 1.2, "yearly_discount": 0.1}, {"gross_margin": 0.8, "yearly_discount": -1.0}]
)
def test_rates_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"gross_margin|yearly_discount"):
        residual_value(Forecast(curves(0.0)), [1.0], **wrong)


def test_growth_is_of_those_who_stay_and_knows_nothing_later() -> None:
    dates = pd.date_range("2025-01-01", periods=16, freq="MS")
    rows = pd.DataFrame(
        [(f"a{number}", day, 1000.0 * 1.02 ** (place)) for number in range(450) for place, day in enumerate(dates)],
        columns=["account_id", "as_of", "arr"],
    )
    leavers = pd.DataFrame({"account_id": "gone", "as_of": dates[:8], "arr": 10.0**9})
    day = pd.Timestamp("2026-02-01")
    found = stayers_growth(pd.concat([rows, leavers]), day)
    assert found == pytest.approx(0.9 * (1.02 ** (30 * 12 / 365) - 1), rel=0.02)
    changed = rows.assign(arr=rows["arr"].where(rows["as_of"] <= day, 1.0))
    assert stayers_growth(changed, day) == stayers_growth(rows, day)
    assert stayers_growth(rows[rows["as_of"] < "2025-03-01"], day) == 0.0
    assert stayers_growth(rows.head(0), day) == 0.0
