"""What a preset says: how one object of one tool becomes a canonical table, whichever shape its export has."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from churnml.config import ColumnSource
from churnml.config.section import Section
from churnml.language import Text
from churnml.tables import TABLES

__all__ = ["Alternative", "Keys", "Lookup", "Merged", "Preset", "Versions"]


class Alternative(ColumnSource):
    """One way in which a canonical column can be had; the first whose raw columns are there is taken."""

    formats: tuple[str, ...] = Field(
        (), description="strptime formats that the tool's screens write, told by the values"
    )
    zone: Literal["source", "project"] | None = Field(
        None, description="The raw time carries no zone: `source` must be told, `project` is UTC unless told"
    )


class Lookup(Section):
    """Another raw table that the query reads."""

    object: str = Field(description="The tool and object that it is, e.g. `zendesk/users`")
    gain: str = Field(description="What is known with it: ``preset-gain-<gain>`` of the message catalogue")

    @property
    def said(self) -> Text:
        """What is known with it."""
        return Text.of(f"preset-gain-{self.gain}")


class Merged(Section):
    """How the tool says which records were merged into which."""

    reads: tuple[str, ...] = Field(description="Raw columns of ``own``; those that are not there are absent")
    query: str = Field(description="SQL of ``old`` and ``survivor`` over ``own``")


class Versions(Section):
    """Raw columns that name a record, and those of which the first that is there orders its versions."""

    of: tuple[str, ...]
    by: tuple[str, ...] = ()

    @field_validator("of", "by", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class Keys(Section):
    """Raw columns by which a record of the tool can be known as an account; of each the first that is there."""

    id: tuple[str, ...] = Field(description="The tool's own id")
    account: tuple[str, ...] = Field((), description="The account's id in the leading tool, kept by this one")
    name: tuple[str, ...] = Field((), description="Name of the company")
    domain: tuple[str, ...] = Field((), description="Web or mail domain, or a list of them")

    @field_validator("id", "account", "name", "domain", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        values = (value,) if isinstance(value, str) else value
        return tuple(each for each in values if isinstance(each, str)) if isinstance(values, list | tuple) else values


class Preset(Section):
    """One object of one tool."""

    about: str
    table: str
    documentation: str
    recognised_by: tuple[tuple[str, ...], ...] = Field(min_length=1)
    header_lines: int = 1
    ends_at_blank_line: bool = False
    reads: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    lookups: dict[str, Lookup] = Field(default_factory=dict)
    query: str | None = None
    versions: Versions | None = None
    where: tuple[str, ...] = ()
    merged: Merged | None = None
    columns: dict[str, tuple[Alternative, ...]]
    currency: tuple[str, ...] = ()
    identities: Keys | None = None

    @field_validator("columns", mode="before")
    @classmethod
    def _alternatives(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: _written_out(each) for name, each in value.items()}

    @field_validator("currency", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_the_table(self) -> Self:
        if self.table not in TABLES:
            raise ValueError(f"there is no canonical table {self.table!r}")
        unknown = [name for name in self.columns if name not in TABLES[self.table].column_names]
        if unknown:
            raise ValueError(f"{self.table} has no column {unknown[0]!r}")
        if {*self.lookups} - {*self.reads} or (self.query is None and (self.reads or self.lookups)):
            raise ValueError("`reads` lists the columns of `own` and of every lookup of a `query`")
        return self


def _written_out(value: Any) -> Any:
    """Return a tuple of alternatives: of one, of a list, or of ``any`` with what they have in common."""
    if isinstance(value, list | tuple):
        return tuple(value)
    if isinstance(value, dict) and "any" in value:
        common = {key: each for key, each in value.items() if key != "any"}
        return tuple(
            {**common, **(one if isinstance(one, dict) else {"column": one})} for one in _written_out(value["any"])
        )
    return (value,)
