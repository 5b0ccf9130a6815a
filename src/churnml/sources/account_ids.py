"""Finds out which account each record of a tool is: exactly first, by rules next, never by guess."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from churnml.config import IdentityKeys, TableSource
from churnml.config.needs import LoadSections
from churnml.language import Text
from churnml.sources.macros import salesforce_id
from churnml.sources.mapping import Mapping, map_table
from churnml.sources.presets import presets
from churnml.sources.presets.resolving import prepared
from churnml.sources.raw import Raw
from churnml.sources.raw_sources import Part, RawSources, parts_of
from churnml.sources.sql import identifier, literal, problem
from churnml.tables import TABLES

__all__ = ["AccountIds", "ToolCoverage"]

_FREE_MAIL = (
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "yahoo.co.jp", "icloud.com",
    "aol.com", "gmx.de", "gmx.net", "web.de", "proton.me", "protonmail.com", "qq.com", "163.com", "docomo.ne.jp",
)  # fmt: skip
"""Mail domains that anybody can have say nothing about the company."""

_LONGEST_CHAIN = 50


@dataclass(frozen=True)
class ToolCoverage:
    """How much of what a tool tells belongs to known accounts.

    Parameters
    ----------
    tool : str
        Name of the source.
    matched, unmatched, ambiguous : int
        Its records with facts that are one account, none that is known, or could be several.
    matched_rows, unmatched_rows, ambiguous_rows : int
        Facts of each.
    matched_arr, unmatched_arr, ambiguous_arr : float
        Yearly revenue: of the matched accounts what runs now, of the others what the tool itself says they pay.
    by : dict of str to int
        How the matched ones were found: ``file``, ``account``, ``id``, ``domain``, ``name`` → records.
    """

    tool: str
    matched: int
    unmatched: int
    ambiguous: int
    matched_rows: int
    unmatched_rows: int
    ambiguous_rows: int
    matched_arr: float
    unmatched_arr: float
    ambiguous_arr: float
    by: dict[str, int]


class AccountIds:
    """The account of every record of every tool, as far as it is known.

    Parameters
    ----------
    db : DuckDB connection
        Holds the tables ``merges``, ``identity`` and ``identity_use``.
    config : LoadSections
        Its sections `identities`, `sources` and `tables`.
    sources : RawSources
        Opens the raw tables.
    tomorrow : date
        The first day that lies ahead.

    Raises
    ------
    DataError
        Records were merged in a circle, or a file cannot be read.
    """

    def __init__(
        self, db: duckdb.DuckDBPyConnection, config: LoadSections, sources: RawSources, tomorrow: date
    ) -> None:
        self._db = db
        self._config = config
        self._sources = sources
        self._tomorrow = tomorrow
        self._leading = self._leading_tool()
        self._is_salesforce = False
        db.execute(
            "CREATE OR REPLACE TEMP TABLE merges (source VARCHAR, old VARCHAR, survivor VARCHAR); "
            "CREATE OR REPLACE TEMP TABLE identity (source VARCHAR, id VARCHAR, account_id VARCHAR, how VARCHAR); "
            "CREATE OR REPLACE TEMP TABLE records "
            "(source VARCHAR, id VARCHAR, account VARCHAR, name VARCHAR, shown VARCHAR, domains VARCHAR[]); "
            "CREATE OR REPLACE TEMP TABLE identity_use "
            "(source VARCHAR, table_name VARCHAR, id VARCHAR, row_count BIGINT, mrr DOUBLE)"
        )
        self._read_merges()
        self.in_use = config.identities is not None
        if config.identities is not None:
            self._match()
        row = db.execute("SELECT count(*) FROM merges").fetchone()
        self._has_merges = bool(row and row[0])

    def _leading_tool(self) -> str:
        config = self._config
        if config.identities is not None and config.identities.leading is not None:
            return config.identities.leading
        if "accounts" in config.tables:
            return parts_of("accounts", config.tables["accounts"], config.named_sources)[0].tool
        return next(iter(config.named_sources))

    # ── merges ──

    def _read_merges(self) -> None:
        """Read who was merged into whom from the accounts' raw tables, and follow chains to their end."""
        config = self._config
        if "accounts" not in config.tables:
            return
        for part in parts_of("accounts", config.tables["accounts"], config.named_sources):
            preset = presets().get(part.source.preset or "")
            if preset is None or preset.merged is None:
                continue
            plain: dict[str, Any] = {"where": None, "preset": None, "versions": None, "via": None, "with_": {}}
            section = prepared(part.source, preset).model_copy(update=plain)
            raw, _ = self._sources.open(replace(part, source=section, number=90 + part.number), lambda _: list)
            have = {name.casefold() for name in raw.columns}
            absent = [
                f"CAST(NULL AS VARCHAR) AS {identifier(n)}" for n in preset.merged.reads if n.casefold() not in have
            ]
            own = f"SELECT {', '.join(['*', *absent])} FROM {raw.relation}"
            kind = any(each.id == "salesforce" for each in preset.columns["account_id"])
            old, survivor = (
                salesforce_id(f"trim({name})") if kind else f"trim({name})" for name in ("old", "survivor")
            )
            self._db.execute(
                f"INSERT INTO merges SELECT DISTINCT {literal(part.tool)}, {old}, {survivor} FROM "
                f"(WITH own AS ({own}) SELECT * FROM ({preset.merged.query})) "
                "WHERE trim(old) <> '' AND trim(survivor) <> '' AND old <> survivor"
            )
        for _ in range(_LONGEST_CHAIN):
            row = self._db.execute(
                "SELECT count(*) FROM merges AS m JOIN merges AS n ON n.source = m.source AND n.old = m.survivor"
            ).fetchone()
            if not row or not row[0]:
                return
            self._db.execute(
                "UPDATE merges SET survivor = n.survivor FROM merges AS n "
                "WHERE n.source = merges.source AND n.old = merges.survivor"
            )
        circle = self._db.execute(
            "SELECT m.old, m.survivor FROM merges AS m JOIN merges AS n ON n.source = m.source AND n.old = m.survivor "
            "ORDER BY 1 LIMIT 3"
        ).fetchall()
        raise problem(
            "CHK048",
            Text.of("data-circle"),
            where="tables.accounts",
            got=", ".join(f"{old!r} → {survivor!r}" for old, survivor in circle),
        )

    # ── matching ──

    def _match(self) -> None:
        identities = self._config.identities
        assert identities is not None, "only called where the section is there"
        if identities.file is not None:
            self._read_file(self._config.resolve(identities.file))
        for tool, keys in identities.keys.items():
            self._read_records(tool, keys)
        leading = literal(self._leading)
        others = "SELECT * FROM records WHERE source <> " + leading
        known = f"SELECT * FROM records WHERE source = {leading}"
        account = salesforce_id("r.account") if self._is_salesforce else "r.account"
        ways = (
            ("account", f"SELECT r.source, r.id, k.id FROM ({others}) AS r JOIN ({known}) AS k ON k.id = {account}"),
            ("id", f"SELECT r.source, r.id, k.id FROM ({others}) AS r JOIN ({known}) AS k ON k.id = r.id"),
            (
                "domain",
                f"SELECT r.source, r.id, k.id FROM (SELECT source, id, unnest(domains) AS d FROM ({others})) AS r "
                f"JOIN (SELECT id, unnest(domains) AS d FROM ({known})) AS k USING (d)",
            ),
            ("name", f"SELECT r.source, r.id, k.id FROM ({others}) AS r JOIN ({known}) AS k ON k.name = r.name"),
        )
        self._db.execute("CREATE OR REPLACE TEMP TABLE candidates (source VARCHAR, id VARCHAR, accounts VARCHAR[])")
        for how, query in ways:
            # Who was found in a surer way is left alone; who could be several accounts by a rule is none of them.
            self._db.execute(
                "CREATE OR REPLACE TEMP TABLE found AS "
                "SELECT source, id, list_sort(list(DISTINCT account)) AS accounts "
                f"FROM ({query}) AS f(source, id, account) WHERE NOT EXISTS "
                "(FROM identity AS i WHERE i.source = f.source AND i.id = f.id) "
                "AND NOT EXISTS (FROM candidates AS c WHERE c.source = f.source AND c.id = f.id) GROUP BY 1, 2"
            )
            self._db.execute(
                f"INSERT INTO identity SELECT source, id, accounts[1], '{how}' FROM found WHERE len(accounts) = 1"
            )
            self._db.execute("INSERT INTO candidates SELECT * FROM found WHERE len(accounts) > 1")

    def _read_file(self, file: Path) -> None:
        """Read the file that a person completed; a line without an account is still open."""
        if not file.is_file():
            raise problem("CHK001", Text.of("data-no_identities", file=str(file)), where="identities.file")
        try:
            self._db.execute(
                "INSERT INTO identity SELECT trim(source), trim(id), any_value(trim(account_id)), 'file' FROM "
                f"read_csv({literal(str(file))}, header=true, all_varchar=true) WHERE trim(account_id) <> '' "
                "GROUP BY ALL HAVING count(DISTINCT trim(account_id)) = 1"
            )
        except duckdb.Error as error:
            raise problem(
                "CHK002",
                Text.of("data-bad_identities", file=file.name),
                where="identities.file",
                got=str(error).splitlines()[0],
            ) from error

    def _read_records(self, tool: str, keys: IdentityKeys) -> None:
        """Read a tool's records of customers with all that tells who they are."""
        place = f"identities.keys.{tool}"
        given = {"from": keys.from_, **({"preset": keys.preset} if keys.preset else {})}
        section = TableSource.model_validate({**given, "columns": {"account_id": keys.id} if keys.id else {}})
        part = Part("accounts", section, place, 0, keys.source or tool)
        raw, resolved = self._sources.open(replace(part, number=50), lambda _: list)
        mapping = map_table(self._db, TABLES["accounts"], resolved, raw, tomorrow=self._tomorrow)
        kind = mapping.sources["account_id"].id
        if tool == self._leading:
            self._is_salesforce = kind == "salesforce"
        preset = presets().get(keys.preset or "")
        usual = preset.identities if preset is not None else None
        account = _column(raw, keys.account, usual.account if usual else ())
        name = _column(raw, keys.name, usual.name if usual else ())
        domain = _column(raw, keys.domain, usual.domain if usual else ())
        hosts = f"regexp_replace(lower({domain}), '[^\\s,;\"\\[\\]@]+@', '', 'g')"
        hosts = f"regexp_extract_all({hosts}, '[a-z0-9-]+(?:[.][a-z0-9-]+)+')"
        hosts = f"list_transform({hosts}, lambda h: regexp_replace(h, '^www[.]', ''))"
        hosts = f"list_filter({hosts}, lambda h: h NOT IN {_FREE_MAIL})"
        plain = f"nullif(regexp_replace(lower(strip_accents(nfc_normalize({name}))), '[\\s\\p{{P}}]+', '', 'g'), '')"
        self._db.execute(
            f"INSERT INTO records SELECT {literal(tool)}, account_id, nullif(trim({account}), ''), {plain}, {name}, "
            f"coalesce({hosts}, []) FROM ({mapping.select}) WHERE account_id IS NOT NULL"
        )

    # ── use ──

    def applied(self, part: Part, mapping: Mapping) -> Mapping:
        """Return the mapping of a raw table with the accounts' own ids in place of the tool's.

        Parameters
        ----------
        part : Part
            Says which tool the raw table is of.
        mapping : Mapping
            Its mapping.
        """
        is_leading = part.table == "accounts" and part.tool == self._leading
        names = [*(() if is_leading else ("account_id",)), *(name for name in ("parent_id",) if name in mapping.mapped)]
        if not (self.in_use or self._has_merges) or not names:
            return mapping
        if self.in_use and not is_leading:
            self._count_use(part, mapping)
        select = mapping.select
        for name in names:
            select = self._translated(select, name, part.tool)
        return replace(mapping, select=select)

    def _translated(self, select: str, name: str, tool: str) -> str:
        """Return a query with the accounts' own ids in a column of a tool's: those of the survivors of merges."""
        column, own = identifier(name), f"q.{identifier(name)}"
        if self.in_use:
            value = f"coalesce(i.account_id, {own})"
            if self._is_salesforce and tool != self._leading:
                value = f"coalesce(i.account_id, {salesforce_id(own)}, {own})"
            select = (
                f"SELECT q.* REPLACE ({value} AS {column}) FROM ({select}) AS q LEFT JOIN "
                f"(SELECT id, account_id FROM identity WHERE source = {literal(tool)}) AS i ON i.id = {own}"
            )
        if self._has_merges:
            select = (
                f"SELECT q.* REPLACE (coalesce(m.survivor, {own}) AS {column}) FROM ({select}) AS q LEFT JOIN "
                f"(SELECT old, survivor FROM merges WHERE source = {literal(self._leading)}) AS m ON m.old = {own}"
            )
        return select

    def _count_use(self, part: Part, mapping: Mapping) -> None:
        money = "sum(mrr)" if "mrr" in mapping.mapped else "NULL"
        self._db.execute(
            f"INSERT INTO identity_use SELECT {literal(part.tool)}, {literal(part.table)}, account_id, count(*), "
            f"{money} FROM ({mapping.select}) WHERE account_id IS NOT NULL GROUP BY account_id"
        )

    def coverage(self, tables: Path, file: Path) -> list[ToolCoverage]:
        """Return how much of each tool belongs to known accounts, and write what does not to a file to complete.

        Parameters
        ----------
        tables : Path
            Folder of the canonical tables.
        file : Path
            CSV to write: ``source, id, name, domains, candidates, rows, arr, account_id``, the last one empty.
        """
        if not self.in_use:
            return []
        accounts, contracts = (tables / f"{name}.parquet" for name in ("accounts", "subscriptions"))
        arr = "SELECT CAST(NULL AS VARCHAR) AS account_id, CAST(NULL AS DOUBLE) AS arr WHERE false"
        if contracts.is_file():
            arr = (
                f"SELECT account_id, sum(mrr) * 12 AS arr FROM read_parquet({literal(str(contracts))}) "
                f"WHERE coalesce(terminated_on, ends_on, DATE '9999-01-01') >= DATE '{self._tomorrow}' "
                f"AND started_on < DATE '{self._tomorrow}' GROUP BY 1"
            )
        own = salesforce_id("u.id") if self._is_salesforce else "u.id"
        self._db.execute(
            "CREATE OR REPLACE TEMP TABLE covered AS WITH used AS (SELECT source, id, sum(row_count) AS row_count, "
            f"sum(mrr) * 12 AS arr FROM identity_use WHERE source <> {literal(self._leading)} GROUP BY 1, 2), "
            f"known AS (SELECT DISTINCT account_id FROM read_parquet({literal(str(accounts))})), found AS ("
            f"SELECT u.*, coalesce(i.account_id, {own}) AS account, coalesce(i.how, 'id') AS how, "
            "c.accounts AS candidates "
            "FROM used AS u LEFT JOIN identity AS i ON i.source = u.source AND i.id = u.id "
            "LEFT JOIN candidates AS c ON c.source = u.source AND c.id = u.id) "
            "SELECT f.*, k.account_id AS met, r.arr AS running FROM found AS f LEFT JOIN merges AS m "
            f"ON m.source = {literal(self._leading)} AND m.old = f.account "
            "LEFT JOIN known AS k ON k.account_id = coalesce(m.survivor, f.account) "
            f"LEFT JOIN ({arr}) AS r ON r.account_id = k.account_id"
        )
        self._write_open(file)
        status = "CASE WHEN met IS NOT NULL THEN 0 WHEN candidates IS NULL THEN 1 ELSE 2 END"
        # Several records of a tool can be one account, whose revenue counts once.
        is_first = "row_number() OVER (PARTITION BY source, coalesce(met, source || id)) = 1"
        rows = self._db.execute(
            f"SELECT source, {status} AS status, count(*), sum(row_count), "
            "coalesce(sum(CASE WHEN met IS NOT NULL THEN running ELSE arr END) FILTER (first_of_account), 0) "
            f"FROM (SELECT *, {is_first} AS first_of_account FROM covered) GROUP BY 1, 2"
        ).fetchall()
        by = self._db.execute(
            "SELECT source, how, count(*) FROM covered WHERE met IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
        return [_coverage(tool, rows, by) for tool in sorted({row[0] for row in rows})]

    def _write_open(self, file: Path) -> None:
        row = self._db.execute("SELECT count(*) FROM covered WHERE met IS NULL").fetchone()
        if not row or not row[0]:
            file.unlink(missing_ok=True)
            return
        self._db.execute(
            "COPY (SELECT c.source, c.id, any_value(r.shown) AS name, array_to_string(any_value(r.domains), ' ') AS "
            "domains, array_to_string(any_value(c.candidates), ' ') AS candidates, any_value(c.row_count) AS rows, "
            "any_value(c.arr) AS arr, NULL AS account_id FROM covered AS c LEFT JOIN records AS r "
            "ON r.source = c.source AND r.id = c.id WHERE c.met IS NULL GROUP BY 1, 2 "
            "ORDER BY 7 DESC NULLS LAST, 6 DESC, 1, 2) "
            f"TO {literal(str(file))} (FORMAT csv, HEADER)"
        )
        file.chmod(0o600)


def _column(raw: Raw, given: str | None, usual: tuple[str, ...]) -> str:
    """Return the SQL of the first raw column that is there."""
    have = {name.casefold(): name for name in raw.columns}
    for name in (given, *usual):
        if name is not None and name.casefold() in have:
            return f"CAST({identifier('column:' + have[name.casefold()])} AS VARCHAR)"
    return "CAST(NULL AS VARCHAR)"


def _coverage(tool: str, rows: list[tuple[str, int, int, int, float]], by: list[tuple[str, str, int]]) -> ToolCoverage:
    of: MappingOf[int, tuple[int, int, float]] = {
        status: (int(count), int(facts), round(float(arr), 2))
        for name, status, count, facts, arr in rows
        if name == tool
    }
    known, unknown, several = (of.get(status, (0, 0, 0.0)) for status in (0, 1, 2))
    return ToolCoverage(
        tool=tool,
        matched=known[0],
        unmatched=unknown[0],
        ambiguous=several[0],
        matched_rows=known[1],
        unmatched_rows=unknown[1],
        ambiguous_rows=several[1],
        matched_arr=known[2],
        unmatched_arr=unknown[2],
        ambiguous_arr=several[2],
        by={how: count for name, how, count in by if name == tool},
    )
