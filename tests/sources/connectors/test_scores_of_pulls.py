"""A simulated company, pulled from its tools, gets the scores of canonical tables that tell as much."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.companies.command import churnml, without_plots

from churnml import pipeline
from churnml.simulate import Company, simulate
from churnml.simulate.exports import account_key

from .company import tools_of

pytestmark = pytest.mark.slow  # two models are trained

_OF_THE_RUN = ["model_version", "config_hash", "scored_at"]
_QUICK = {"model": {"seeds": 1}, "splits": {"folds": 1, "test_snapshots": 2}, "survival": {"enabled": False}}


def _scores(config: Path) -> pd.DataFrame:
    with without_plots():
        ran = churnml("run", config, "--json")
    assert ran.exit_code == 0, ran.stderr
    return pd.read_parquet(config.parent / "workspace" / "scores.parquet").drop(columns=_OF_THE_RUN)


def _known_since(company: Company, pulled_at: datetime) -> pd.DataFrame:
    """The accounts as who pulls for the first time knows them: what tools overwrite, from that moment on only."""
    accounts = company.tables["accounts"]
    newest = accounts.sort_values("known_at").groupby("account_id", as_index=False).last()
    lasting = [name for name in newest if name in ("account_id", "name", "industry", "country", "created_on")]
    first = newest[lasting].assign(known_at=newest["created_on"])
    now = newest.assign(known_at=pd.Timestamp(pulled_at).tz_convert(None))
    return pd.concat([first, now], ignore_index=True)


def test_scores_of_pulled_data_are_the_scores_of_the_canonical_tables(tmp_path: Path) -> None:
    company = simulate(accounts=90, months=18, seed=21)
    pulled_at = datetime.combine(company.end, datetime.min.time(), UTC) - timedelta(hours=1)
    settings, _, ways = tools_of(company, tmp_path / "tools", rest=True, until=company.end.isoformat())
    file = tmp_path / "tools" / "acme.json"
    config: dict[str, Any] = json.loads(file.read_text()) | _QUICK
    file.write_text(json.dumps(config))
    assert pipeline.pull(settings, clock=lambda: pulled_at, transports=ways).complete
    found = _scores(file)

    raw = tmp_path / "canonical" / "raw"
    raw.mkdir(parents=True)
    for name in config["tables"]:
        frame = _known_since(company, pulled_at) if name == "accounts" else company.tables[name]
        frame.to_parquet(raw / f"{name}.parquet", index=False)
    config["tables"] = {name: {"from": f"{name}.parquet"} for name in config["tables"]}
    config["source"] = {"folder": "raw", "observed_until": company.end.isoformat()}
    for section in ("sources", "identities", "secrets_file"):
        del config[section]
    (tmp_path / "canonical" / "config.json").write_text(json.dumps(config))
    expected = _scores(tmp_path / "canonical" / "config.json")
    expected["account_id"] = expected["account_id"].map(account_key)

    assert len(found) > 20
    pd.testing.assert_frame_equal(
        found.sort_values("account_id", ignore_index=True),
        expected.sort_values("account_id", ignore_index=True),
        check_exact=True,
    )
