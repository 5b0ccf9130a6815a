"""A text says nothing in any language until it is rendered; numbers are written as each language writes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from fluent.syntax import FluentParser
from fluent.syntax import ast as fluent
from pydantic import TypeAdapter

import churnml
from churnml.errors import UsageError
from churnml.language import (
    Argument,
    Catalogue,
    Day,
    Quantity,
    Several,
    Text,
    catalogue,
    day,
    languages,
    percent,
    phrases,
    render,
    using,
    words,
)
from churnml.language.numbers import money, rounded


def test_a_text_is_data() -> None:
    text = Text.of(
        "reason-window-before",
        now=Text.of("m-logins.now", n=Quantity(value=1, unit="logins")),
        n=Quantity(value=1, unit="logins"),
        days=Quantity(value=28, unit="days"),
        before=Quantity(value=12, unit="logins"),
    )
    again = Text.model_validate_json(text.model_dump_json())
    assert again == text
    assert render(again, "en") == "1 login in the last 28 days, 12 in the 28 days before"
    assert render(again, "ja") == "過去28日間のログインは1回（その前の28日間は12回）"


def test_every_kind_of_argument_survives_json() -> None:
    adapter: TypeAdapter[Argument] = TypeAdapter(Argument)
    for value in (
        "plain",
        Quantity(value=0.5, unit="share"),
        Day(on="2026-08-01"),
        words({"en": "automations", "ja": "自動化"}),
        Several(parts=(Text.of("band-red"), "x")),
    ):
        assert adapter.validate_json(adapter.dump_json(value)) == value
    assert render(Several(parts=(Text.of("band-red"), Text.of("band-green"))), "ja") == "赤、緑"


@pytest.mark.parametrize(
    ("unit", "value", "english", "japanese"),
    [
        ("users", 1, "1 user", "1人"),
        ("users", 2, "2 users", "2人"),
        ("tickets", 1200, "1,200 tickets", "1,200件"),
        ("share", 0.25, "25 %", "25%"),
        ("widgets", 1, "1 widget", "1件"),
        ("widgets", 3, "3 widgets", "3件"),
        ("GB", 1.5, "1.5 GB", "1.5GB"),
        ("hours", 12.34, "12.3 hours", "12.3時間"),
        ("add-ons", 1, "1 add-on", "1件"),
        ("days", 1.04, "1 day", "1日"),
    ],
)
def test_quantities_agree_with_their_unit(unit: str, value: float, english: str, japanese: str) -> None:
    said = Text.of("now-other", label="x", n=Quantity(value=value, unit=unit))
    assert render(said, "en") == f"x: {english}"
    assert render(said, "ja") == f"xは{japanese}"


def test_numbers_are_no_finer_than_they_deserve() -> None:
    assert [rounded(value, unit)[0] for value, unit in ((14.04, "users"), (0.022, "events"), (0.0042, "share"))] == [
        14.0,
        0.022,
        0.4,
    ]
    assert percent(0.0, "en") == "0 %"
    assert money(-1200.0, "CHF", "en") == "−1,200 CHF"
    assert money(5.0, "EUR", "ja") == "€5"


def test_a_third_language_is_one_file() -> None:
    """A copy of the English file with other words, and Babel's own way to write numbers and dates."""
    source = (
        "band-red = rot\nunit-days =\n    { $n ->\n        [one] { $n } Tag\n       *[other] { $n } Tage\n    }\n"
        "sample = { $share } seit { $on }, { $worth } in { AMOUNT($days) }\n"
    )
    with using(Catalogue("de", source)):
        assert "de" in languages()
        said = Text.of(
            "sample",
            share=Quantity(value=0.645, unit="share"),
            on=Day(on="2026-08-01"),
            worth=Quantity(value=12345, unit="currency", currency="EUR"),
            days=Quantity(value=1, unit="days"),
        )
        assert render(said, "de") == "64\xa0% seit 1. August 2026, 12.345\xa0€ in 1 Tag"
    assert "de" not in languages()
    with pytest.raises(UsageError, match="no language 'de'"):
        phrases("de")


def test_mistakes_in_messages_are_named() -> None:
    with pytest.raises(UsageError, match=r"band-red"):
        render(Text.of("band-rde"), "en")
    with pytest.raises(UsageError, match=r"cannot be put into words(.|\n)*days"):
        render(Text.of("reason-window", now="x", n=1), "en")
    with using(Catalogue("xx", "broken = { $n ->\n")), pytest.raises(UsageError, match="cannot be read"):
        phrases("xx")("broken")


@pytest.mark.parametrize("language", languages())
def test_messages_read_one_by_one_are_those_of_the_whole_file(language: str) -> None:
    source = (files("churnml.language") / "messages" / f"{language}.ftl").read_text(encoding="utf-8")
    whole = [entry for entry in FluentParser().parse(source).body if not isinstance(entry, fluent.BaseComment)]
    assert not [entry.content for entry in whole if isinstance(entry, fluent.Junk)]
    read = catalogue(language)
    codes = set()
    for entry in whole:
        name = ("-" if isinstance(entry, fluent.Term) else "") + entry.id.name
        assert read.entry(name).equals(entry, ignored_fields=["span", "comment"]), name
        if isinstance(entry, fluent.Message):
            codes |= {name} if entry.value is not None else set()
            codes |= {f"{name}.{attribute.id.name}" for attribute in entry.attributes}
    assert read.codes == codes


def test_a_message_that_stands_twice_is_refused() -> None:
    with using(Catalogue("xx", "a = one\na = two\n")), pytest.raises(UsageError, match="'a' twice"):
        phrases("xx")("a")


def _arguments(language: str, code: str) -> set[str]:
    entry, _, attribute = code.partition(".")
    found = catalogue(language).entry(entry)
    pattern = next(item.value for item in found.attributes if item.id.name == attribute) if attribute else found.value
    return set(re.findall(r"'name': '(\w+)'", repr(pattern.to_json()))) if pattern else set()


def _required(language: str) -> set[str]:
    """Codes that every language has to have: forms of a measure beside its own words are the language's choice."""
    own = re.compile(r"^m-.*\.(window|state)(-\w+)*$|^unit-.*\.again$")
    return {code for code in catalogue(language).codes if not own.match(code)}


@pytest.mark.parametrize("language", languages())
def test_every_language_has_every_message(language: str) -> None:
    assert _required(language) == _required("en")


def test_words_of_a_company_read_the_first_where_a_language_is_missing() -> None:
    assert [words({"en": "seats"}).spoken(code) for code in ("en", "ja")] == ["seats", "seats"]
    assert render(words("Basic"), "ja") == "Basic"


def test_days() -> None:
    assert (day("2026-08-01", "en"), day("2026-12-24T00:00:00", "ja")) == ("1 August 2026", "2026年12月24日")


_SAID_LATER = {"kind-few": {"many"}, "kind-blend": {"many", "judged_on", "weight"}}
"""What `Text.saying` adds once it is known."""


def _said_later(code: str) -> set[str]:
    return {"w"} if code.endswith(".meaning") else _SAID_LATER.get(code, set())


def _variables(code: str) -> set[str]:
    entry, _, attribute = code.partition(".")
    found = catalogue("en").entry(entry)
    pattern = next(item.value for item in found.attributes if item.id.name == attribute) if attribute else found.value
    named = r"'name': '(\w+)', 'type': 'Identifier'}, 'type': 'VariableReference'"
    return set(re.findall(named, repr(pattern.to_json())))


def _calls_of_text() -> Iterator[tuple[str, str, set[str]]]:
    """Yield where, code and arguments of each `Text.of("…", name=…)` in the package that names them all."""
    root = Path(churnml.__file__).parent
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("Text"), attr="of"),
                    args=[ast.Constant(str(code))],
                    keywords=given,
                ) if all(one.arg for one in given):
                    yield f"{path.relative_to(root)}:{node.lineno}", code, {str(one.arg) for one in given}


def test_a_text_in_the_code_brings_what_its_message_speaks_of() -> None:
    calls = list(_calls_of_text())
    assert len(calls) > 100
    wrong = [
        f"{where}: {code} lacks {', '.join(sorted(lacking))}"
        for where, code, given in calls
        if code in catalogue("en").codes and (lacking := _variables(code) - given - _said_later(code))
    ]
    unknown = [
        f"{where}: no message {code}" for where, code, _ in calls if code not in {*catalogue("en").codes, "words"}
    ]
    assert not [*wrong, *unknown]
