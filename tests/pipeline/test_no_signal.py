"""A company whose churn nothing foretells: the rules are used in place of the model, and every output says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.companies.command import churnml, without_plots

from churnml.registry import load_bundle
from churnml.registry.pyfunc import BundleModel
from churnml.store import Store
from churnml.training.rules import RULES

pytestmark = pytest.mark.slow  # another model is trained

ACCOUNTS, MONTHS = 180, 13
START = pd.Timestamp("2024-01-01")


def write_company(raw: Path) -> None:
    """Write evergreen contracts that end by the throw of a die, and events that know nothing of it."""
    rng = np.random.default_rng(11)
    ids = np.array([f"a{number:03d}" for number in range(ACCOUNTS)])
    months = rng.geometric(0.05, ACCOUNTS)
    ends = np.array([START + pd.DateOffset(months=int(m)) for m in np.minimum(months, 60)])
    stop = START + pd.DateOffset(months=MONTHS)
    left = np.where(ends < stop, ends, np.datetime64("NaT")).astype("datetime64[us]")
    mrr = np.round(rng.lognormal(6, 0.8, ACCOUNTS), 2)
    raw.mkdir()
    pd.DataFrame(
        {"subscription_id": ids, "account_id": ids, "started_on": START, "terminated_on": left, "mrr": mrr}
    ).to_parquet(raw / "subscriptions.parquet")
    days = pd.date_range(START, stop, inclusive="left")
    hits = rng.random((ACCOUNTS, len(days))) < 0.25
    who, when = np.nonzero(hits)
    gone = pd.Series(left).fillna(stop).to_numpy()
    keep = days.to_numpy()[when] < gone[who]
    pd.DataFrame(
        {"account_id": ids[who[keep]], "event_type": "open", "occurred_at": days[when[keep]] + pd.Timedelta(hours=9)}
    ).to_parquet(raw / "events.parquet")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("nosignal")
    write_company(folder / "raw")
    config = folder / "chance.yaml"
    settings = {
        "name": "chance",
        "source": {"folder": "raw"},
        "tables": {name: {"from": f"{name}.parquet"} for name in ("subscriptions", "events")},
        "label": {"churn": "contractual", "horizon_days": 30, "further_horizons_days": [60]},
        "splits": {"folds": 2, "test_snapshots": 2},
        "features": {"windows_days": [28], "max_event_types": 1},
        "model": {"seeds": 1, "kind": "lightgbm", "params": {"n_estimators": 20}},
    }
    config.write_text(yaml.safe_dump(settings))
    with without_plots():
        result = churnml("train", config, "--json")
    assert result.exit_code == 0, result.stderr
    scored = churnml("score", config)
    assert scored.exit_code == 0, scored.stderr
    report = json.loads(result.stdout)
    return config, {**report, "scores": config.parent / "workspace" / "scores.parquet", "printed": scored.stdout}


@pytest.fixture(scope="module")
def held(ran) -> pd.DataFrame:
    """Return the features that the snapshot was scored on, as the store kept them, in the order of the scores."""
    config, report = ran
    accounts = pd.read_parquet(report["scores"])["account_id"]
    with Store(f"sqlite:///{config.parent / 'workspace' / 'store.db'}") as store:
        snapshot = store.latest("chance")
        assert snapshot is not None
        assert snapshot.info["scored_by"] == report["scored_by"]
        rows = [store.features(snapshot.id, account) for account in accounts]
    return pd.DataFrame(rows, index=accounts, dtype="float64")


def test_the_report_says_that_the_rules_are_used_and_why(ran):
    report = ran[1]
    assert report["verdict"] == "rules_only"
    assert report["scored_by"] == report["backtest"]["best_rule"]
    losses = {name: values["log_loss"] for name, values in report["backtest"]["pooled"]["baselines"].items()}
    assert report["scored_by"] == min(set(losses) & set(RULES), key=losses.get)
    (warning,) = report["warnings"]
    assert "rules are used, not the model" in warning
    assert report["verdict_reason"] in warning
    assert report["backtest"]["verdict"]["beside"]["logistic"]["outcome"] in ("beats", "level", "loses")


def test_probability_order_and_health_are_the_rules(ran, held):
    config, report = ran
    scores = pd.read_parquet(report["scores"])
    assert set(scores["verdict"]) == {"rules_only"}
    bundle = load_bundle(Path(report["bundle"]))
    assert bundle.model.rule is not None
    assert (Path(report["bundle"]) / "model" / "fallback.json").is_file()
    expected = bundle.model.rule(held)
    assert len(expected) > 50
    assert scores["churn_probability"].to_numpy() == pytest.approx(expected, abs=1e-15)
    served = BundleModel(bundle).predict(held)
    assert served["churn_probability"].to_numpy() == pytest.approx(expected, abs=1e-15)
    learned = bundle.model.calibrated(bundle.model.log_odds(bundle.model.matrix(held)))
    assert np.abs(learned - expected).max() > 1e-3
    raw = pd.read_parquet(config.parent / "raw" / "subscriptions.parquet").set_index("account_id")
    loss = scores["churn_probability"].to_numpy() * raw["mrr"].loc[scores["account_id"]].to_numpy()
    assert (np.diff(loss) <= 0).all()
    # A further horizon goes by the same rule and is not smaller.
    assert (scores["churn_probability_60d"] >= scores["churn_probability_30d"]).all()
    assert bundle.model.horizon_models[60].rule.name == bundle.model.rule.name


def test_explanations_pages_and_the_command_line_say_so(ran):
    config, report = ran
    account = pd.read_parquet(report["scores"])["account_id"].iloc[0]
    told = json.loads(churnml("explain", config, account, "--json").stdout)
    assert told["source"] == "rules"
    assert "by a rule instead of the model" in told["summary_en"]
    assert "ルール" in told["summary_ja"]
    assert all(driver["effect_log_odds"] is None for driver in told["raising"] + told["lowering"])
    assert "made of rules alone" in churnml("explain", config, account).stdout
    for page in (("report", config, account), ("report", config, "--portfolio")):
        written = json.loads(churnml(*page, "--json").stdout)["report"]
        assert "the rules are used" in Path(written).read_text(encoding="utf-8")
    assert "The rules are used, not the model" in " ".join(report["printed"].split())
    card = (config.parent / "workspace" / "model_card.md").read_text(encoding="utf-8")
    assert "**rules only**" in card
    assert "| Scored by | the rule" in card
    assert "falls back to the rules" in card
    assert "This is the learned model; what is published comes from the rule" in card


def test_online_equals_offline(ran, held):
    from churnml.serving.scorer import Row, Scorer, features_of

    _, report = ran
    scores = pd.read_parquet(report["scores"]).head(20)
    scorer = Scorer(load_bundle(Path(report["bundle"])))
    sent = held.head(20).astype(object).where(held.head(20).notna(), None)
    rows = [
        Row({name: value for name, value in features_of(one).items() if name in scorer.names}, day.date())
        for one, day in zip(sent.to_dict("records"), scores["as_of"], strict=True)
    ]
    assert [one.churn_probability for one in scorer.score(rows)] == scores["churn_probability"].tolist()
