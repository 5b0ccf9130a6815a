"""Planes answer exactly what the ledger answers, and only where they can."""

import numpy as np
import pandas as pd
import pytest

from churnml import features
from churnml.config import Config
from churnml.errors import ConfigError
from churnml.features.events import reading
from churnml.features.events.planes import Planes
from churnml.tables import Tables

BEGIN = pd.Timestamp("2023-11-15")
KINDS = ["login", "report", "Export", "export!", "rare"]


def _company(seed, days=400, events=3000, accounts=12):
    rng = np.random.default_rng(seed)
    moment = BEGIN + pd.to_timedelta(rng.integers(0, days * 24, events), unit="h")
    frame = pd.DataFrame(
        {
            "account_id": [f"a{n}" for n in rng.integers(0, accounts, events)],
            "user_id": np.where(rng.random(events) < 0.1, None, [f"u{n}" for n in rng.integers(0, 9, events)]),
            "event_type": rng.choice(
                ["login", "report", "Export", "export!", "rare"], events, p=[0.4, 0.3, 0.15, 0.1, 0.05]
            ),
            "occurred_at": moment,
        }
    )
    if seed % 2:
        frame["event_count"] = rng.integers(0, 4, events)
        frame["value"] = np.where(frame["event_type"] == "report", rng.integers(1, 9, events) / 4, None).astype(float)
    config = Config.model_validate(
        {
            "name": "planes",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {"events": {"from": "events"}},
            "features": {"windows_days": [7, 28, 91], "core_features": ["report"]},
        }
    ).features
    end = (BEGIN + pd.Timedelta(days=days)).date()
    dates = pd.date_range("2024-02-01", periods=8, freq="MS")
    spine = pd.DataFrame({"account_id": np.repeat([f"a{n}" for n in range(accounts + 2)], 8), "as_of": [*dates] * 14})
    spine = spine.sample(frac=0.8, random_state=seed, ignore_index=True)
    return Tables.from_pandas({"events": frame}, observed_from=BEGIN.date(), observed_until=end), spine, config


@pytest.fixture
def compute(monkeypatch):
    """Compute with planes, or with the ledger only; says which of the two answered."""
    real, made = reading.planes_for, []

    def run(tables, spine, feature_set, config, *, planes=True):
        def watched(*given):
            made.append(real(*given) if planes else None)
            return made[-1]

        with monkeypatch.context() as patch:
            patch.setattr(reading, "planes_for", watched)
            return features.compute(tables, spine, feature_set, config), isinstance(made[-1], Planes)

    return run


def _same(compute, tables, spine, feature_set, config):
    fast, by_planes = compute(tables, spine, feature_set, config)
    slow, by_ledger = compute(tables, spine, feature_set, config, planes=False)
    assert by_planes
    assert not by_ledger
    pd.testing.assert_frame_equal(fast, slow, check_exact=True)


@pytest.mark.parametrize("seed", [0, 1])
def test_planes_by_day_equal_the_ledger(compute, seed):
    tables, spine, config = _company(seed)
    _same(compute, tables, spine, features.catalogue(tables, config), config)


@pytest.mark.parametrize("seed", [0, 1])
def test_planes_cut_at_window_edges_equal_the_ledger(compute, seed):
    tables, spine, config = _company(seed)
    names = ("events_", "active_users_", "users_lost_", "features_used_", "active_days_", "longest_silence_", "logins_")
    some = [spec for spec in features.catalogue(tables, config) if spec.name.startswith(names) and spec.kind != "peer"]
    _same(compute, tables, spine, features.FeatureSet([spec for spec in some if "slope" not in spec.name]), config)


LIFETIME = ("lifetime_", "mean_gap", "gap_variation", "silence_in_usual", "days_since_last_event", "events_7d")


@pytest.mark.parametrize("seed", [0, 1])
def test_what_lies_before_the_first_cut_counts_in_lifetime_measures(compute, seed):
    tables, spine, config = _company(seed)
    some = [spec for spec in features.catalogue(tables, config) if spec.name.startswith(LIFETIME)]
    assert len(some) >= 7
    _same(compute, tables, spine, features.FeatureSet(some), config)


def test_rows_with_an_as_of_of_their_own(compute):
    tables, _, config = _company(1)
    days = pd.date_range("2023-11-01", periods=420)
    spine = pd.DataFrame({"account_id": [f"a{n % 14}" for n in range(len(days))], "as_of": days})
    _same(compute, tables, spine, features.catalogue(tables, config), config)


def test_facts_known_late_go_to_the_ledger_unless_all_rows_have_one_as_of(compute):
    tables, spine, config = _company(2)
    events = tables["events"].to_pandas()
    lateness = np.random.default_rng(3).integers(0, 60, len(events))
    events["known_at"] = events["occurred_at"] + pd.to_timedelta(np.where(lateness < 40, 0, lateness), unit="D")
    late = Tables.from_pandas(
        {"events": events[["account_id", "user_id", "event_type", "occurred_at", "known_at"]]},
        observed_from=tables.observed_from,
        observed_until=tables.observed_until,
    )
    everything = features.catalogue(late, config)
    _, by_planes = compute(late, spine, everything, config)
    assert not by_planes
    _same(compute, late, spine[spine["as_of"] == "2024-06-01"], everything, config)


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True])
def test_what_would_not_fit_into_memory_is_made_in_parts_of_accounts(monkeypatch, late):
    tables, spine, config = _company(1)
    if late:
        tables = _grown(tables, pd.DataFrame())  # with known_at over several dates: the ledger answers
    everything = features.catalogue(tables, config)
    whole = features.compute(tables, spine, everything, config)
    asked, real = [], reading.roll_up if late else reading.planes_for

    def watched(tables, keys, *given, **more):
        asked.append(keys.accounts.tolist())
        return real(tables, keys, *given, **more)

    monkeypatch.setattr(reading, "roll_up" if late else "planes_for", watched)
    monkeypatch.setattr(reading, "memory_limit", lambda connection: 100_000)
    pd.testing.assert_frame_equal(features.compute(tables, spine, everything, config), whole, check_exact=True)
    parts = [accounts for accounts in asked if len(accounts) < spine["account_id"].nunique()]
    assert len(parts) >= 2
    assert sorted({account for part in parts for account in part}) == sorted(spine["account_id"].unique())


def test_no_event_at_all(compute):
    tables, spine, config = _company(0)
    everything = features.catalogue(tables, config)
    events = tables["events"]
    none = _with_events(tables, events.filter(events.account_id == "nobody"), tables.supplied["events"])
    _same(compute, none, spine, everything, config)


def test_data_that_no_longer_say_who_acted_are_refused():
    tables, spine, config = _company(0)
    everything = features.catalogue(tables, config)
    nameless = _with_events(tables, tables["events"], tables.supplied["events"] - {"user_id"})
    with pytest.raises(ConfigError, match="active_users_7d"):
        features.compute(nameless, spine, everything, config)


def _with_events(tables, events, supplied):
    return Tables(
        {**tables.expressions, "events": events},
        tables.connection,
        tables.observed_from,
        tables.observed_until,
        {**tables.supplied, "events": supplied},
    )


def _grown(tables, extra):
    """Return the tables with further events, and with `known_at` in all of them."""
    before = tables["events"].to_pandas()[["account_id", "user_id", "event_type", "occurred_at"]]
    events = pd.concat([before.assign(known_at=before["occurred_at"]), extra], ignore_index=True)
    return Tables.from_pandas(
        {"events": events}, observed_from=tables.observed_from, observed_until=tables.observed_until
    )


@pytest.mark.slow
@pytest.mark.parametrize(("days", "reaching_back"), [(0, False), (1, False), (40, False), (1, True)])
def test_kept_planes_and_the_news_equal_a_rebuild(days, reaching_back):
    tables, spine, config = _company(0)
    kept_until, as_of = pd.Timestamp("2024-06-01"), pd.Timestamp("2024-06-01") + pd.Timedelta(days=days)
    news = pd.DataFrame(
        {  # a new account, a new user, a new kind, a known user on a known day, and a fact from long ago
            "account_id": ["new", "a1", "a1", "a2", "a3", "a3"],
            "user_id": ["u1", "brandnew", "u1", "u2", None, "u3"],
            "event_type": ["login", "report", "Unheard Of", "login", "report", "login"],
            "occurred_at": kept_until + pd.to_timedelta([1, 2, 3, -20, -200, -700], unit="h"),
            "known_at": kept_until + pd.to_timedelta([5, 6, 7, 8, 9, 10], unit="h"),
        }
    )
    if reaching_back:  # behind the first cut of the planes
        news.loc[len(news)] = ["a1", "u1", "login", kept_until - pd.Timedelta(days=600), kept_until]
    grown = _grown(tables, news)
    everything = features.catalogue(grown, config)
    kept = features.lay_out_events(grown, everything, config, kept_until.date())
    rows = pd.DataFrame({"account_id": [*spine["account_id"].unique(), "new", "never seen"], "as_of": as_of})
    rebuilt = features.compute(grown, rows, everything, config)
    pd.testing.assert_frame_equal(
        features.compute(grown, rows, everything, config, planes=kept), rebuilt, check_exact=True
    )
    assert days == 0 or rebuilt.loc[rows["account_id"] == "new", "logins_91d"].item() == 1


def test_with_kept_planes_the_history_is_not_read():
    tables, spine, config = _company(0)
    everything = features.catalogue(tables, config)
    as_of = pd.Timestamp("2024-06-02")
    kept = features.lay_out_events(tables, everything, config, as_of.date() - pd.Timedelta(days=1))
    events = tables["events"]
    news_only = _with_events(tables, events.filter(events.occurred_at >= "2024-06-01"), tables.supplied["events"])
    rows = pd.DataFrame({"account_id": spine["account_id"].unique(), "as_of": as_of})
    pd.testing.assert_frame_equal(
        features.compute(news_only, rows, everything, config, planes=kept),
        features.compute(tables, rows, everything, config),
        check_exact=True,
    )


def test_kept_planes_serve_a_month_back_where_nothing_is_known_late():
    tables, spine, config = _company(0)
    everything = features.catalogue(tables, config)
    kept = features.lay_out_events(tables, everything, config, pd.Timestamp("2024-06-01").date())
    rows = pd.DataFrame({"account_id": spine["account_id"].unique(), "as_of": pd.Timestamp("2024-05-04")})
    rebuilt = features.compute(tables, rows, everything, config)
    nothing = _with_events(tables, tables["events"].limit(0), tables.supplied["events"])
    pd.testing.assert_frame_equal(
        features.compute(nothing, rows, everything, config, planes=kept), rebuilt, check_exact=True
    )


def test_kept_planes_do_not_serve_earlier_dates_or_wider_windows():
    tables, _, config = _company(0)
    everything = features.catalogue(tables, config)
    short = features.FeatureSet([spec for spec in everything if spec.name in ("events_7d", "active_days_7d")])
    kept = features.lay_out_events(tables, short, config, pd.Timestamp("2024-06-01").date())
    earlier = pd.DataFrame({"account_id": ["a1"], "as_of": pd.to_datetime(["2024-03-01"])})
    later = earlier.assign(as_of=pd.Timestamp("2024-06-05"))
    for rows, asked in ((earlier, short), (later, everything)):
        pd.testing.assert_frame_equal(
            features.compute(tables, rows, asked, config, planes=kept), features.compute(tables, rows, asked, config)
        )
