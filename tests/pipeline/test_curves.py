"""Survival curves in a training and a scoring: judged, bundled, told, and never in the way of the scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.companies.curves import curves_of
from tests.companies.renewing import FEATURES, company
from tests.pipeline.conftest import Made, Ran

from churnml.assessment import Champion
from churnml.config import load_config
from churnml.language import Text
from churnml.pipeline import survival as pipeline_survival
from churnml.pipeline.results import Prepared
from churnml.pipeline.scoring import score
from churnml.pipeline.survival import learn_survival, stacked
from churnml.registry import Provenance, load_champion, save_bundle, set_champion
from churnml.store import Store
from churnml.training.hazard import HazardModel
from churnml.training.survival_verdict import SurvivalRole, SurvivalVerdict


def test_a_history_too_short_to_judge_curves_is_a_note(ran: Ran) -> None:
    config = load_config(ran.config)
    bundle = load_champion(config.bundles_dir, config.registered_model)
    assert bundle.survival is not None
    assert bundle.survival.role is SurvivalRole.LEFT_OUT
    assert bundle.hazard is None
    assert any("No survival curves" in note for note in ran.report["notes"])
    assert bundle.manifest.backtest["survival"]["role"] == "left_out"


@pytest.fixture(scope="module")
def renewing(ran: Ran) -> Any:
    """Return a config, a training frame of a company with renewals, and a backtest's predictions of its last dates."""
    config = load_config(
        ran.config, {"label": {"churn": "contractual", "horizon_days": 90}, "model": {"kind": "logistic"}}
    )
    frame = company(500, annual=0.6, at_decision=-2.0, effect=1.2, months=30, seed=21).assign(arr=1200.0, plan="basic")
    frame["churned"] = np.where(frame["seen_days"] >= 90, (frame["ended_days"] < 90).astype(float), np.nan)
    dates = np.sort(frame.loc[frame["churned"].notna(), "as_of"].unique())[-2:]
    tested = frame[frame["as_of"].isin(dates)][["account_id", "as_of", "churned"]].assign(fold="newest", p_model=0.05)
    return config, frame, tested


def _learn(monkeypatch: pytest.MonkeyPatch, renewing: Any) -> Any:
    config, frame, tested = renewing
    monkeypatch.setattr(pipeline_survival, "stacked", lambda *_: frame)
    # The frame is drawn, and no company's contracts stand behind it.
    monkeypatch.setattr(pipeline_survival, "held_against_renewals", lambda config, prepared, judged: judged.verdict)
    return learn_survival(config, Prepared(None, FEATURES, frame, {}), tested)  # type: ignore[arg-type]


def test_curves_that_see_what_others_do_not_serve(monkeypatch: pytest.MonkeyPatch, renewing: Any) -> None:
    curves = _learn(monkeypatch, renewing)
    verdict = curves.verdict
    assert verdict.role is SurvivalRole.SERVES, verdict.reason
    assert curves.model is not None
    assert verdict.far.brier["hazard"] < min(verdict.far.brier["kaplan_meier"], verdict.far.brier["beta_geometric"])
    # The other model told everybody the same.
    assert verdict.near.not_worse
    assert type(verdict).from_dict(verdict.as_dict()) == verdict


def test_a_failure_is_a_reason_and_no_error(monkeypatch: pytest.MonkeyPatch, renewing: Any) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("no such number")

    monkeypatch.setattr(pipeline_survival, "judge_survival", broken)
    curves = _learn(monkeypatch, renewing)
    assert curves.model is None
    assert curves.verdict.role is SurvivalRole.LEFT_OUT
    assert "no such number" in str(curves.verdict.reason)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"contract_days": 30.0}, "short_terms"),
        ({"next_decision_days": np.nan}, "no_ends"),
        ({"seen_days": 100.0}, "history"),
        ({"ended_days": np.nan}, "few_lost"),
    ],
)
def test_what_the_data_cannot_tell_is_left_out(
    monkeypatch: pytest.MonkeyPatch, renewing: Any, changed: dict[str, float], code: str
) -> None:
    config, frame, tested = renewing
    reason = _learn(monkeypatch, (config, frame.assign(**changed), tested)).verdict.reason
    assert isinstance(reason, Text)
    assert reason.code == f"survival-left_out.{code}"


@pytest.mark.slow  # each scores anew
@pytest.mark.parametrize("rank_by", ["expected_loss", "avoidable_loss"])
def test_a_scoring_publishes_the_curves_and_lists_go_by_what_is_asked_for(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rank_by: str
) -> None:
    def told(self: Champion, frame: pd.DataFrame, scores: pd.DataFrame) -> Any:
        days = np.where(np.arange(len(frame)) % 3 == 0, np.nan, 100.0)
        return curves_of(
            list(frame["account_id"]),
            frame["as_of"].iloc[0].date(),
            days=days,
            risk=np.linspace(0.6, 0.05, len(frame)),
            arr=frame["arr"],
        )

    monkeypatch.setattr(Champion, "lifetimes", told)
    config = load_config(
        ran.config,
        {
            "workspace": str(tmp_path),
            "models_dir": str(ran.workspace / "models"),
            "survival": {"rank_by": rank_by},
            "alerts": {"enabled": False},
        },
    )
    scored = score(config, then=False)
    table = scored.table
    assert list(table["account_id"]) == [one["account_id"] for one in scored.explanations]
    assert table[rank_by].dropna().is_monotonic_decreasing
    with Store(config.store_url) as store:
        snapshot = store.latest(config.name)
        assert snapshot is not None
        listed = store.accounts(snapshot.id, limit=1000).accounts
        curves = {one.account_id: store.curve(snapshot.id, one.account_id) for one in listed}
        forecast = store.key_figures(config.name).newest().report["company"]["forecast"]
    assert [one.account_id for one in listed] == list(table["account_id"])
    for one in listed:
        curve = curves[one.account_id]
        assert curve is not None
        assert curve.peers is not None
        assert one.renewal_risk == (None if curve.renewal_risk is None else pytest.approx(curve.renewal_risk.value))
    # A contract that ends later than the score looks ahead counts by its curve, where it has one.
    assert 0 < sum(month["scored"] for month in forecast) <= sum(month["accounts"] for month in forecast)


@pytest.mark.slow  # curves are learnt, and an account's whole company is scored
def test_curves_that_serve_go_through_a_bundle_and_a_scoring(ran: Ran, made: Made, tmp_path: Path) -> None:
    config = load_config(
        ran.config,
        {"workspace": str(tmp_path), "models_dir": str(tmp_path / "models"), "alerts": {"enabled": False}},
    )
    learnt = stacked(config, made.prepared)
    hazard = HazardModel.of(made.prepared.feature_set, config.learning, 3).fit(learnt)
    champion = Champion.load(load_config(ran.config))
    bundle = champion.bundle
    path = save_bundle(
        config.bundles_dir,
        name=config.registered_model,
        model=bundle.model,
        health=bundle.health,
        explain=bundle.explain,
        provenance=Provenance(**{name: getattr(bundle.manifest, name) for name in Provenance.model_fields}),
        survival=SurvivalVerdict(SurvivalRole.SERVES, "served", monthly_growth=0.002),
        hazard=hazard,
    )
    set_champion(config.bundles_dir, config.registered_model, path.name)
    scored = score(config, then=False)

    assert set(scored.lifetimes) == set(scored.table["account_id"])
    chances = scored.table.set_index("account_id")["churn_probability"]
    with Store(config.store_url) as store:
        snapshot = store.latest(config.name)
        assert snapshot is not None
        for account, lifetime in scored.lifetimes.items():
            kept = store.curve(snapshot.id, account)  # four digits of each chance
            assert kept is not None
            np.testing.assert_allclose(kept.survival, lifetime.survival, rtol=0, atol=6e-5)
            assert (kept.next_decision_on, kept.expected_end) == (lifetime.next_decision_on, lifetime.expected_end)
            curve = np.array(lifetime.survival)
            assert (np.diff(np.r_[1.0, curve]) <= 1e-12).all()
            assert (np.array(lifetime.survival_low) <= curve + 1e-12).all()
            assert (curve <= np.array(lifetime.survival_high) + 1e-12).all()
            # All horizons are read off the one curve, which agrees with the probability that is published.
            for days, lost in lifetime.lost_within.items():
                assert lost == pytest.approx(1 - curve[days // 30 - 1], abs=1e-9)
            assert 1 - curve[1] == pytest.approx(chances[account], abs=1e-6)

    again = Champion.load(config)
    assert again.bundle.hazard is not hazard
    newest = learnt[learnt["as_of"] == learnt["as_of"].max()].reset_index(drop=True)
    before, read = hazard.predict_survival(newest), again.bundle.hazard.predict_survival(newest)
    np.testing.assert_allclose(read.point.monthly, before.point.monthly, rtol=0, atol=1e-12)
