"""The sections `source` and `tables`: where the raw data is, and what its columns mean."""

from __future__ import annotations

import codecs
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from churnml.config.pulls import PullConfig
from churnml.config.section import Section, Share
from churnml.errors import near_name
from churnml.language import Text, WrongValueError

__all__ = [
    "ColumnSource",
    "IdentitiesConfig",
    "IdentityKeys",
    "LookupSource",
    "RatesSource",
    "SourceConfig",
    "TableSource",
    "VersionSource",
]


class SourceConfig(Section):
    """Where the raw tables are: a folder of files, a DuckDB file, an Ibis connection, or what `churnml pull` landed."""

    folder: Path | None = Field(
        None,
        description="Folder of CSV, JSON, Parquet or Excel files, also packed (gzip, zstandard, zip), and databases",
    )
    duckdb: Path | None = Field(None, description="A DuckDB database file, opened read-only")
    connection: str | None = Field(None, description="Any Ibis connection URL, e.g. `postgres://user:${PW}@host/db`")
    pull: PullConfig | None = Field(
        None, description="The tool that `churnml pull` fetches from; it lands in a DuckDB file of the workspace"
    )
    timezone: str | None = Field(
        None, description="Zone of this tool's times that carry none, for the columns of presets; said once per tool"
    )
    date_order: Literal["day", "month", "year"] | None = Field(
        None, description="What stands first in this tool's dates, for presets: `month` reads 03/04/2026 as 4 March"
    )
    observed_until: date | None = Field(
        None, description="First day the data does not cover; by default the day after the last plausible event"
    )
    max_rejected_share: Share = Field(
        0.05, description="A table of which more than this share of rows must be set aside is refused"
    )
    rejected_columns: Literal["mapped", "all"] = Field(
        "mapped", description="Raw columns that are written beside the reason of a row that is set aside"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("folder", "duckdb", "connection") if getattr(self, name) is not None]
        if self.pull is None and len(given) != 1:
            raise WrongValueError(Text.of("wrong-one_of", names="folder, duckdb, connection, pull"))
        if self.pull is not None and given != (["connection"] if self.pull.destination else given and ["duckdb"]):
            raise WrongValueError(Text.of("wrong-pull.destination" if self.pull.destination else "wrong-pull.landing"))
        return self

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str | None) -> str | None:
        return None if name is None else _zone(name)


class ColumnSource(Section):
    """Where a canonical column comes from. A bare string in YAML means `column`."""

    column: str | None = Field(None, description="Raw column to rename")
    value: str | int | float | bool | None = Field(None, description="The same constant in every row")
    expr: str | None = Field(None, description="SQL expression over the raw columns, in DuckDB's dialect")
    format: str | None = Field(None, description="strptime format of a raw text date, e.g. `%d.%m.%Y %H:%M`")
    timezone: str = Field(
        "UTC",
        description="Zone of raw times that do not carry one; stored as UTC. A time with a zone has its day there",
    )
    decimal: Literal[".", ","] | None = Field(
        None,
        description="Decimal sign of a raw text number; the other sign then groups thousands. By default `.`, and a "
        "column that can be read both ways (1.250) is asked about",
    )
    inclusive: bool = Field(
        False, description="The raw date is the last day covered; canonical ends are exclusive, so a day is added"
    )
    id: Literal["salesforce"] | None = Field(
        None,
        description="Kind of id: `salesforce` gives ids of 15 characters the three check letters of those of 18, and "
        "sets rows aside whose letters do not fit",
    )
    words: dict[str, str | None] | None = Field(
        None,
        description='Raw word → canonical word, for enumerations, yes/no and scores; null means absent, `"*"` stands '
        "for every other word",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:
        return {"column": str(value)} if isinstance(value, str | int | float) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("column", "value", "expr") if getattr(self, name) is not None]
        if len(given) != 1:
            raise WrongValueError(Text.of("wrong-one_of", names="column, value, expr"))
        return self

    @field_validator("words", mode="before")
    @classmethod
    def _as_text(cls, words: Any) -> Any:
        """Read YAML's own true, 1 and null as the words they are; a word may stand for nothing."""
        if not isinstance(words, dict):
            return words
        return {_word(key) or "null": _word(word) for key, word in words.items()}

    @field_validator("value", mode="before")
    @classmethod
    def _day_as_text(cls, value: Any) -> Any:
        return value.isoformat() if isinstance(value, date) else value

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        return _zone(name)


@cache
def _zones() -> frozenset[str]:
    """Return every time zone; looking for them walks through a folder of hundreds of files."""
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    zones = _zones()
    if name not in zones:
        near = near_name(name, zones)
        code = "wrong-time_zone.near" if near else "wrong-time_zone.far"
        raise WrongValueError(Text.of(code, name=repr(name), near=repr(near)))
    return name


def _word(value: Any) -> Any:
    """Return a word of YAML as text; null and the empty text are none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | date):
        return str(value)
    return value or None


class LookupSource(Section):
    """Another raw table that says to which account a row belongs, where the row itself names something else."""

    from_: str = Field(alias="from", description="The other raw table or file, e.g. `subscriptions.csv`")
    source: str | None = Field(None, description="The source that has it; default: this table's own")
    column: str = Field(description="Raw column of this table whose value is looked up, e.g. `subscription_id`")
    matches: str | None = Field(None, description="Column of the other table that holds it; default: the same name")
    take: tuple[str, ...] = Field(
        ("account_id",),
        min_length=1,
        description="Columns of the other table that this one gets; they can be mapped like its own",
    )

    @field_validator("take", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class VersionSource(Section):
    """Several raw rows that are versions, or repeats, of one record: the latest counts."""

    of: tuple[str, ...] = Field(min_length=1, description="Raw columns that name the record, e.g. `id`")
    by: str | None = Field(None, description="Raw column of the version's time; without it the rows are repeats")

    @field_validator("of", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class RatesSource(Section):
    """The dated table that turns amounts of other currencies into `currency`."""

    from_: str = Field(alias="from", description="Raw table or file, e.g. `rates.csv`")
    source: str | None = Field(None, description="Name among `sources`; may be left out where there is only one")
    currency: str = Field("currency", description="Raw column of the other currency, e.g. `EUR`")
    since: str = Field("since", description="Raw column of the day from which the rate holds")
    rate: str = Field("rate", description="Raw column of the rate: what one unit of it is worth in `currency`")


class IdentityKeys(Section):
    """A tool's raw table of customers, and its columns that tell which account each one is."""

    from_: str = Field(alias="from", description="Raw table or file, e.g. `organizations.json`")
    source: str | None = Field(None, description="Name among `sources`; default: the key itself")
    preset: str | None = Field(None, description="Preset that knows the columns, e.g. `zendesk/organizations`")
    id: str | None = Field(None, description="Raw column of the tool's own id, as its facts name it")
    account: str | None = Field(None, description="Raw column of the account's id in the leading tool")
    name: str | None = Field(None, description="Raw column of the company's name")
    domain: str | None = Field(None, description="Raw column of web or mail domains, one or a list")

    @model_validator(mode="after")
    def _has_id(self) -> Self:
        if self.preset is None and self.id is None:
            raise WrongValueError(Text.of("wrong-identity"))
        return self


class IdentitiesConfig(Section):
    """Which account a tool's records are: by a file, by ids, then by domain or name where one account alone has it."""

    leading: str | None = Field(
        None, description="Source whose ids are the account ids; default: that of the accounts table"
    )
    file: Path | None = Field(
        None, description="CSV of `source, id, account_id` that a person completed, e.g. what `check` wrote"
    )
    keys: dict[str, IdentityKeys] = Field(
        default_factory=dict, description="Source → its raw table of customers; the leading one's for its names"
    )


class TableSource(Section):
    """Where a canonical table comes from. A list in YAML means several raw tables that feed one canonical table."""

    from_: str = Field(alias="from", description="Raw table or file, e.g. `account.csv`; a glob is allowed")
    source: str | None = Field(None, description="Name among `sources`; may be left out where there is only one")
    preset: str | None = Field(
        None, description="Mapping that is ready, e.g. `zendesk/tickets`; every line here replaces one of it"
    )
    with_: dict[str, str] = Field(
        default_factory=dict,
        alias="with",
        description="Further raw tables that the preset reads, e.g. `{history: ticket_field_history.csv}`",
    )
    versions: VersionSource | None = Field(
        None, description="Several rows are versions of one record, e.g. `{of: id, by: updated_at}`: the latest counts"
    )
    currency: str | None = Field(
        None, description="Raw column of the currency of amounts; others than `currency` are converted with `rates`"
    )
    columns: dict[str, ColumnSource | None] = Field(
        default_factory=dict,
        description="Canonical column → raw column. Raw columns that already have the canonical name need no line; "
        "`null` leaves one out",
    )
    attributes: dict[str, ColumnSource] = Field(
        default_factory=dict, description="Further account attributes to keep (accounts only)"
    )
    via: LookupSource | None = Field(
        None, description="Look the account up in another raw table, e.g. for usage by subscription"
    )
    where: str | None = Field(
        None,
        description="SQL condition on the raw columns: rows that count. One that is neither true nor false, as "
        "`status <> 'draft'` is without a status, leaves the row out: write `status IS DISTINCT FROM 'draft'`",
    )
    equal_rows: Literal["keep", "merge"] = Field(
        "keep",
        description="Rows that are equal in every mapped column and have no id of their own: two facts, or one that "
        "was exported twice",
    )
    header_lines: int = Field(
        1, ge=1, le=20, description="CSV: lines of the header; names stand in the first one, the others are left out"
    )
    ends_at_blank_line: bool = Field(
        False, description="CSV: the rows end at the first empty line, behind which a report has its footer"
    )
    sheet: str | None = Field(None, description="Workbook: name of the sheet; default: the first one")
    encoding: str = Field("utf-8", description="CSV: text encoding, e.g. `cp932`, `latin-1`, `utf-16`")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        None, description="CSV: field separator; by default told from the header line"
    )

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, name: str) -> str:
        try:
            return codecs.lookup(name).name
        except LookupError:
            raise WrongValueError(Text.of("wrong-encoding", name=repr(name))) from None

    also: tuple[TableSource, ...] = Field(
        (), description="Made from a list: further raw tables of the same canonical table, in the list's order"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        if not value or not all(isinstance(part, dict) for part in value):
            raise WrongValueError(Text.of("wrong-parts"))
        return {**value[0], "also": value[1:]}

    @property
    def parts(self) -> tuple[TableSource, ...]:
        """The raw tables, each alone, in order."""
        return (self.model_copy(update={"also": ()}), *self.also)
