"""The shape of what comes out: schema, determinism, parameters."""

from __future__ import annotations

import time
from datetime import date

import numpy as np
import pandas as pd
import pytest

from churnml.errors import UsageError
from churnml.simulate import Company, simulate
from churnml.simulate.frames import canonical
from churnml.tables import TABLES, Tables

_KINDS = {"string": "O", "int64": "i", "float64": "f", "boolean": "b", "date": "M", "timestamp": "M"}


@pytest.mark.parametrize("name", list(TABLES))
def test_tables_conform_to_the_schema(company: Company, name: str) -> None:
    frame, table = company.tables[name], TABLES[name]
    assert tuple(frame.columns) == table.column_names
    assert len(frame) > 0
    if table.key:
        assert not frame.duplicated(list(table.key)).any()
    for column in table.columns:
        values = frame[column.name]
        if column.dtype == "string":
            assert isinstance(values.dtype, pd.StringDtype)
        else:
            assert values.dtype.kind == _KINDS[column.dtype], column.name
        if column.dtype == "date":
            assert (values.dropna() == values.dropna().dt.normalize()).all()
        if column.required:
            assert values.notna().all(), column.name
        if column.values:
            assert set(values.dropna().unique()) <= set(column.values), column.name
        if column.minimum is not None:
            assert not (values < column.minimum).any(), column.name
        if column.maximum is not None:
            assert not (values > column.maximum).any(), column.name


def test_every_account_is_known(company: Company) -> None:
    known = set(company.tables["accounts"]["account_id"])
    assert len(known) == 700
    for name, frame in company.tables.items():
        assert set(frame["account_id"]) <= known, name


def test_people_and_users_refer_to_one_another(company: Company) -> None:
    contacts = company.tables["contacts"].set_index("contact_id")
    owner = contacts["account_id"]
    for name in ("surveys", "touchpoints", "campaign_events"):
        frame = company.tables[name]
        assert (frame["contact_id"].map(owner) == frame["account_id"]).all(), name
    user_account = contacts.dropna(subset=["user_id"]).set_index("user_id")["account_id"]
    events = company.tables["events"]
    assert (events["user_id"].map(user_account) == events["account_id"]).all()


def test_the_truth_is_not_in_the_tables(company: Company) -> None:
    assert not set(company.truth) & {"subscriptions", "events", "tickets"}
    told = {column for frame in company.truth.values() for column in frame.columns}
    for name, frame in company.tables.items():
        shared = told & set(frame.columns)
        assert shared <= {"account_id", "ends_on", "notice_at"}, name


def test_same_seed_same_frames() -> None:
    one, two = (simulate(accounts=60, months=5, seed=11) for _ in range(2))
    for name in one.tables:
        pd.testing.assert_frame_equal(one.tables[name], two.tables[name])
    for name in one.truth:
        pd.testing.assert_frame_equal(one.truth[name], two.truth[name])


def test_global_random_state_is_neither_read_nor_changed() -> None:
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one = simulate(accounts=30, months=4, seed=2)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    two = simulate(accounts=30, months=4, seed=2)
    pd.testing.assert_frame_equal(one.tables["events"], two.tables["events"])


def test_another_seed_is_another_company() -> None:
    one, two = (simulate(accounts=60, months=5, seed=seed) for seed in (11, 12))
    assert len(one.tables["events"]) != len(two.tables["events"])
    assert set(one.tables["accounts"]["name"]) != set(two.tables["accounts"]["name"])
    prices = [(c.tables["subscriptions"]["mrr"] / c.tables["subscriptions"]["seats"]).median() for c in (one, two)]
    assert prices[0] != prices[1]
    assert set(one.tables["events"]["event_type"]) != set(two.tables["events"]["event_type"])


def test_start_and_months_are_kept() -> None:
    company = simulate(accounts=40, months=7, seed=1, start=date(2019, 7, 1))
    assert company.end == date(2020, 2, 1)
    times = company.tables["events"]["occurred_at"]
    assert times.min() >= pd.Timestamp("2019-07-01")
    assert times.max() < pd.Timestamp("2020-02-01")
    assert company.parameters["start"] == "2019-07-01"


def test_becomes_tables(small: Company) -> None:
    tables = Tables.from_pandas(small.tables, observed_from=small.start, observed_until=small.end)
    assert tables["events"].count().execute() == len(small.tables["events"])
    assert tables.has("subscriptions", "notice_at", "terminated_on")


def test_two_hundred_accounts_in_two_seconds() -> None:
    begin = time.process_time()
    simulate(accounts=200, months=12, seed=4)
    assert time.process_time() - begin < 4  # 0.6 s on an idle core


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"accounts": 3}, "accounts"),
        ({"months": 1}, "months"),
        ({"seed": -1}, "seed"),
        ({"churn_rate": 0.9}, "churn_rate"),
        ({"start": date(2024, 1, 15)}, "start"),
    ],
)
def test_a_wrong_argument_is_named(wrong: dict[str, object], where: str) -> None:
    with pytest.raises(UsageError) as caught:
        simulate(**{"accounts": 50, "months": 6, **wrong})  # type: ignore[arg-type]
    assert caught.value.where == where


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(KeyError, match="hazard"):
        canonical("events", {"account_id": np.array(["a"], dtype=object), "hazard": np.ones(1)})
