"""From profiled files to a config that runs: which file is which table, and what still has to be asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from churnml.language import Text
from churnml.sources.discovery.known_tables import Chosen, choose
from churnml.sources.discovery.profiles import ColumnProfile, FileProfile
from churnml.sources.discovery.roles import Fit, best_fits, plain_name
from churnml.sources.presets import presets
from churnml.tables import TABLES

__all__ = ["Match", "Proposal", "identity_files", "propose"]

_WHOLE_STAGES = {"true": "won", "false": "lost"}


@dataclass(frozen=True)
class Match:
    """What one raw file was taken for.

    Parameters
    ----------
    path : str
    rows : int
    table : str
        Canonical table, empty where the file is left out.
    columns : mapping
        Canonical column → what stands in the config for it.
    why : Text or None
        Why it is left out or cannot be read; None where it is used.
    questions : tuple of Text
        What a person has to look at; ``column`` among the arguments is the canonical column that it is about.
    first, last : str
        First and last date in the sample, ISO, empty where there is none.
    accounts_met : float or None
        Share of its accounts that the accounts table knows, or the widest file with accounts where there is none.
    known : str
        Tool and object where it is the export of a known tool, e.g. ``zendesk/tickets``; then a preset maps it.
    with_ : mapping of str to str
        Further raw tables that the preset reads.
    options : mapping
        How the file has to be read, as in the config.
    asks : tuple of str
        What its tool leaves open: ``timezone``, ``date_order``.
    said : mapping of str to str
        What a person has said of these.
    choices : mapping of str to tuple of str
        Canonical column → how it can be read, the way that stands in `columns` first.
    role : {"", "beside", "identities"}
        Of a file without a table what it is for all the same: a preset reads it beside another one, or it says which
        account each record of its tool is. Of one with a table, that such a file does.
    """

    path: str
    rows: int
    table: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    why: Text | None = None
    questions: tuple[Text, ...] = ()
    first: str = ""
    last: str = ""
    accounts_met: float | None = None
    known: str = ""
    with_: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str | bool] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    said: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    role: Literal["", "beside", "identities"] = ""

    @property
    def tool(self) -> str:
        """The tool it comes from; ``files`` where that is not known."""
        return self.known.partition("/")[0] or "files"


@dataclass(frozen=True)
class Proposal:
    """A config that maps a folder of raw files.

    Parameters
    ----------
    name : str
    matches : tuple of Match
        Every file that was looked at.
    churn : {"contractual", "silence"} or ""
        What churn is taken to be; empty where nothing can be predicted from these files.
    questions : tuple of Text
        What concerns the whole config.
    """

    name: str
    matches: tuple[Match, ...]
    churn: str
    questions: tuple[Text, ...]

    @property
    def usable(self) -> bool:
        """Whether there is behaviour, or contracts, to predict from."""
        return bool(self.churn)


def propose(name: str, files: Sequence[FileProfile]) -> Proposal:
    """Say which file is which canonical table.

    A table is given to the file that fits it best; a file that fits no table, or that another fits better, is left out
    and named. Nothing is guessed from a value: a date that can be read in two ways becomes a question.

    Parameters
    ----------
    name : str
        Of the company, for the config.
    files : sequence of FileProfile
        From `churnml.sources.discovery.profile_files`.
    """
    chosen = choose(files)
    taken: dict[str, tuple[FileProfile, Fit]] = {}
    left: dict[str, Text | None] = {file.path: file.fault for file in files if file.fault is not None}
    left |= chosen.left
    parts = (file for own in chosen.tables.values() for file in own if file.known is not None)
    left |= {path: None for file in parts if file.known is not None for _, path in file.known.with_}
    known = {file.path for file in files if file.known is not None and not file.known.fault}
    unknown = [file for file in files if not file.fault and file.path not in known]
    waiting = sorted(
        ((fit, file) for file in unknown for fit in best_fits(file)[:3] if not fit.lacking),
        key=lambda pair: (-pair[0].score, -pair[1].rows, pair[1].path),
    )
    used: set[str] = {file.path for parts in chosen.tables.values() for file in parts}
    for fit, file in waiting:
        if fit.table not in taken and fit.table not in chosen.tables and file.path not in used:
            taken[fit.table] = (file, fit)
            used.add(file.path)
    for file in files:
        if file.path not in used and file.path not in left:
            left[file.path] = _why_not(
                file,
                {**{t: p[0].path for t, p in chosen.tables.items()}, **{t: pair[0].path for t, pair in taken.items()}},
            )
    tables = {table: _match(file, fit) for table, (file, fit) in taken.items()}
    feeding = [*tables, *chosen.tables]
    churn = "contractual" if "subscriptions" in feeding else "silence" if "events" in feeding else ""
    reference = _reference(chosen, taken)
    matches = [_with_join(match, taken[table][0], taken[table][1], reference) for table, match in tables.items()]
    matches += [_known_match(file, reference) for parts in chosen.tables.values() for file in parts]
    matches += [_left_match(file, left[file.path]) for file in files if file.path in left]
    order = {table: at for at, table in enumerate(TABLES)}
    place = {file.path: at for parts in chosen.tables.values() for at, file in enumerate(parts)}
    matches.sort(key=lambda match: (order.get(match.table, 99), place.get(match.path, 0), match.path))
    return Proposal(name, tuple(_with_identities(matches)), churn, _questions(churn, feeding))


def identity_files(matches: Sequence[Match]) -> dict[str, Match]:
    """Return tool → the file that says which account each of its records is, where several tools have their own ids."""
    known = {name for name, one in presets().items() if one.identities is not None}
    tools = {match.tool for match in matches if match.table}
    keys = {match.tool: match for match in reversed(matches) if match.known in known and match.tool in tools}
    accounts = next((match.tool for match in matches if match.table == "accounts"), "")
    return keys if len(keys) > 1 and accounts in keys else {}


def _with_identities(matches: Sequence[Match]) -> list[Match]:
    """Return the matches with what identities do: their files are used, and ids of tools need not be the accounts'."""
    keys = identity_files(matches)
    accounts = next((match.tool for match in matches if match.table == "accounts"), "")
    marked = []
    for match in matches:
        if keys.get(match.tool) is match and not match.table:
            match = replace(match, why=None, role="identities")
        elif match.table and match.tool in keys and match.tool != accounts:
            match = replace(match, accounts_met=None, role="identities")
        marked.append(match)
    return marked


def _known_match(file: FileProfile, reference: frozenset[str]) -> Match:
    """Return the match of an export that a preset maps."""
    known = file.known
    assert known is not None, "only recognised files come here"
    met = round(len(known.accounts & reference) / len(known.accounts), 3) if known.accounts and reference else None
    return Match(
        file.path,
        known.rows,
        known.table,
        {},
        None,
        (),
        known.first,
        known.last,
        met,
        known.name,
        dict(known.with_),
        file.options,
        known.asks,
    )


def _left_match(file: FileProfile, why: Text | None) -> Match:
    """Return the match of a file that feeds no table; without a reason it is read beside one that does."""
    known = file.known
    if known is None:
        return Match(file.path, file.rows, why=why)
    if why is None:
        return Match(file.path, file.rows, known=known.name, role="beside")
    if known.fault:
        why = Text.of("init-why-preset", known=known.name, said=known.fault)
    return Match(file.path, file.rows, why=why, known=known.name)


def _reference(chosen: Chosen, taken: Mapping[str, tuple[FileProfile, Fit]]) -> frozenset[str]:
    """Return the accounts that the others are held against: of the accounts table, else of the widest file."""
    nobody: frozenset[str] = frozenset()
    widths: dict[str, frozenset[str]] = {
        table: nobody.union(*(file.known.accounts for file in parts if file.known is not None))
        for table, parts in chosen.tables.items()
    }
    widths |= {
        table: frozenset(file.column(fit.columns["account_id"]).examples) for table, (file, fit) in taken.items()
    }
    if "accounts" in widths:
        # Ids of Salesforce are the same in 15 and in 18 characters.
        short = {one[:15] for one in widths["accounts"] if re.fullmatch(r"[a-zA-Z0-9]{18}", one)}
        return widths["accounts"] | short
    return max(widths.values(), key=len, default=nobody)


def _why_not(file: FileProfile, taken: Mapping[str, str]) -> Text:
    if not file.rows:
        return Text.of("init-why-empty")
    fits = best_fits(file)
    if not fits:
        return Text.of("init-why-no_table")
    best = fits[0]
    if best.lacking:
        return Text.of("init-why-lacking", table=best.table, columns=", ".join(best.lacking))
    return Text.of("init-why-fits_better", table=best.table, other=taken[best.table])


def _match(file: FileProfile, fit: Fit) -> Match:
    columns: dict[str, Any] = {}
    questions: list[Text] = []
    for canonical, raw in fit.columns.items():
        column = file.column(raw)
        source, asked = _source(canonical, column)
        columns[canonical] = source
        questions += asked
    choices = {
        canonical: tuple(form.split(" or "))
        for canonical, raw in fit.columns.items()
        if " or " in (form := file.column(raw).format)
    }
    if fit.table == "subscriptions" and _contracts(file, fit, columns, questions):
        choices["ends_on"] = ("exclusive", "inclusive")
    if fit.table == "subscriptions" and "seats" in fit.columns:
        questions += _units(file, fit.columns["seats"])
    if fit.table == "opportunities" and "outcome" in columns:
        _outcome(file.column(fit.columns["outcome"]), columns, questions)
    if fit.table in ("tickets", "surveys", "invoices", "opportunities") and f"{fit.table[:-1]}_id" not in columns:
        own = next((column.name for column in file.columns if plain_name(column.name) == "id" and column.unique), None)
        if own is not None:
            columns[f"{fit.table[:-1]}_id"] = own
    for name in (column.name for column in TABLES[fit.table].columns):
        # A raw column that has a canonical name by chance, with content that cannot be it, is left out.
        if name not in columns and any(raw.name == name for raw in file.columns):
            columns[name] = None
    first, last = _span(file, fit)
    return Match(file.path, file.rows, fit.table, columns, None, tuple(questions), first, last, choices=choices)


def _source(canonical: str, column: ColumnProfile) -> tuple[Any, list[Text]]:
    """Return what stands in the config for a column, and what has to be asked about it."""
    if column.expr:
        return {"expr": column.expr.replace("<column>", _quoted(column.name))}, []
    if column.format:
        form, *others = column.format.split(" or ")
        ways, examples = " / ".join((form, *others)), ", ".join(column.examples[:3])
        ask = Text.of("init-look-format", column=canonical, raw=column.name, options=ways, examples=examples)
        return {"column": column.name, "format": form}, [ask] if others else []
    return column.name, []


def _contracts(file: FileProfile, fit: Fit, columns: dict[str, Any], questions: list[Text]) -> bool:
    """Add what contracts need; returns whether their end may be the last day covered."""
    by_name = {plain_name(column.name): column.name for column in file.columns}
    yearly = next((by_name[name] for name in ("arr", "annual_recurring_revenue", "acv") if name in by_name), None)
    if "mrr" not in columns and yearly is not None:
        columns["mrr"] = {"expr": f"{_quoted(yearly)} / 12.0"}
    if "ends_on" not in columns:
        questions.append(Text.of("init-look-no_end"))
        return False
    raw = fit.columns["ends_on"]
    if re.search(r"renewal|current_period", plain_name(raw)):
        return False
    is_last = _last_days(file.column(raw))
    if is_last:
        written = f"{{column: {_quoted(raw)}, inclusive: true}}"
        questions.append(Text.of("init-look-inclusive", column="ends_on", raw=raw, written=written))
    return is_last


def _units(file: FileProfile, quantity: str) -> list[Text]:
    """Ask what counts as seats where a quantity is counted in several units, of which add-ons have others."""
    unit = next((one for one in file.columns if plain_name(one.name) in _UNIT_NAMES and one.kind == "word"), None)
    words = list(dict.fromkeys(unit.examples)) if unit is not None else []
    if unit is None or len(words) < 2:
        return []
    seats = next(
        (word for word in words if re.search(r"user|seat|licen[cs]e|ユーザ|席", word, re.IGNORECASE)), words[0]
    )
    name, word = _quoted(unit.name), seats.replace("'", "''")
    written = f"seats: {{expr: \"CASE WHEN {name} = '{word}' THEN {_quoted(quantity)} END\"}}"
    addon = f"is_addon: {{expr: \"{name} <> '{word}'\"}}"
    units = " / ".join(words[:_MOST_UNITS])
    return [Text.of("init-look-units", column="seats", raw=quantity, units=units, written=written, addon=addon)]


_UNIT_NAMES = ("unit", "units", "uom", "unit_of_measure", "quantity_unit", "単位")
_MOST_UNITS = 5


def _last_days(column: ColumnProfile) -> bool:
    ends = [text for text in column.examples if re.match(r"\d{4}-\d{2}-\d{2}", text)]
    lasts = [text for text in ends if text[5:10] in _MONTH_ENDS]
    return len(ends) >= 5 and len(lasts) * 2 >= len(ends)


_MONTH_ENDS = {
    f"{month:02d}-{day:02d}"
    for month, days in enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1)
    for day in ({days, 29} if month == 2 else {days})
}


def _outcome(column: ColumnProfile, columns: dict[str, Any], questions: list[Text]) -> None:
    words = {}
    for example in column.examples:
        said = example.lower()
        if said in _WHOLE_STAGES or said in ("1", "0"):
            words[example] = "won" if said in ("true", "1") else "lost"
        elif "won" in said:
            words[example] = "won"
        elif "lost" in said:
            words[example] = "lost"
    columns["outcome"] = {"column": column.name, "words": {**words, "*": None}}
    read = ", ".join(f"{word} = {outcome}" for word, outcome in words.items())
    questions.append(Text.of("init-look-outcome", column="outcome", raw=column.name, words=read or "–"))


def _questions(churn: str, tables: Sequence[str]) -> tuple[Text, ...]:
    asked = []
    if not churn:
        asked.append(Text.of("init-look-nothing"))
    if churn == "silence":
        asked.append(Text.of("init-look-silence"))
    if churn == "contractual" and "events" not in tables:
        asked.append(Text.of("init-look-no_usage"))
    return tuple(asked)


def _with_join(match: Match, file: FileProfile, fit: Fit, widest: frozenset[str]) -> Match:
    own = set(file.column(fit.columns["account_id"]).examples)
    return replace(match, accounts_met=round(len(own & widest) / len(own), 3) if own else None)


def _span(file: FileProfile, fit: Fit) -> tuple[str, str]:
    """Return the first and last day of the table's own dates."""
    dated = [
        file.column(fit.columns[name])
        for name in ("occurred_at", "started_on", "opened_at", "sent_at", "issued_on", "created_on", "created_at")
        if name in fit.columns
    ]
    return next(((column.first, column.last) for column in dated if column.first), ("", ""))


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'
