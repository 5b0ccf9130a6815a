"""Compares the valid tables with one another: ids that never meet, facts outside an account's life, stale tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from churnml.language import Several, Text
from churnml.sources.identities import why_ids_differ
from churnml.sources.sql import identifier, literal
from churnml.tables import CHECKS, TABLES, CheckResult
from churnml.tables.check import Outcome
from churnml.tables.reach import reach as table_reach

__all__ = ["Findings", "compare_tables", "reach"]

_MOST = 0.5
_FEW_ACCOUNTS = 10


@dataclass(frozen=True)
class Findings:
    """What a comparison of tables found.

    Parameters
    ----------
    notes : list of Text
        In words.
    results : list of CheckResult
        Every check that was made.
    """

    notes: list[Text]
    results: list[CheckResult]


def compare_tables(
    db: duckdb.DuckDBPyConnection,
    folder: Path,
    names: list[str],
    columns: Mapping[str, str],
    *,
    has_sign_up: bool,
    has_money: bool,
    trials: str,
) -> Findings:
    """Compare the valid tables with one another.

    Parameters
    ----------
    db : DuckDB connection
        Holds, per table, ``accounts:<name>``: ``account_id, row_count, first_at, last_at``.
    folder : Path
        Where the canonical Parquet files are.
    names : list of str
        The mapped tables.
    columns : mapping of str to str
        Table → raw column of its account ids, where there is one.
    has_sign_up : bool
        Whether the accounts say when they were created.
    has_money : bool
        Whether the contracts say their MRR.
    trials : {"count", "leave_out"}
        What `label.trials` says.
    """
    notes: list[Text] = []
    results: list[CheckResult] = []
    facts = [name for name in names if name != "accounts"]
    for check in (
        _meeting(db, facts, dict(columns)),
        _concentrated(db, facts),
        _outside_life(db, folder, names, has_sign_up=has_sign_up),
        _trials(db, folder, names, has_money=has_money, trials=trials),
    ):
        notes += check.notes
        results += check.results
    return Findings(notes, results)


def _accounts(name: str) -> str:
    return f"SELECT account_id FROM {identifier(f'accounts:{name}')}"


def _scalar(db: duckdb.DuckDBPyConnection, query: str) -> int:
    row = db.execute(query).fetchone()
    return int(row[0] or 0) if row else 0


def _meeting(db: duckdb.DuckDBPyConnection, facts: list[str], columns: dict[str, str]) -> Findings:
    """Say which tables' accounts hardly stand in the contracts, or, without contracts, in the largest table."""
    counts = ", ".join(f"(SELECT count(*) FROM ({_accounts(name)}))" for name in facts) or "0"
    sizes = {
        name: int(size) for name, size in zip(facts, db.execute(f"SELECT {counts}").fetchone() or (), strict=False)
    }
    reference = "subscriptions" if "subscriptions" in facts else max(facts, key=lambda name: sizes[name], default="")
    notes, results = [], []
    for name in facts:
        if name == reference or not sizes[name] or not sizes[reference]:
            results.append(CheckResult("CHK026", name, "account_id", "not applicable"))
            continue
        known = _accounts(reference)
        strangers = f"{_accounts(name)} WHERE account_id NOT IN ({known})"
        missing = _scalar(db, f"SELECT count(*) FROM ({strangers})")
        met = sizes[name] - missing
        # Few users of many tables is normal (every ticket is of a customer, few customers have one), so what counts
        # is how much of the smaller side meets.
        least = min(sizes[name], sizes[reference])
        failed = met < _MOST * least
        results.append(CheckResult("CHK026", name, "account_id", "failed" if failed else "ok", missing))
        if not failed:
            continue
        examples = [row[0] for row in db.execute(f"{strangers} ORDER BY 1 LIMIT 3").fetchall()]
        there = [row[0] for row in db.execute(f"{known} ORDER BY 1 LIMIT 3").fetchall()]
        remedy = why_ids_differ(db, strangers, known, name, reference, columns=columns) or CHECKS["CHK026"].remedy
        notes.append(
            Text.of(
                "data-ids_never_meet",
                table=name,
                missing=missing,
                of=sizes[name],
                examples=Several(parts=tuple(map(repr, examples))),
                reference=reference,
                there=Several(parts=tuple(map(repr, there))),
                remedy=remedy,
            )
        )
    return Findings(notes, results)


def _concentrated(db: duckdb.DuckDBPyConnection, facts: list[str]) -> Findings:
    """Say where one account has nearly all rows of a table."""
    everyone = " UNION ".join(_accounts(name) for name in facts)
    total = _scalar(db, f"SELECT count(*) FROM ({everyone})") if facts else 0
    notes: list[Text] = []
    results: list[CheckResult] = []
    largest = " UNION ALL ".join(
        f"SELECT {literal(name)}, max(row_count), sum(row_count), arg_max(account_id, row_count) "
        f"FROM {identifier(f'accounts:{name}')}"
        for name in facts
    )
    largest_of = {name: row for name, *row in db.execute(largest).fetchall()} if facts else {}
    for name in facts:
        most, rows, account = largest_of[name] if largest_of[name][1] else (0, 0, "")
        failed = total >= _FEW_ACCOUNTS and rows >= _FEW_ACCOUNTS and most > _MOST * rows
        results.append(
            CheckResult("CHK027", name, "account_id", "failed" if failed else "ok", int(most if failed else 0))
        )
        if failed:
            notes.append(
                Text.of(
                    "data-one_account",
                    table=name,
                    accounts=total,
                    account=repr(account),
                    most=int(most),
                    rows=int(rows),
                    remedy=CHECKS["CHK027"].remedy,
                )
            )
    return Findings(notes, results)


def _outside_life(db: duckdb.DuckDBPyConnection, folder: Path, names: list[str], *, has_sign_up: bool) -> Findings:
    """Count facts before an account's sign-up and after the end of its last contract."""
    started, ended = "NULL", "NULL"
    tables = []
    if "accounts" in names and has_sign_up:
        tables.append(
            f"(SELECT account_id, min(created_on) AS created FROM {_file(folder, 'accounts')} GROUP BY 1) AS a"
        )
        started = "created"
    if "subscriptions" in names:
        tables.append(
            "(SELECT account_id, min(started_on) AS began, "
            "max(coalesce(terminated_on, ends_on, DATE '9999-01-01')) AS gone "
            f"FROM {_file(folder, 'subscriptions')} WHERE NOT is_addon GROUP BY 1) AS s"
        )
        started = "coalesce(created, began)" if started != "NULL" else "began"
        ended = "gone"
    results: list[CheckResult] = []
    if not tables:
        return Findings([], [CheckResult("CHK028", name, "", "not applicable") for name in names])
    joined = tables[0] if len(tables) == 1 else f"{tables[0]} FULL JOIN {tables[1]} USING (account_id)"
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE lives AS SELECT account_id, CAST({started} AS TIMESTAMP) AS started, "
        f"CAST({ended} AS TIMESTAMP) AS ended FROM {joined}"
    )
    notes = []
    for name in names:
        occurred = TABLES[name].occurred_at
        if occurred is None or name in ("subscriptions", "contacts", "opportunities", "milestones", "invoices"):
            results.append(CheckResult("CHK028", name, "", "not applicable"))
            continue
        lives = (
            f"SELECT account_id, started, ended FROM {identifier(f'accounts:{name}')} JOIN lives USING (account_id) "
            "WHERE first_at < started OR last_at >= ended"
        )
        at = identifier(occurred)
        if not _scalar(db, f"SELECT count(*) FROM ({lives})"):
            results.append(CheckResult("CHK028", name, occurred, "ok", 0))
            continue
        row = db.execute(
            f"SELECT count_if({at} < started), count_if({at} >= ended), min(account_id) FILTER ({at} < started), "
            f"min(account_id) FILTER ({at} >= ended) FROM {_file(folder, name)} JOIN ({lives}) USING (account_id)"
        ).fetchone()
        before, after = (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)
        results.append(CheckResult("CHK028", name, occurred, "failed" if before or after else "ok", before + after))
        if not row or not (before or after):
            continue
        total = _scalar(db, f"SELECT sum(row_count) FROM {identifier(f'accounts:{name}')}")
        began = "data-outside_life.before" if has_sign_up else "data-outside_life.before_contract"
        outside = Text.of(began, n=before, account=repr(row[2]))
        if after:
            later = Text.of("data-outside_life.after", n=after, account=repr(row[3]))
            outside = Text.of("data-outside_life.both", before=outside, after=later) if before else later
        notes.append(
            Text.of("data-outside_life", table=name, rows=total, outside=outside, remedy=CHECKS["CHK028"].remedy)
        )
    return Findings(notes, results)


def _trials(db: duckdb.DuckDBPyConnection, folder: Path, names: list[str], *, has_money: bool, trials: str) -> Findings:
    """Say how many accounts have contracts of MRR 0 alone."""
    if "subscriptions" not in names or not has_money or trials != "count":
        return Findings([], [CheckResult("CHK029", "subscriptions", "mrr", "not applicable")])
    row = db.execute(
        f"SELECT count(*), min(account_id) FROM (SELECT account_id FROM {_file(folder, 'subscriptions')} "
        "WHERE NOT is_addon GROUP BY 1 HAVING max(coalesce(mrr, 1)) = 0)"
    ).fetchone()
    count, example = (int(row[0] or 0), row[1]) if row else (0, "")
    results = [CheckResult("CHK029", "subscriptions", "mrr", "failed" if count else "ok", count)]
    if not count:
        return Findings([], results)
    return Findings(
        [
            Text.of("data-trials", n=count, account=repr(example), remedy=CHECKS["CHK029"].remedy),
        ],
        results,
    )


def _file(folder: Path, name: str) -> str:
    return f"read_parquet({literal(str(folder / f'{name}.parquet'))})"


def reach(
    db: duckdb.DuckDBPyConnection, folder: Path, days: Mapping[str, pd.Series], until: date
) -> tuple[dict[str, date], Findings]:
    """Return the first day that each table does not cover any more, and which tables end earlier than the others.

    Parameters
    ----------
    db : DuckDB connection
        Reads the tables.
    folder : Path
        Where the canonical Parquet files are.
    days : mapping of str to Series
        Table → rows per day of the fact.
    until : date
        First day that the data does not cover.
    """
    reaches: dict[str, date] = {}
    notes: list[Text] = []
    results: list[CheckResult] = []
    for name, rows in days.items():
        if name == "subscriptions":  # that a contract ended is news as well
            ends = db.execute(
                "SELECT day, count(*) AS row_count FROM ("
                "SELECT CAST(unnest([known_at, coalesce(notice_at, terminated_on)]) "
                f"AS DATE) AS day FROM {_file(folder, name)}) WHERE day IS NOT NULL GROUP BY 1"
            ).df()
            rows = pd.Series(ends["row_count"].to_numpy(), index=pd.DatetimeIndex(ends["day"]), dtype="int64")
        reached = table_reach(rows, until)
        if reached is None:
            results.append(CheckResult("CHK043", name, "", "not applicable"))
            continue
        reaches[name] = reached.until
        outcome: Outcome = "failed" if reached.behind_days else "ok"
        results.append(CheckResult("CHK043", name, "", outcome, reached.behind_days))
        if reached.behind_days:
            notes.append(
                Text.of(
                    "data-ends_early.contracts" if name == "subscriptions" else "data-ends_early",
                    table=name,
                    on=str(reached.until - timedelta(days=1)),
                    days=reached.behind_days,
                    until=str(until - timedelta(days=1)),
                    remedy=CHECKS["CHK043"].remedy,
                )
            )
    return reaches, Findings(notes, results)
