"""``churnml kpis`` on a small simulated company: the table, JSON and CSV tell the same months."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from typer.testing import CliRunner

from churnml.cli.app import app
from churnml.config import load_config
from churnml.store import Actor, Store


def churnml(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kpis")
    assert churnml("simulate", folder / "raw", "--accounts", 60, "--months", 15, "--seed", 4, "--json").exit_code == 0
    path = folder / "small.yaml"
    tables = {name: {"from": f"{name}.parquet"} for name in ("accounts", "subscriptions", "events", "surveys")}
    settings = {"name": "small", "source": {"folder": "raw"}, "tables": tables, "workspace": "workspace"}
    path.write_text(yaml.safe_dump({**settings, "label": {"churn": "contractual"}, "currency": "EUR"}))
    return path


def test_json_and_csv_hold_the_same_rows(config):
    document = json.loads(churnml("kpis", config, "--json").stdout)
    rows = document["rows"]
    assert document["currency"] == "EUR"
    assert {row["group_by"] for row in rows} == {None, "segment", "plan"}
    table = list(csv.DictReader(io.StringIO(churnml("kpis", config, "--csv").stdout)))
    assert [row["month_on"] for row in table] == [row["month_on"] for row in rows]
    assert [float(row["mrr"]) for row in table] == [row["mrr"] for row in rows]
    assert list(table[0]) == list(rows[0])
    whole = [row for row in rows if row["group_by"] is None]
    assert len(whole) == 14
    assert whole[-1]["grr_ttm"] <= min(1.0, whole[-1]["nrr_ttm"])


def test_the_table_shows_the_newest_months_and_their_groups(config):
    shown = churnml("kpis", config, "--months", 3, "--by", "industry")
    assert shown.exit_code == 0, shown.output
    assert "All accounts; amounts in EUR" in shown.stdout
    assert "By industry, 20" in shown.stdout


def test_an_attribute_that_is_not_there_names_its_neighbour(config):
    refused = churnml("kpis", config, "--by", "indutry")
    assert refused.exit_code != 0
    assert "industry" in refused.output
    assert churnml("kpis", config, "--csv", "--json").exit_code == 2


def test_what_is_published_is_what_was_shown(config):
    shown = json.loads(churnml("kpis", config, "--by", "plan", "--publish", "--json").stdout)
    with Store(load_config(config).store_url) as store:
        kept = store.key_figures("small").newest()
        assert kept.report == {name: value for name, value in shown.items() if name not in ("seconds", "peak_rss_mb")}
        assert kept.as_of.isoformat() == shown["as_of"]
        later = kept.as_of + timedelta(days=1)
        assert store.key_figures("small").keep(later, shown, Actor("test", datetime.now(UTC)))
    refused = churnml("kpis", config, "--publish")
    assert refused.exit_code != 0
    assert "a later day" in refused.output
