"""``churnml kpis`` on a small simulated company: the table, JSON and CSV tell the same months."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
import yaml
from pydantic import TypeAdapter
from tests.companies.command import churnml

from churnml import pipeline
from churnml.config import load_config
from churnml.errors import ConfigError
from churnml.pipeline import publish_kpis
from churnml.retention import KpiReport, LifetimeValue, kpi_report
from churnml.store import Actor, Store
from churnml.tables import Tables


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kpis")
    assert churnml("simulate", folder / "raw", "--accounts", 60, "--months", 15, "--seed", 4, "--json").exit_code == 0
    path = folder / "small.yaml"
    tables = {name: {"from": f"{name}.parquet"} for name in ("accounts", "subscriptions", "events", "surveys")}
    settings = {"name": "small", "source": {"folder": "raw"}, "tables": tables, "workspace": "workspace"}
    path.write_text(yaml.safe_dump({**settings, "label": {"churn": "contractual"}, "currency": "EUR"}))
    return path


@pytest.fixture(scope="module")
def published(config):
    """What `--json --publish` prints."""
    return json.loads(churnml("kpis", config, "--publish", "--json").stdout)


def test_json_and_csv_hold_the_same_rows(config, published):
    rows = published["rows"]
    assert published["currency"] == "EUR"
    assert {row["group_by"] for row in rows} == {None, "segment", "plan", "owner"}
    table = list(csv.DictReader(io.StringIO(churnml("kpis", config, "--csv").stdout)))
    assert [row["month_on"] for row in table] == [row["month_on"] for row in rows]
    assert [float(row["mrr"]) for row in table] == [row["mrr"] for row in rows]
    more = [f"lifetime_value{end}" for end in ("", "_low", "_high", "_source")]
    assert list(table[0]) == [*rows[0], *more]
    told = {(one["group_by"] or "", one["group"] or ""): one for one in published["lifetime_values"]}
    assert {one["source"] for one in told.values()} == {"contracts"}
    newest = max(row["month_on"] for row in rows)
    for row in table:
        mine = told.get((row["group_by"], row["group"])) if row["month_on"] == newest else None
        assert row["lifetime_value_source"] == ("" if mine is None else "contracts")
        assert row["lifetime_value"] == ("" if mine is None else row["ltv"])
    whole = [row for row in rows if row["group_by"] is None]
    assert len(whole) == 14
    assert whole[-1]["grr_ttm"] <= min(1.0, whole[-1]["nrr_ttm"])


def test_curves_of_the_last_scoring_stand_in_place_of_contracts(config, tmp_path):
    settings = load_config(config, {"workspace": str(tmp_path)})
    assert {one.source for one in pipeline.kpis(settings).lifetime_values} == {"contracts"}
    assert not (tmp_path / "store.db").exists(), "KPIs need no store, and make none"
    whole = LifetimeValue(
        None, None, "curves", date(2026, 1, 1), 50, 9000.0, 8000.0, 10000.0, 450000.0, 0.4, 0.8, 0.1, 0.8
    )
    basic = replace(whole, group_by="plan", group="starter", value=100.0)
    gone = replace(whole, group_by="industry", group="retail")
    stored = TypeAdapter(tuple[LifetimeValue, ...]).dump_python((whole, basic, gone), mode="json")
    with Store(settings.store_url) as store:
        actor = Actor("test", datetime.now(UTC))
        store.key_figures("small").keep(date(2026, 1, 1), {"rows": [], "lifetime_values": stored}, actor)
    found = pipeline.kpis(settings, gross_margin=0.5)
    told = {(one.group_by, one.group): one for one in found.lifetime_values}
    assert (told[None, None], told["plan", "starter"]) == (whole, basic)
    assert ("industry", "retail") not in told
    assert {one.source for place, one in told.items() if place[0] == "segment"} == {"contracts"}
    assert {one.gross_margin for one in told.values() if one.source == "contracts"} == {0.5}
    shown = found.frame
    newest = shown[(shown["month_on"] == shown["month_on"].max()) & shown["group_by"].isna()].iloc[0]
    assert (newest["lifetime_value"], newest["lifetime_value_high"], newest["ltv"] != 9000.0) == (9000.0, 10000.0, True)


def test_the_table_shows_the_newest_months_and_their_groups(config):
    shown = churnml("kpis", config, "--months", 3, "--by", "industry")
    assert shown.exit_code == 0, shown.output
    assert "All accounts; amounts in EUR" in shown.stdout
    assert "By industry, 20" in shown.stdout
    assert "What an account is worth" in shown.stdout


def test_an_attribute_that_is_not_there_names_its_neighbour(config):
    accounts = pd.DataFrame({"account_id": ["a"], "industry": ["retail"]})
    terms = pd.DataFrame({"account_id": ["a"], "started_on": [pd.Timestamp("2026-01-01")], "mrr": [1.0]})
    with pytest.raises(ConfigError, match="industry"):
        kpi_report(
            Tables.from_pandas({"accounts": accounts, "subscriptions": terms}), currency="EUR", group_by=["indutry"]
        )
    assert churnml("kpis", config, "--csv", "--json").exit_code == 2


def test_what_is_published_is_what_was_shown(config, published):
    settings = load_config(config)
    told = {name: value for name, value in published.items() if name not in ("seconds", "peak_rss_mb")}
    report = TypeAdapter(KpiReport).validate_python(told)
    with Store(settings.store_url) as store:
        kept = store.key_figures("small").newest()
        assert kept.report == told
        assert kept.as_of.isoformat() == published["as_of"]
        assert publish_kpis(settings, report)
        later = kept.as_of + timedelta(days=1)
        assert store.key_figures("small").keep(later, told, Actor("test", datetime.now(UTC)))
    assert not publish_kpis(settings, report)


def test_a_later_day_is_not_overwritten(config, published, monkeypatch):
    del published
    report = kpi_report(
        Tables.from_pandas(
            {
                "subscriptions": pd.DataFrame(
                    {"account_id": ["a"], "started_on": [pd.Timestamp("2026-01-01")], "mrr": [1.0]}
                )
            }
        ),
        currency="EUR",
    )
    monkeypatch.setattr(pipeline, "kpis", lambda *_, **__: report)
    monkeypatch.setattr(pipeline, "publish_kpis", lambda *_: False)
    refused = churnml("kpis", config, "--publish")
    assert refused.exit_code != 0
    assert "a later day" in refused.output
