"""Planes answer exactly what the ledger answers, and only where they can."""

import numpy as np
import pandas as pd
import pytest

from churnml import features
from churnml.config import Config
from churnml.errors import ConfigError
from churnml.features.events import event_stream, reading
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
    spine = pd.DataFrame(
        {"account_id": np.repeat([f"a{n}" for n in range(accounts + 2)], 8), "as_of": [*dates] * (accounts + 2)}
    )
    spine = spine.sample(frac=0.8, random_state=seed, ignore_index=True)
    return Tables.from_pandas({"events": frame}, observed_from=BEGIN.date(), observed_until=end), spine, config


@pytest.fixture
def compute(monkeypatch):
    """Compute with planes, or with the ledger only; says which of the two answered."""
    real = reading.planes_for

    def run(tables, spine, feature_set, config, *, planes=True):
        made = []

        def watched(*given):
            made.append(real(*given))
            return made[-1]

        with monkeypatch.context() as patch:
            patch.setattr(reading, "planes_for", watched)
            if not planes:
                patch.setattr(reading.EventReading, "_in_planes", False)
            return features.compute(tables, spine, feature_set, config), any(isinstance(one, Planes) for one in made)

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


def _known_late(tables, share=0.1):
    """Return the tables with a share of the events known up to 120 days late, and two of them more than a year late."""
    rng, events = np.random.default_rng(3), tables["events"].to_pandas()
    days = np.where(rng.random(len(events)) < share, rng.integers(1, 120, len(events)), 0)
    days[events["occurred_at"].to_numpy().argsort()[:2]] = 370
    # Known within the hour: some of it is after midnight.
    events["known_at"] = events["occurred_at"] + pd.to_timedelta(days * 24 + rng.random(len(events)), unit="h")
    supplied = [*tables.supplied["events"] - {"known_at"}, "known_at"]
    return Tables.from_pandas(
        {"events": events[supplied]}, observed_from=tables.observed_from, observed_until=tables.observed_until
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_planes_and_the_facts_known_late_equal_the_ledger(compute, seed):
    tables, spine, config = _company(seed)
    late = _known_late(tables)
    _same(compute, late, spine, features.catalogue(late, config), config)
    _same(compute, late, spine[spine["as_of"] == "2024-06-01"], features.catalogue(late, config), config)


@pytest.mark.parametrize("names", [("active_users_", "users_lost_", "features_used_", "longest_silence_"), LIFETIME])
def test_facts_known_late_where_time_is_cut_at_window_edges(compute, names):
    tables, spine, config = _company(1)
    late = _known_late(tables)
    some = [spec for spec in features.catalogue(late, config) if spec.name.startswith(names) and spec.kind != "peer"]
    _same(compute, late, spine, features.FeatureSet([spec for spec in some if "slope" not in spec.name]), config)


def test_facts_known_late_and_rows_with_an_as_of_of_their_own(compute):
    tables, _, config = _company(1)
    late = _known_late(tables)
    days = pd.date_range("2023-11-01", periods=420)
    spine = pd.DataFrame({"account_id": [f"a{n % 14}" for n in range(len(days))], "as_of": days})
    _same(compute, late, spine, features.catalogue(late, config), config)


def test_a_fact_known_late_counts_from_the_day_on_which_it_is_known(compute):
    tables, _, config = _company(0)
    first = pd.Timestamp("2024-06-01")
    events = pd.DataFrame(
        {  # on time; on the same day, by a user and of a kind that are only known late; over two dates
            "account_id": ["a", "a", "a", "a", "b"],
            "user_id": ["u", "u", "tardy", "tardy", "u"],
            "event_type": ["login", "login", "login", "report", "login"],
            "occurred_at": first - pd.to_timedelta([2, 2, 3, 4, 5], unit="D"),
            "known_at": first + pd.to_timedelta([-2, 1, 1, 8, 8], unit="D"),
        }
    )
    more = tables["events"].to_pandas().assign(known_at=lambda rows: rows["occurred_at"])[events.columns]
    both = Tables.from_pandas(
        {"events": pd.concat([more, events], ignore_index=True)},
        observed_from=tables.observed_from,
        observed_until=tables.observed_until,
    )
    spine = pd.DataFrame({"account_id": [*"aaabbb"], "as_of": [*(first + pd.to_timedelta([0, 7, 14], unit="D"))] * 2})
    everything = features.catalogue(both, config)
    made, by_planes = compute(both, spine, everything, config)
    assert by_planes
    counts = made[["events_28d", "active_users_28d", "features_used_28d", "active_days_28d"]]
    assert counts.iloc[:3].to_numpy().tolist() == [[1, 1, 1, 1], [3, 2, 1, 2], [4, 2, 2, 3]]
    assert counts["events_28d"].iloc[3:].tolist() == [0, 0, 1]
    _same(compute, both, spine, everything, config)


def test_where_many_facts_are_known_late_the_ledger_answers(compute):
    tables, spine, config = _company(0)
    late = _known_late(tables, share=0.4)
    some = features.FeatureSet([features.catalogue(late, config)["events_28d"]])
    _, by_planes = compute(late, spine, some, config)
    assert not by_planes


@pytest.mark.slow
@pytest.mark.parametrize("late", [None, 0.05, 0.4])
def test_what_would_not_fit_into_memory_is_made_in_parts_of_accounts(monkeypatch, late):
    tables, spine, config = _company(1)
    if late:
        tables = _known_late(tables, late)
    everything = features.catalogue(tables, config)
    whole = features.compute(tables, spine, everything, config)
    way = "roll_up" if late == 0.4 else "planes_for"
    asked, real = [], getattr(reading, way)

    def watched(tables, keys, *given, **more):
        asked.append(keys.accounts.tolist())
        return real(tables, keys, *given, **more)

    monkeypatch.setattr(reading, way, watched)
    directories, make = [], event_stream.Directory
    monkeypatch.setattr(event_stream, "Directory", lambda *given: directories.append(make(*given)) or directories[-1])
    monkeypatch.setattr(reading, "memory_limit", lambda connection: 100_000)
    pd.testing.assert_frame_equal(features.compute(tables, spine, everything, config), whole, check_exact=True)
    parts = [accounts for accounts in asked if len(accounts) < spine["account_id"].nunique()]
    assert len(parts) >= 2
    assert len(directories) == (late != 0.4)  # who and what there is in the events is read once for all parts
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
