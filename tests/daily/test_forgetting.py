"""A trained company forgets: an account and its people are in no model, no artefact and no table of MLflow, ever."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from tests.companies.command import churnml
from tests.privacy.test_erase import naming

from churnml.config import load_config

pytestmark = pytest.mark.slow  # a model is trained and scored

_WORD = re.compile(rb"[\w@.+-]+")


def words_of_models(workspace: Path) -> set[str]:
    """Return every word in bundles, in MLflow's artefacts and in its database."""
    found: set[bytes] = set()
    files = [path for folder in ("models", "mlartifacts") for path in (workspace / folder).rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        found.update(_WORD.findall(path.read_bytes()))
    with sqlite3.connect(workspace / "mlflow.db") as db:
        found.update(word for line in db.iterdump() for word in _WORD.findall(line.encode()))
    return {word.decode("utf-8", "ignore").strip(".-") for word in found}


def test_what_training_leaves_names_nobody_and_an_erased_account_is_nowhere(acme: Path) -> None:
    workspace = load_config(acme).workspace_dir
    raw = acme.parent / "raw"
    events = pd.read_parquet(raw / "events.parquet", columns=["account_id", "user_id"]).dropna().drop_duplicates()
    accounts = pd.read_parquet(raw / "accounts.parquet")
    people = {*events["user_id"].astype(str), *accounts["owner"].dropna().astype(str)}
    known = {*accounts["account_id"].astype(str), *people}
    assert len(known) > 200
    words = words_of_models(workspace)
    assert "acme" in words  # they are words that would be found
    assert known & words == set()
    gone = events["account_id"].iloc[0]
    users = events.loc[events["account_id"] == gone, "user_id"].astype(str)
    assert {"tables/events.parquet", "tables/accounts.parquet"} <= naming(workspace, gone)
    done = churnml("erase", acme, "--account", gone, "--json")
    assert done.exit_code == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["left"] == []
    for word in (gone, *users[:3]):
        assert naming(workspace, word) == set(), word
