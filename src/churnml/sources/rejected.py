"""Writes the raw rows that are set aside, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from churnml.language import Text, render
from churnml.sources.csv_files import MalformedLines
from churnml.sources.mapping import Mapping
from churnml.sources.sql import identifier, literal
from churnml.tables import CHECKS
from churnml.tables.row_rules import RowRule

__all__ = ["rejected_query"]


def rejected_query(
    mapping: Mapping,
    numbered: Sequence[RowRule],
    late: Sequence[RowRule],
    good: str,
    malformed: MalformedLines,
    *,
    all_columns: bool,
    language: str,
) -> str:
    """Return the query of the rows that are set aside: ``reason``, then raw columns as text.

    Parameters
    ----------
    mapping : Mapping
        The table; its staged rows are in ``staged``.
    numbered : sequence of RowRule
        Rules whose number stands in ``rule_broken``.
    late : sequence of RowRule
        Rules that are told by their condition.
    good : str
        Condition of the rows that are kept.
    malformed : MalformedLines
        Lines of the file that became no row.
    all_columns : bool
        Whether raw columns that the mapping does not read are written, too.
    language : str
        Of the reasons.
    """
    names: Sequence[str] = mapping.raw_columns if all_columns else mapping.used_columns
    columns = [
        f"CAST({identifier(f'column:{name}')} AS VARCHAR) "
        f"AS {identifier('raw_reason' if name.casefold() == 'reason' else name)}"
        for name in names
    ]
    conditions = [(f"rule_broken = {number}", rule) for number, rule in enumerate(numbered)]
    conditions += [(rule.broken, rule) for rule in late]
    whens = " ".join(f"WHEN {condition} THEN {literal(_worded(rule, language))}" for condition, rule in conditions)
    reason = f"CASE {whens} END" if whens else "CAST(NULL AS VARCHAR)"
    query = f"SELECT {', '.join([f'{reason} AS reason', *columns])} FROM staged WHERE NOT ({good})"
    if not malformed.listings:
        return query
    files = ", ".join(literal(str(file)) for file in malformed.listings)
    return f"{query} UNION ALL BY NAME SELECT {_malformed(language)} AS reason FROM read_parquet([{files}])"


def _malformed(language: str) -> str:
    """Return the SQL of the reason of a malformed line: the sentence, with the line's own columns in their places."""
    columns = ("line", "file", "said")  # the last one is the line's text, which may hold anything
    places = {name: f"⟨{name}⟩" for name in columns}
    line, no_object = (
        reduce(
            lambda sql, name: f"replace({sql}, {literal(places[name])}, CAST({name} AS VARCHAR))",
            given,
            literal(render(Text.of(code, **places), language)),
        )
        for code, given in (("data-malformed_line", columns), ("data-malformed_line.json", ("file",)))
    )
    return f"CASE WHEN said IS NULL THEN {no_object} ELSE {line} END"


def _worded(rule: RowRule, language: str) -> str:
    return render(
        Text.of("data-file_reason", code=rule.code, name=CHECKS[rule.code].name, column=rule.column), language
    )
