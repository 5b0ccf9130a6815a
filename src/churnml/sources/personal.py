"""Which columns look personal, and personal data kept out of what is printed, logged and learnt from."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import duckdb

from churnml.language import Several, Text
from churnml.tables import CHECKS, CheckResult

if TYPE_CHECKING:
    from churnml.errors import DataError

__all__ = [
    "PersonalColumn", "kind_by_name", "kind_by_values", "masked", "notes_of_personal", "personal_columns",
    "refuse_personal_words", "results_of_personal",
]  # fmt: skip

_NAMES = {
    "e-mail address": "e?mails? e_mail mail_address mailaddress courriel correo メール メールアドレス 邮箱",
    "phone number": "phone telephone tel telefon telefono mobile handy fax 電話 電話番号 携帯 手机",
    "person's name": "first_name last_name full_name firstname lastname fullname surname given_name family_name "
    "contact_name person_name vorname nachname prenom nom_de_famille nombre apellido apellidos cognome "
    "氏名 姓 名 姓名 担当者名",
    "IP address": "ip ip_address ipaddress ip_addr client_ip remote_addr remote_ip",
    "birthday": "birthday birthdate date_of_birth dob geburtsdatum geburtstag date_de_naissance 生年月日",
    "postal address": "street street_address home_address postal_address strasse straße adresse direccion 住所 番地",
    "identity number": "ssn social_security passport passport_number national_id tax_id iban マイナンバー",
}
_CODES = dict(zip(_NAMES, ("email", "phone", "person", "ip", "birthday", "address", "identity"), strict=True))
_BY_NAME = {
    kind: re.compile(rf"(?:^|_)(?:{'|'.join(words.split())})(?:_|$|\d)", re.IGNORECASE)
    for kind, words in _NAMES.items()
}
_ABOUT = re.compile(
    r"(?:^|_)(?:opens?|opened|clicks?|clicked|sent|counts?|rate|share|status|verified|enabled|consent)(?:_|$)"
)
"""What such a name says of acts and settings is no person's data."""

_MAIL = r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"
_IP = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}"
_PHONE = r"\+\d[\d ().-]{7,17}\d|\(\d{2,5}\)[ -]?\d[\d -]{5,12}\d|0\d{1,4}-\d{1,4}-\d{3,4}"
_BY_VALUE = {
    "e-mail address": re.compile(_MAIL),
    "IP address": re.compile(_IP),
    "phone number": re.compile(_PHONE),
}
_ANYWHERE = re.compile(rf"(?<![\w.])(?:{_MAIL}|{_IP}|{_PHONE})(?![\w])")
_SAMPLE = 1000
_SHARE = 0.2
"""Share of a column's distinct words from which it counts as personal; a few stray ones may be."""

WORDS = {
    "events": ("event_type",),
    "accounts": ("industry", "country", "segment", "plan"),
    "subscriptions": ("product", "plan"),
    "tickets": ("category", "priority"),
    "touchpoints": ("channel",),
    "contacts": ("role",),
    "campaign_events": ("kind",),
    "opportunities": ("kind",),
}
"""Columns whose words become features, parts of their names, or sentences of reports."""


@dataclass(frozen=True)
class PersonalColumn:
    """A column that looks personal: of a canonical table, by its raw name or by its values."""

    table: str
    column: str
    kind: str
    by: str


def kind_by_name(name: str) -> str | None:
    """Return what a column of this name usually holds of a person, or None.

    Examples
    --------
    >>> kind_by_name("Requester E-mail"), kind_by_name("telefonNummer"), kind_by_name("担当者 メール")
    ('e-mail address', 'phone number', 'e-mail address')
    >>> kind_by_name("shipments"), kind_by_name("email_opens_28d"), kind_by_name("tips")
    (None, None, None)
    """
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    snake = re.sub(r"e-mail", "email", snake, flags=re.IGNORECASE)
    snake = re.sub(r"[^\w]+", "_", snake).strip("_").lower()
    if _ABOUT.search(snake):
        return None
    return next((kind for kind, pattern in _BY_NAME.items() if pattern.search(snake)), None)


def kind_by_values(values: Sequence[str]) -> str | None:
    """Return what the values of a column are of a person, or None.

    Examples
    --------
    >>> kind_by_values(["ann@acme.example", "bob@acme.example"]), kind_by_values(["10.0.0.1"])
    ('e-mail address', 'IP address')
    >>> kind_by_values(["+49 89 1234567", "03-1234-5678"]), kind_by_values(["2024-01-02", "1.2.3", "login"])
    ('phone number', None)
    """
    for kind, pattern in _BY_VALUE.items():
        # An address is one wherever it stands; digits with dots and signs are many things inside a sentence.
        match = pattern.search if kind == "e-mail address" else pattern.fullmatch
        hits = sum(match(value.strip()) is not None for value in values)
        if values and hits / len(values) >= _SHARE:
            return kind
    return None


@overload
def masked(text: str) -> str: ...


@overload
def masked(text: Text) -> Text: ...


@overload
def masked(text: str | Text) -> str | Text: ...


def masked(text: str | Text) -> str | Text:
    """Return a text of the terminal or the log, in words or not yet, without addresses and numbers of persons.

    Examples
    --------
    >>> masked("12 rows, e.g. 'ann.lee@acme.example' or +49 89 1234567, of 10.1.2.3")
    "12 rows, e.g. '[personal]' or [personal], of [personal]"
    >>> masked("2024-01-02 03:04, version 1.2.3, 1,234,567 rows")
    '2024-01-02 03:04, version 1.2.3, 1,234,567 rows'
    """
    if isinstance(text, str):
        return _ANYWHERE.sub("[personal]", text)
    return text.rewritten(masked)


def personal_columns(
    db: duckdb.DuckDBPyConnection, folder: Path, used: Mapping[str, Sequence[str]]
) -> list[PersonalColumn]:
    """Return the columns that look personal, of tables that were just validated.

    Parameters
    ----------
    db : DuckDB connection
    folder : Path
        Of the canonical Parquet files.
    used : mapping of str to sequence of str
        Canonical table → raw columns that its mapping reads.
    """
    personal = []
    for table, names in used.items():
        named = ((name, kind_by_name(name)) for name in names)
        personal += [PersonalColumn(table, name, kind, "name") for name, kind in named if kind is not None]
        known = {one.column for one in personal if one.table == table}
        for column, values in _words(db, folder / f"{table}.parquet"):
            kind = kind_by_values(values)
            if kind is not None and column not in known:
                personal.append(PersonalColumn(table, column, kind, "values"))
    return personal


def notes_of_personal(personal: Sequence[PersonalColumn]) -> list[Text]:
    """Say which columns look personal, and no value of them."""
    tables: dict[str, list[Text]] = {}
    for one in personal:
        said = Text.of(f"data-personal_column.{one.by}", column=one.column, kind=_kind(one.kind))
        tables.setdefault(one.table, []).append(said)
    remedy = CHECKS["CHK050"].remedy
    return [
        Text.of("data-personal", table=table, columns=Several(parts=tuple(columns)), remedy=remedy)
        for table, columns in tables.items()
    ]


def _kind(kind: str) -> Text:
    return Text.of(f"personal-{_CODES[kind]}")


def results_of_personal(tables: Sequence[str], personal: Sequence[PersonalColumn]) -> list[CheckResult]:
    """Return how the check went on each table."""
    named = {one.table: one.column for one in personal}
    return [CheckResult("CHK050", name, named.get(name, ""), "failed" if name in named else "ok", 0) for name in tables]


def refuse_personal_words(
    db: duckdb.DuckDBPyConnection, folder: Path, tables: Sequence[str], attributes: Mapping[str, str]
) -> None:
    """Refuse personal data where words become features, event types or sentences.

    Parameters
    ----------
    db : DuckDB connection
    folder : Path
    tables : sequence of str
        Canonical tables.
    attributes : mapping of str to str
        Extra attribute of accounts → its raw column.

    Raises
    ------
    DataError
        CHK051: the message names table, column and kind, and no value.
    """
    for table in tables:
        watched = {*WORDS.get(table, ()), *(attributes if table == "accounts" else ())}
        for column, values in _words(db, folder / f"{table}.parquet", watched):
            kind = kind_by_values(values)
            if kind is None and column in attributes and len(values) > _FEW:
                # Many different words under such a name are persons; a few are kinds, or yes and no.
                kind = kind_by_name(attributes[column]) or kind_by_name(column)
            if kind is not None:
                raise _personal(table, column, kind)


_FEW = 20


def _words(
    db: duckdb.DuckDBPyConnection, file: Path, columns: Collection[str] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Yield each text column, or those of some columns, with some of its distinct values."""
    from churnml.sources.sql import described, identifier, literal

    rows = f"read_parquet({literal(str(file))})"
    texts = [
        name for name, kind in described(db, rows).items() if kind == "VARCHAR" and (columns is None or name in columns)
    ]
    if not texts:
        return
    some = ", ".join(
        f"(SELECT list(v) FROM (SELECT DISTINCT {column} AS v FROM {rows} WHERE {column} IS NOT NULL LIMIT {_SAMPLE}))"
        for column in map(identifier, texts)
    )
    values_of = db.execute(f"SELECT {some}").fetchone() or ()
    for name, values in zip(texts, values_of, strict=True):
        yield name, values or []


def _personal(table: str, column: str, kind: str) -> DataError:
    from churnml.sources.sql import problem

    place = "attributes" if (column not in WORDS.get(table, ())) else "columns"
    return problem(
        "CHK051",
        Text.of("data-personal_words", table=table, column=column, kind=_kind(kind)),
        where=f"tables.{table}.{place}.{column}",
    )
