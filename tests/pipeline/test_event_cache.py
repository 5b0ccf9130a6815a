"""Events kept laid out on disk: what comes back is what was kept, and scoring with it changes no digit."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from churnml import features
from churnml.assessment import Champion
from churnml.config import load_config
from churnml.features.event_cache import cached_events, events_until, keep_events
from churnml.pipeline import check, score


@pytest.fixture(scope="module")
def small(company):
    config = load_config(company)
    tables = check(config).loaded.tables
    return config, tables, features.catalogue(tables, config.features)


def test_what_was_kept_comes_back(small, tmp_path):
    config, tables, everything = small
    until = tables.observed_until - timedelta(days=10)
    made = keep_events(tmp_path, tables, everything, config, until)
    back = cached_events(tmp_path, config, tables.observed_until)
    assert back.layout == made.layout
    for ours, theirs in zip(made.parts(), back.parts(), strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert np.array_equal(np.asarray(ours[name]), np.asarray(theirs[name])), name


def test_only_events_from_before_the_date_and_of_the_same_origin_serve(small, tmp_path):
    config, tables, everything = small
    keep_events(tmp_path, tables, everything, config, date(2025, 6, 1))
    assert cached_events(tmp_path, config, date(2025, 5, 31)) is None
    assert cached_events(tmp_path, config, date(2025, 6, 1)) is not None
    elsewhere = config.model_copy(update={"source": config.source.model_copy(update={"folder": tmp_path})})
    assert cached_events(tmp_path, elsewhere, date(2025, 6, 1)) is None


def test_a_half_written_layout_is_never_found(small, tmp_path, monkeypatch):
    config, tables, everything = small

    def interrupted(*_given):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        keep_events(tmp_path, tables, everything, config, tables.observed_until)
    assert list(tmp_path.iterdir()) == []


def test_old_ones_are_laid_out_anew(small, tmp_path):
    config, tables, everything = small
    config = config.model_copy(update={"workspace": tmp_path})
    until = tables.observed_until
    first = events_until(config, tables, everything, until - timedelta(days=40))
    again = events_until(config, tables, everything, until - timedelta(days=20))
    anew = events_until(config, tables, everything, until)
    assert first.until == again.until < anew.until
    assert len(list((tmp_path / "events").iterdir())) == 1


@pytest.mark.slow
def test_scoring_with_kept_events_changes_no_digit(ran, tmp_path):
    config = load_config(ran.config)
    engine = config.engine.model_copy(update={"keep_events": True})
    ours = config.model_copy(update={"workspace": tmp_path, "models_dir": config.bundles_dir, "engine": engine})
    expected = pd.read_parquet(ran.workspace / "scores.parquet")
    columns = ["account_id", "as_of", "churn_probability", "health_score", "coverage"]
    tables = check(ours).loaded.tables
    asked = Champion.load(ours).model.features
    events_until(ours, tables, asked, tables.observed_until)  # laid out here, read back by the scoring
    scored = score(ours)
    pd.testing.assert_frame_equal(pd.read_parquet(scored.path)[columns], expected[columns], check_exact=True)
    assert len(list((tmp_path / "events").iterdir())) == 1
