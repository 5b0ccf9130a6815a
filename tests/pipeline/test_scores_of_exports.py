"""One simulated company, exported by four tools with their traps, gets the scores of its own canonical tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.companies.command import churnml, without_plots

from churnml.simulate import simulate
from churnml.simulate.exports import account_key, write_exports

pytestmark = pytest.mark.slow  # two models are trained

_OF_THE_RUN = ["model_version", "config_hash", "scored_at"]


def _scores(config: Path) -> pd.DataFrame:
    with without_plots():
        ran = churnml("run", config, "--json")
    assert ran.exit_code == 0, ran.stderr
    return pd.read_parquet(config.parent / "workspace" / "scores.parquet")


def test_scores_from_the_exports_are_the_scores_from_the_canonical_tables(tmp_path: Path) -> None:
    company = simulate(accounts=80, months=18, seed=21)
    exported = write_exports(company, tmp_path / "exports", ["salesforce", "zendesk", "stripe", "segment"])
    config: dict[str, Any] = json.loads(exported.read_text())
    raw = tmp_path / "canonical" / "raw"
    raw.mkdir(parents=True)
    for name in config["tables"]:
        company.tables[name].to_parquet(raw / f"{name}.parquet", index=False)
    config["tables"] = {name: {"from": f"{name}.parquet"} for name in config["tables"]}
    config["source"] = {"folder": "raw", "observed_until": company.end.isoformat()}
    del config["sources"], config["identities"]
    canonical = tmp_path / "canonical" / "config.json"
    canonical.write_text(json.dumps(config))

    expected = _scores(canonical).drop(columns=_OF_THE_RUN)
    expected["account_id"] = expected["account_id"].map(account_key)
    found = _scores(exported).drop(columns=_OF_THE_RUN)
    assert len(found) > 20
    pd.testing.assert_frame_equal(
        found.sort_values("account_id", ignore_index=True),
        expected.sort_values("account_id", ignore_index=True),
        check_exact=True,
    )
