"""Contacts that the company itself began: calls and mails in its tables, and tasks that its people have done."""

from __future__ import annotations

import pandas as pd

from churnml.config import Config
from churnml.errors import StoreError
from churnml.files import sqlite_path
from churnml.pipeline.tasks import done_tasks
from churnml.store import Store
from churnml.tables import Tables

__all__ = ["contacts"]


def contacts(config: Config, tables: Tables) -> pd.DataFrame:
    """Return when somebody stepped in, per account.

    A store that cannot be read adds nothing: a training does not depend on it.

    Parameters
    ----------
    config : Config
    tables : Tables

    Returns
    -------
    DataFrame
        account_id and ``at``.
    """
    parts = [pd.DataFrame({"account_id": pd.Series(dtype="object"), "at": pd.Series(dtype="datetime64[us]")})]
    if "touchpoints" in tables:
        rows = tables["touchpoints"]
        rows = rows.filter(rows.direction == "outbound")
        parts.append(rows.select("account_id", at=rows.occurred_at).to_pandas())
    parts.append(_tasks_done(config))
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else parts[0]


def _tasks_done(config: Config) -> pd.DataFrame:
    file = sqlite_path(config.store_url)
    if file is not None and not file.exists():
        return pd.DataFrame()
    try:
        with Store(config.store_url) as store:
            tasks = done_tasks(config, store)
    except StoreError:
        return pd.DataFrame()
    done = [(task.account_id, task.finished_on) for task in tasks if task.role != "automation" and task.finished_on]
    rows = pd.DataFrame(done, columns=["account_id", "at"])
    return rows.assign(at=pd.to_datetime(rows["at"]))
