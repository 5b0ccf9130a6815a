"""Reads the SQL that users write in `expr` and `where`: which raw columns it names, and as what each is meant.

A text column whose values are all numbers is calculated with as a number and compared as the text it is: ids keep
their leading zeros, their decimals and all of their digits. Which of the two an occurrence means is told from the
syntax around it (sqlglot); DuckDB then has the last word, since the other reading is taken where the first makes no
sense to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from churnml.language import Text
from churnml.sources.sql import identifier, problem

__all__ = ["ColumnType", "bind", "columns_of", "mentioned", "with_nulls"]

_Use = Literal["text", "number", "equal", "free"]

_EQUALITY = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ, exp.In, exp.Like, exp.ILike, exp.Is)
_ORDER = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.Greatest, exp.Least, exp.Max, exp.Min)
_ARITHMETIC = (
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Pow,
    exp.Sum, exp.Avg,
)  # fmt: skip
_TEXT = (
    exp.DPipe, exp.Concat, exp.ConcatWs, exp.Lower, exp.Upper, exp.Substring, exp.Left, exp.Right, exp.Length, exp.Trim,
    exp.RegexpLike, exp.RegexpReplace, exp.RegexpExtract, exp.Pad, exp.StartsWith, exp.EndsWith, exp.Replace, exp.Split,
    exp.SplitPart,
)  # fmt: skip
_TRANSPARENT = (exp.Paren, exp.Coalesce, exp.If, exp.Case, exp.Nullif)


@dataclass(frozen=True)
class ColumnType:
    """What SQL can take a raw column for.

    Parameters
    ----------
    sql : str
        DuckDB type with which to calculate.
    is_text : bool
        Whether the raw values are text.
    exact : bool
        Whether writing the calculated value back gives the same text for every value.
    """

    sql: str
    is_text: bool = True
    exact: bool = True

    @property
    def is_number(self) -> bool:
        """Tell whether text values are all numbers, so that both readings are open."""
        return self.is_text and self.sql in ("BIGINT", "HUGEINT", "DOUBLE")


@dataclass(frozen=True)
class _Occurrence:
    name: str
    start: int
    end: int
    use: _Use


def _parsed(sql: str) -> exp.Expr | None:
    try:
        return sqlglot.parse_one(sql, dialect="duckdb")
    except (SqlglotError, RecursionError, ValueError):
        return None


def mentioned(sql: str, columns: Iterable[str]) -> list[str]:
    """Return the raw columns that a piece of SQL names, in the columns' order.

    Examples
    --------
    >>> mentioned("CASE WHEN kind = 'state' THEN lower(Code) END", ["code", "kind", "state"])
    ['code', 'kind']
    """
    tree = _parsed(sql)
    if tree is not None:
        names = {node.name.casefold() for node in tree.find_all(exp.Identifier)}
    else:  # a dialect that sqlglot does not follow: every word may be a column
        try:
            tokens = sqlglot.tokenize(sql, dialect="duckdb")
        except (SqlglotError, ValueError):
            return list(columns)
        names = {token.text.casefold() for token in tokens}
    return [name for name in columns if name.casefold() in names]


def columns_of(sql: str) -> list[str]:
    r"""Return the names of all columns that a piece of SQL reads.

    Examples
    --------
    >>> columns_of("CASE WHEN is_true(IsClosed) THEN \"Close Date\" END")
    ['Close Date', 'IsClosed']
    """
    tree = _parsed(sql)
    columns = tree.find_all(exp.Column) if tree is not None else ()
    return sorted({column.name for column in columns if not column.find_ancestor(exp.Lambda)})


def _occurrences(tree: exp.Expr) -> list[_Occurrence]:
    places = []
    for column in tree.find_all(exp.Column):
        place = column.this.meta
        if column.table or "start" not in place or _inside_query(column):
            continue
        places.append(_Occurrence(column.name, place["start"], place["end"] + 1, _use(column)))
    return places


def _inside_query(node: exp.Expr) -> bool:
    return node.find_ancestor(exp.Select, exp.Lambda) is not None


def _use(column: exp.Expr) -> _Use:
    """Tell from the syntax around a column as what it is meant."""
    node: exp.Expr = column
    while node.parent is not None:
        parent = node.parent
        if isinstance(parent, _EQUALITY):
            return _compared(parent, node)
        if isinstance(parent, exp.Cast):
            return "text" if parent.to.is_type(*exp.DataType.TEXT_TYPES) else "number"
        if isinstance(parent, (*_ORDER, *_ARITHMETIC)):
            return "number"
        if isinstance(parent, _TEXT):
            return "text"
        if not isinstance(parent, _TRANSPARENT) or (isinstance(parent, exp.If) and node.arg_key == "this"):
            return "free"
        if isinstance(parent, exp.Case) and node.arg_key == "this":  # CASE code WHEN '007' THEN …
            literals = [each.this for each in parent.args.get("ifs", [])]
            return "text" if any(isinstance(each, exp.Literal) and each.is_string for each in literals) else "equal"
        node = parent
    return "free"


def _compared(comparison: exp.Expr, side: exp.Expr) -> _Use:
    others = [each for each in comparison.iter_expressions() if each is not side]
    literals = [each for each in others for each in ([each] if not isinstance(each, exp.Tuple) else each.expressions)]
    if any(isinstance(each, exp.Literal) and each.is_string for each in literals):
        return "text"
    if any(isinstance(each, exp.Literal | exp.Neg) for each in literals):
        return "number"
    return "equal"


def bind(
    db: duckdb.DuckDBPyConnection,
    sql: str,
    types: Mapping[str, ColumnType],
    base: str,
    where: str,
    *,
    wants_text: bool,
    ids: frozenset[str] = frozenset(),
) -> str:
    """Return a user's SQL with every column in the reading that is meant.

    Parameters
    ----------
    db : DuckDB connection
        Checks that the SQL makes sense.
    sql : str
        An expression or a condition.
    types : mapping of str to ColumnType
        The raw columns it names.
    base : str
        A query with every column as it is calculated with (``x``) and as it stands (``column:x``).
    where : str
        Its key in the config.
    wants_text : bool
        Whether the result is an id or a text.
    ids : frozenset of str
        Raw columns that are ids, in lower case.

    Raises
    ------
    DataError
        DuckDB cannot make sense of it.
    """
    tree = _parsed(sql)
    occurrences = _occurrences(tree) if tree is not None else []
    by_name = {name.casefold(): name for name, kind in types.items() if kind.is_number}
    open_ = [each for each in occurrences if each.name.casefold() in by_name]

    def meant(each: _Occurrence) -> bool:
        kind = types[by_name[each.name.casefold()]]
        if each.use == "equal":
            return not kind.exact and (wants_text or each.name.casefold() in ids)
        return each.use == "text" or (each.use == "free" and wants_text)

    readings = [[each for each in open_ if meant(each)], [], open_]
    first: duckdb.Error | None = None
    for reading in readings:
        candidate = _replaced(sql, reading, by_name)
        try:
            db.execute(f"DESCRIBE SELECT ({candidate}) FROM ({base})")
        except duckdb.Error as error:
            first = first or error
            continue
        return candidate
    assert first is not None
    raise problem("CHK005", Text.of("data-sql"), where=where, got=f"{sql!r}: {str(first).splitlines()[0]}") from first


def _replaced(sql: str, occurrences: list[_Occurrence], by_name: Mapping[str, str]) -> str:
    """Let some occurrences of columns stand for the text as it is."""
    for each in sorted(occurrences, key=lambda each: -each.start):
        sql = f"{sql[: each.start]}{identifier('column:' + by_name[each.name.casefold()])}{sql[each.end :]}"
    return sql


def with_nulls(condition: str) -> str | None:
    """Return a condition that also lets rows through whose value is absent, where ``<>`` is what leaves them out.

    Examples
    --------
    >>> with_nulls("status <> 'draft' AND mrr > 0")
    "status IS DISTINCT FROM 'draft' AND mrr > 0"
    >>> with_nulls("mrr > 0")
    """
    tree = _parsed(condition)
    if tree is None or not any(isinstance(node, exp.NEQ) for node in tree.walk()):
        return None
    changed = tree.transform(
        lambda node: exp.NullSafeNEQ(this=node.this, expression=node.expression) if isinstance(node, exp.NEQ) else node
    )
    return changed.sql(dialect="duckdb")
