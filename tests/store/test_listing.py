"""Lists of accounts for people: search, filters, order, counts, and what was set by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from churnml.store import SORTS, Actor, ListFilter, Snapshot, Store

_NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
_ANN = Actor("user:1", _NOW)


@pytest.fixture
def listed(store: Store) -> tuple[Store, int, int]:
    return _listed(store)


@pytest.fixture(scope="module")
def only_read(new_store: Callable[[], str]) -> Iterator[tuple[Store, int, int]]:
    """The same for tests that write nothing."""
    with Store(new_store()) as store:
        yield _listed(store)


def _listed(store: Store) -> tuple[Store, int, int]:
    """Publish a week-old snapshot and today's, of five accounts."""
    frame = pd.DataFrame(
        {
            "account_id": ["a1", "a2", "a3", "a4", "a5"],
            "name": ["Acme テクノ", "株式会社カナダ", "ＯＲＩＯＮ 50%_off", None, "Zeta"],
            "churn_probability": [0.5, 0.4, 0.3, 0.2, 0.1],
            "health_score": [20.0, 45.0, 60.0, None, 90.0],
            "band": ["red", "yellow", "yellow", "unknown", "green"],
            "coverage": 1.0,
            "arr": [1000.0, 500.0, 400.0, None, 100.0],
            "owner": ["ann", "ann", "bob", None, "bob"],
            "segment": ["smb", "smb", "enterprise", None, "smb"],
            "plan": ["Pro", "Basic", "Pro", None, "Basic"],
            "phase": ["renewal", "utilisation", "adoption", "onboarding", "utilisation"],
            "contract_ends_on": pd.to_datetime(["2026-03-20", "2026-09-01", None, None, "2026-05-31"]),
            "change_30d": [-20.0, 3.0, None, None, 0.0],
        }
    )
    ids = []
    for days, bands in ((7, ["yellow", "yellow", "green", "unknown", "green"]), (0, frame["band"])):
        as_of = date(2026, 3, 1) - timedelta(days=days)
        scores = frame.assign(band=bands)
        ids.append(store.publish(Snapshot("acme", as_of, _NOW, "1", "0f", scores)))
    return store, ids[0], ids[1]


def _ids(listed: tuple[Store, int, int], where: ListFilter, **order: object) -> list[str]:
    store, _, newest = listed
    page = store.lists("acme").accounts(newest, date(2026, 3, 1), where, _NOW, **order)  # type: ignore[arg-type]
    assert page.total == len(page.lines)
    return [line.account.account_id for line in page.lines]


@pytest.mark.parametrize(
    ("text", "found"),
    [("acme", ["a1"]), ("ACME　てくの", ["a1"]), ("ﾃｸﾉ", ["a1"]), ("ｶﾅﾀﾞ", ["a2"]), ("orion", ["a3"]), ("50%_", ["a3"]),
     ("5_%", []), ("A4", ["a4"]), ("acme zeta", [])],
)  # fmt: skip
def test_a_search_finds_a_name_however_it_is_written(
    only_read: tuple[Store, int, int], text: str, found: list[str]
) -> None:
    assert _ids(only_read, ListFilter(text=text)) == found


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (ListFilter(bands=("red", "green")), ["a1", "a5"]),
        (ListFilter(owners=("",)), ["a4"]),
        (ListFilter(owners=("bob", "")), ["a3", "a5", "a4"]),
        (ListFilter(segments=("smb",), plans=("Basic",)), ["a2", "a5"]),
        (ListFilter(phases=("renewal",)), ["a1"]),
        (ListFilter(ends_within=30), ["a1"]),
        (ListFilter(ends_within=100), ["a1", "a5"]),
        (ListFilter(seen_by="bob"), ["a3", "a5"]),
    ],
)
def test_filters(only_read: tuple[Store, int, int], where: ListFilter, found: list[str]) -> None:
    assert _ids(only_read, where) == found


@pytest.mark.slow
@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("descending", [None, True, False])
def test_what_is_unknown_comes_last_and_pages_fit_together(
    only_read: tuple[Store, int, int], sort: str, descending: bool | None
) -> None:
    store, _, newest = only_read
    whole = _ids(only_read, ListFilter(), sort=sort, descending=descending)
    assert sorted(whole) == ["a1", "a2", "a3", "a4", "a5"]
    paged = [
        line.account.account_id
        for offset in (0, 2, 4)
        for line in store.lists("acme")
        .accounts(
            newest, date(2026, 3, 1), ListFilter(), _NOW, sort=sort, descending=descending, offset=offset, limit=2
        )
        .lines
    ]
    assert paged == whole
    if sort in ("health", "change", "arr", "ends", "owner", "segment", "plan"):
        assert whole[-1] in ("a3", "a4")


def test_counts_go_by_what_a_csm_has_set(listed: tuple[Store, int, int]) -> None:
    store, _, newest = listed
    store.judgements("acme").override("a1", "green", "They signed.", "Ann", _ANN)
    page = store.lists("acme").accounts(newest, date(2026, 3, 1), ListFilter(bands=("green",)), _NOW)
    assert [line.account.account_id for line in page.lines] == ["a1", "a5"]
    assert page.total == page.bands["green"] == 2
    assert page.lines[0].account.overridden_by == "Ann"
    later = _NOW + timedelta(days=31)
    assert store.lists("acme").accounts(newest, date(2026, 3, 1), ListFilter(), later).bands["green"] == 1


def test_a_choice_of_an_owner_holds_until_the_source_names_another(listed: tuple[Store, int, int]) -> None:
    store, _, newest = listed
    store.owners("acme").choose("eve", {"a1": "ann", "a4": None}, _ANN)
    assert _ids(listed, ListFilter(owners=("eve",))) == ["a1", "a4"]
    assert _ids(listed, ListFilter(seen_by="ann")) == ["a2"]
    assert store.lists("acme").choices(newest)["owners"] == ["ann", "bob"]
    store.owners("acme").choose("eve", {"a1": "another"}, _ANN)
    assert _ids(listed, ListFilter(owners=("eve",))) == ["a4"]
    store.owners("acme").choose("ann", {"a1": "ann"}, _ANN)
    assert store.owners("acme").in_force("a1", "ann") == "ann"


def test_band_moves_and_health_over_time(only_read: tuple[Store, int, int]) -> None:
    store, _, newest = only_read
    lists = store.lists("acme")
    before = lists.before(date(2026, 3, 1), date(2026, 2, 25))
    assert before is not None
    moves = lists.moves(newest, before, date(2026, 3, 1), ListFilter(), _NOW)
    assert [(move.line.account.account_id, move.before, move.line.account.band) for move in moves] == [
        ("a1", "yellow", "red"),
        ("a3", "green", "yellow"),
    ]
    assert lists.health(["a1", "a4"], date(2026, 3, 1)) == {
        "a1": [(date(2026, 2, 22), 20.0), (date(2026, 3, 1), 20.0)],
        "a4": [(date(2026, 2, 22), None), (date(2026, 3, 1), None)],
    }


def test_nobody_drops_somebody_elses_view(store: Store) -> None:
    views = store.views("acme")
    kept = views.keep("accounts", "Mine", "band=red", _ANN)
    views.drop(kept, Actor("user:2", _NOW))
    assert [view.name for view in views.of("user:1", "accounts")] == ["Mine"]
    views.keep("accounts", "Mine", "band=green", _ANN)
    assert [view.query for view in views.of("user:1", "accounts")] == ["band=green"]
    views.drop(views.of("user:1", "accounts")[0].id, _ANN)
    assert views.of("user:1", "accounts") == []
