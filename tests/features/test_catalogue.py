"""The catalogue: names, words, what is off and why, the user's own features, the page of docs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churnml import features
from churnml.config import Config
from churnml.errors import ConfigError, DataError
from churnml.language import render
from churnml.tables import Tables

ROOT = Path(__file__).parents[2]
DAY = pd.Timestamp("2026-03-01")


def _config(tables, **chosen):
    return Config.model_validate(
        {
            "name": "tiny",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {name: {"from": name} for name in tables},
            "features": {"windows_days": [7, 28], **chosen},
        }
    ).features


def _tables(**frames):
    events = pd.DataFrame(
        {
            "account_id": ["a", "a", "b"],
            "event_type": ["Create Lead", "create_lead", "売上 登録"],
            "occurred_at": pd.to_datetime(["2026-02-20 10:00", "2026-02-21 11:00", "2026-02-22 00:00"]),
        }
    )
    return Tables.from_pandas({"events": events, **frames}, observed_until=pd.Timestamp("2026-04-01").date())


def _tickets(**more):
    return pd.DataFrame(
        {
            "account_id": ["a", "a", "b"],
            "ticket_id": ["1", "2", "3"],
            "opened_at": pd.to_datetime(["2026-02-23", "2026-02-27", "2026-02-27"]),
            "category": ["billing", "billing", "bug"],
            **more,
        }
    )


def test_docs_page_is_current():
    assert (ROOT / "docs" / "features.md").read_text(encoding="utf-8") == features.reference_markdown()


def test_every_feature_has_words_in_every_language():
    for spec in features.reference_catalogue():
        for language, stop in (("en", "."), ("ja", "。")):
            said = [render(text, language) for text in (spec.label, spec.description, spec.missing)]
            assert all(said), spec.name
            assert said[1].endswith(stop), spec.name
            assert "{" not in "".join(said), spec.name
        assert spec.family in features.FAMILIES
        assert spec.unit or spec.categorical, spec.name
        if spec.window_days:
            assert spec.name.endswith(f"_{spec.window_days}d")


def test_the_reference_company_covers_every_family():
    assert {spec.family for spec in features.reference_catalogue()} == set(features.FAMILIES)


def test_what_is_not_supplied_is_off_and_says_why():
    tables = _tables(tickets=_tickets())
    config = _config(["events", "tickets"])
    names = features.catalogue(tables, config).names
    assert "events_28d" in names
    assert "active_users_28d" not in names
    off = features.skipped(tables, config)
    assert str(off["active_users"]) == "`events` has no `user_id`"
    assert str(off["mrr"]) == "there is no table `subscriptions`"
    assert str(off["tickets_open"]) == "`tickets` has no `solved_at`"


def test_a_measure_that_may_do_harm_is_off_unless_the_config_names_it():
    tables = _tables()
    assert "cohort_month" not in features.catalogue(tables, _config(["events"]))
    assert str(features.skipped(tables, _config(["events"]))["cohort_month"]) == "off unless `features.extra` names it"
    config = _config(["events"], extra=["cohort_month"])
    catalogue = features.catalogue(tables, config)
    made = features.compute(tables, pd.DataFrame({"account_id": ["a"], "as_of": [DAY]}), catalogue, config)
    assert made["cohort_month"].tolist() == [26 * 12 + 1]
    # A catalogue that holds it, e.g. of a bundle, is made whatever the config says now.
    again = features.compute(tables, made[["account_id", "as_of"]], catalogue, _config(["events"]))
    assert again["cohort_month"].tolist() == made["cohort_month"].tolist()


def test_kinds_with_one_slug_are_one_kind_and_words_may_be_japanese():
    tables = _tables()
    config = _config(["events"])
    feature_set = features.catalogue(tables, config)
    assert "events_of_売上_登録_7d" in feature_set
    frame = features.compute(tables, pd.DataFrame({"account_id": ["a", "b"], "as_of": [DAY, DAY]}), feature_set, config)
    assert frame["events_of_create_lead_28d"].tolist() == [2.0, 0.0]


def test_families_and_globs_choose():
    tables = _tables()
    names = features.catalogue(tables, _config(["events"], families=["adoption"], exclude=["*_7d"])).names
    assert "features_used_28d" in names
    assert not [name for name in names if name.endswith("_7d") or name.startswith("events")]


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"families": ["adopton"]}, "adoption"),
        ({"core_features": ["create_leed"]}, "create_lead"),
        ({"exclude": ["*"]}, "No feature is left"),
        ({"extra": ["cohort_mont"]}, "cohort_month"),
        ({"attributes": ["industry"]}, "no attribute"),
        ({"modules": ["no_such_module_of_mine"]}, "cannot be imported"),
    ],
)
def test_a_wrong_choice_is_refused_with_the_near_name(chosen, says):
    with pytest.raises(ConfigError, match=says):
        features.catalogue(_tables(), _config(["events"], **chosen))


def test_a_changing_attribute_without_history_is_refused():
    accounts = pd.DataFrame({"account_id": ["a"], "segment": ["smb"], "industry": ["steel"]})
    tables = _tables(accounts=accounts)
    with pytest.raises(ConfigError) as caught:
        features.catalogue(tables, _config(["events", "accounts"], attributes=["segment"]))
    assert caught.value.code == "CHK110"
    assert "attr_industry" in features.catalogue(tables, _config(["events", "accounts"], attributes=["industry"]))
    with pytest.raises(ConfigError) as caught:
        features.catalogue(tables, _config(["events", "accounts"], peer_by="segment"))
    assert caught.value.code == "CHK110"


def test_peers_are_ranked_with_ties_at_their_middle_and_small_groups_among_all():
    count = [0, 1, 1, 2, 5, 9]
    rows = [("p" if n < 5 else "q", f"a{n}") for n in range(6)]
    events = pd.DataFrame(
        [(f"a{n}", "x", DAY - pd.Timedelta(days=1)) for n in range(6) for _ in range(count[n])],
        columns=["account_id", "event_type", "occurred_at"],
    )
    plans = pd.DataFrame(
        [(account, plan, "2026-01-01", account) for plan, account in rows],
        columns=["account_id", "product", "started_on", "subscription_id"],
    )
    tables = Tables.from_pandas(
        {"events": events, "subscriptions": plans},
        observed_from=pd.Timestamp("2026-01-01").date(),
        observed_until=pd.Timestamp("2026-04-01").date(),
    )
    config = _config(["events", "subscriptions"])
    spine = pd.DataFrame({"account_id": [f"a{n}" for n in range(6)], "as_of": DAY})
    frame = features.compute(tables, spine, features.catalogue(tables, config), config)
    assert frame["events_percentile"].tolist() == pytest.approx([0.1, 0.4, 0.4, 0.7, 0.9, 11 / 12])
    assert frame["plan"].tolist() == list("pppppq")


OWN = '''
from churnml.features import feature


@feature("billing_tickets", "support", "tickets", table="tickets", needs=("category",), empty=0.0, windows=(7, 5))
def billing_tickets(rows):
    """Billing tickets in {w} days."""
    return (rows.category == "billing").sum()


@feature("billing_share", "support", "share")
def billing_share(frame):
    return frame["billing_tickets_7d"] / frame["tickets_opened_7d"].where(frame["tickets_opened_7d"] > 0)
'''


def test_own_features_come_from_a_file_that_the_config_names(tmp_path):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    tables = _tables(tickets=_tickets())
    config = _config(["events", "tickets"], modules=[str(tmp_path / "own.py")])
    feature_set = features.catalogue(tables, config)
    assert {"billing_tickets_7d", "billing_tickets_5d", "billing_share"} <= set(feature_set.names)
    spine = pd.DataFrame({"account_id": ["a", "b", "nobody"], "as_of": DAY})
    frame = features.compute(tables, spine, feature_set, config)
    assert frame["billing_tickets_7d"].tolist() == [2.0, 0.0, 0.0]
    assert frame["billing_tickets_5d"].tolist() == [1.0, 0.0, 0.0]
    assert frame["billing_share"].tolist()[:2] == [1.0, 0.0]
    assert np.isnan(frame["billing_share"].iloc[2])


def test_a_catalogue_of_other_tables_is_refused():
    tables = _tables(tickets=_tickets())
    config = _config(["events", "tickets"])
    wanted = features.catalogue(tables, config)
    with pytest.raises(ConfigError, match="cannot be made"):
        features.compute(_tables(), pd.DataFrame({"account_id": ["a"], "as_of": [DAY]}), wanted, config)


def test_an_as_of_at_noon_is_refused():
    config = _config(["events"])
    spine = pd.DataFrame({"account_id": ["a"], "as_of": [DAY + pd.Timedelta(hours=12)]})
    with pytest.raises(DataError, match="not at midnight"):
        features.compute(_tables(), spine, features.catalogue(_tables(), config), config)


def test_an_empty_spine_gives_the_columns():
    config = _config(["events"])
    feature_set = features.catalogue(_tables(), config)
    frame = features.compute(_tables(), pd.DataFrame({"account_id": [], "as_of": []}), feature_set, config)
    assert list(frame.columns) == ["account_id", "as_of", *feature_set.names]


def test_a_catalogue_of_an_earlier_version_keeps_its_words():
    spec = features.reference_catalogue()["active_users_28d"]
    said = {"label_en": "users", "label_ja": "利用者", "description_en": "D.", "description_ja": "説明。"}
    plain = {name: value for name, value in spec.as_dict().items() if name not in ("label", "description")}
    for gap in ({"missing": "none", "missing_ja": "なし"}, {"missing": "none"}):
        (read,) = features.FeatureSet.from_dicts([{**plain, **said, **gap}])
        assert [render(read.label, language) for language in ("en", "ja")] == ["users", "利用者"]
        assert render(read.missing, "ja") == gap.get("missing_ja", "none")
    (again,) = features.FeatureSet.from_dicts([spec.as_dict()])
    assert again == spec
