"""The made-up company of the tests in a store, and a service on it, for what measures or pictures the pages."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from churnml.config import Config
from churnml.pipeline.company import publish_company
from churnml.serving.settings import Settings
from churnml.serving.state import ServingState
from churnml.sources import load
from churnml.store import Store

NAME = "acme"
_KNOWN = ("account_id", "name", "owner", "segment", "arr", "churn_probability", "days_to_renewal")


def fill_store(url: str, accounts: int, **given: int) -> None:
    """Fill a store with the made-up company; a package that is called as the tests' may be installed."""
    tests = types.ModuleType("tests")
    tests.__path__ = [str(Path(__file__).parent.parent / "tests")]
    sys.modules["tests"] = tests
    fill = importlib.import_module("tests.companies.scored").fill
    with Store(url) as store:
        fill(store, NAME, accounts, datetime.now(UTC).date(), **given)


def keep_figures(url: str, folder: Path) -> None:
    """Compute what managers look at for the accounts of a filled store, and keep it: two years of contracts of theirs.

    Each account has annual terms up to the one that its newest score counts on; one in twelve came and left.
    """
    raw = folder / "raw"
    raw.mkdir(parents=True)
    with Store(url) as store:
        newest = store.latest(NAME)
        assert newest is not None
        pages, after = [], -1
        while True:
            page = store.accounts(newest.id, after=after, limit=5000)
            pages += page.accounts
            if page.next_position is None:
                break
            after = page.next_position
    scored = pd.DataFrame([{name: getattr(one, name) for name in _KNOWN} for one in pages])
    number = np.arange(len(scored))
    ends = pd.Series(pd.Timestamp(newest.as_of) + pd.to_timedelta(scored["days_to_renewal"], unit="D")).dt.normalize()
    mrr = (scored["arr"] / 12).round(2)
    terms = [
        pd.DataFrame(
            {
                "account_id": scored["account_id"],
                "subscription_id": scored["account_id"] + f"-{back}",
                "product": scored["segment"],
                "started_on": ends - pd.DateOffset(years=back + 1) + pd.Timedelta(days=1),
                "ends_on": ends - pd.DateOffset(years=back),
                "mrr": mrr * (1.0 - 0.06 * back),
            }
        )[(number % 3 >= back)]
        for back in range(3)
    ]
    gone = terms[1][number[number % 3 >= 1] % 12 == 1].assign(
        account_id=lambda rows: rows["account_id"] + "-gone",
        subscription_id=lambda rows: rows["subscription_id"] + "-gone",
    )
    pd.concat([*terms, gone]).to_parquet(raw / "subscriptions.parquet", index=False)
    accounts = scored[["account_id", "name", "owner", "segment"]]
    left = accounts.assign(account_id=accounts["account_id"] + "-gone")
    left = left[left["account_id"].isin(gone["account_id"])]
    created = pd.Timestamp(newest.as_of) - pd.DateOffset(years=4)
    pd.concat([accounts, left]).assign(created_on=created).to_parquet(raw / "accounts.parquet", index=False)
    config = Config.model_validate(
        {
            "name": NAME,
            "workspace": folder / "workspace",
            "source": {"folder": raw, "observed_until": newest.as_of},
            "store": {"url": url},
            "currency": "EUR",
            "label": {"churn": "contractual", "horizon_days": 90},
            "tables": {name: {"from": f"{name}.parquet"} for name in ("accounts", "subscriptions")},
        }
    )
    publish_company(config, load(config), scored, newest.as_of, datetime.now(UTC))


@contextmanager
def serving(url: str, folder: Path) -> Iterator[tuple[ServingState, str]]:
    """Yield the state of a service on a filled store, and an account that waits for somebody."""
    settings = Settings(
        name=NAME,
        bundles_dir=folder / "models",
        registered_model=NAME,
        store_url=url,
        config_version="0f0f0f0f0f0f",
        currency="EUR",
        insecure=True,
    )
    state = ServingState(settings)
    state.start()
    try:
        alerts = state.store.alerts(NAME).find(owner="ann", held_back=False, limit=1)
        yield state, alerts[0][0].account_id
    finally:
        state.stop()
