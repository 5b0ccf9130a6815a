"""A company of a few accounts and people, checked and published, without a model."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import yaml
from tests.companies.curves import curves_of

from churnml.config import Config, load_config
from churnml.language import Text
from churnml.pipeline import check
from churnml.store import Actor, Alert, Snapshot, Store, Wanted
from churnml.store.alerts import keep_alert
from churnml.store.writes import changing

ACCOUNTS = [f"acc-{number}" for number in range(100, 108)]
NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)


def _raw(folder: Path) -> None:
    folder.mkdir(parents=True)
    days = pd.date_range("2026-01-01", periods=59, freq="D")
    pd.DataFrame(
        {"account_id": ACCOUNTS, "name": [f"Firm {one}" for one in ACCOUNTS], "created_on": "2025-06-01"}
    ).to_csv(folder / "accounts.csv", index=False)
    pd.DataFrame(
        [
            {
                "account_id": account,
                "user_id": f"user-{account}-{place}",
                "event_type": "login",
                "occurred_at": day.isoformat(),
            }
            for account in ACCOUNTS
            for day in days
            for place in (1, 2)
        ]
    ).to_csv(folder / "events.csv", index=False)
    people = [
        {
            "contact_id": f"person-{account}-{place}",
            "account_id": account,
            "user_id": f"user-{account}-{place}",
            "role": "champion",
            "email": f"{place}@{account}.example",
            "started_at": "2025-06-01" if place == 1 else "not a day",
        }
        for account in ACCOUNTS
        for place in (1, 2)
    ]
    people += [
        people[0] | {"contact_id": f"person-{number}", "user_id": None, "started_at": "2025-06-01"}
        for number in range(99)
    ]
    pd.DataFrame(people).to_csv(folder / "contacts.csv", index=False)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the config of the company, with something of every kind in its workspace."""
    folder = tmp_path_factory.mktemp("privacy") / "firm"
    _raw(folder / "raw")
    config = folder / "firm.yaml"
    tables: dict[str, Any] = {name: {"from": f"{name}.csv"} for name in ("accounts", "events", "contacts")}
    config.write_text(
        yaml.safe_dump(
            {
                "name": "firm",
                "source": {"folder": "raw", "rejected_columns": "all", "max_rejected_share": 0.5},
                "tables": tables,
                "label": {"churn": "silence"},
                "deliveries": {
                    "zendesk": {
                        "url": "https://firm.zendesk.example",
                        "user": "a@firm.example",
                        "api_token": "${FIRM_TOKEN}",
                        "fields": {"health": "health_score"},
                    },
                    "slack": {"cs": {"webhook_url": "${FIRM_HOOK}"}},
                },
            }
        )
    )
    settings = load_config(config)
    check(settings)
    fill(settings)
    return config


@pytest.fixture
def firm(made: Path, tmp_path: Path) -> Config:
    """Return a copy of the company."""
    shutil.copytree(made.parent, tmp_path / "firm")
    return load_config(tmp_path / "firm" / "firm.yaml")


def fill(config: Config) -> None:
    """Put something of every kind into a workspace."""
    workspace = config.workspace_dir
    scores = pd.DataFrame(
        {
            "account_id": ACCOUNTS,
            "name": [f"Firm {one}" for one in ACCOUNTS],
            "churn_probability": 0.2,
            "health_score": 50.0,
            "band": "yellow",
            "coverage": 1.0,
        }
    )
    told = [{"account_id": one, "text": f"person-{one}-1 has left", "reasons": []} for one in ACCOUNTS]
    features = pd.DataFrame({"account_id": ACCOUNTS, "logins": 3.0})
    curves = curves_of(ACCOUNTS, NOW.date(), days=[90.0] * len(ACCOUNTS), risk=[0.2] * len(ACCOUNTS))
    made_of = pd.DataFrame({"account_id": ACCOUNTS, "alpha": 0.5, "rules_score": 61.24, "risk:support": 0.2})
    beside = {"features": features, "explanations": told, "curves": curves, "compositions": made_of}
    with Store(config.store_url) as store:
        for day in (date(2026, 2, 28), date(2026, 3, 1)):
            store.publish(Snapshot("firm", day, NOW, "1", "0", scores, **beside))
        for account in ACCOUNTS:
            call = Text.of("alert-own", title=f"Call {account}")
            alert = Alert(
                account_id=account, kind="silence", severity="high", owner="ann", opened_on=NOW.date(),
                updated_on=NOW.date(), due_at=NOW + timedelta(days=2), text=call,
            )  # fmt: skip
            with changing(store._engine) as connection:
                keep_alert(connection, "firm", alert)
            note = f"Spoke to person-{account}-1 of {account}."
            store.notes("firm").add(note, "ann", Actor("ann", NOW), account_id=account)
            store.deliveries("firm").plan(
                "zendesk", [Wanted(f"score:{account}", "score", {"health": 50.0}, account)], NOW
            )
    scores.to_parquet(workspace / "scores.parquet", index=False)
    features.to_parquet(workspace / "features.parquet", index=False)
    (workspace / "reports").mkdir()
    for account in ACCOUNTS:
        (workspace / "reports" / f"{account}.en.html").write_text(f"<p>{account}</p>")
    (workspace / "reports" / "portfolio.en.html").write_text("".join(f"<p>{account}</p>" for account in ACCOUNTS))
    (workspace / "events").mkdir()
    (workspace / "events" / "accounts.arrow").write_bytes("\0".join(ACCOUNTS).encode())
    (workspace / "landing").mkdir()
    with duckdb.connect(str(workspace / "landing" / "crm.duckdb")) as db:
        db.execute(
            "CREATE TABLE contacts AS SELECT * FROM read_csv(?)", [str(config.resolve(Path("raw/contacts.csv")))]
        )
        db.execute("CREATE TABLE visits AS SELECT * FROM read_csv(?)", [str(config.resolve(Path("raw/events.csv")))])
