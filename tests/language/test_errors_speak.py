"""An error is a sentence of the catalogue: no room raises one in plain English."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, Field, ValidationError

import churnml
from churnml.errors import ChurnmlError, ConfigError, DataError
from churnml.language import catalogue, error_lines, languages, said_text, validation_fault

ROOT = Path(churnml.__file__).parent
ALLOWED = {
    "language/catalogue.py": "the catalogue cannot speak of its own mistakes",
    "language/phrases.py": "the catalogue cannot speak of its own mistakes",
}
BY_PROGRAMMERS = {
    "deliveries/adapter.py": "an adapter without a method that it needs",
    "evaluation/survival.py": "a call from Python",
    "explain/reference.py": "becomes a BundleError of the catalogue where it is read",
    "health/scale.py": "becomes a BundleError of the catalogue where it is read",
    "language/catalogue.py": "the catalogue cannot speak of its own mistakes",
    "metrics/predictions.py": "a call from Python, as numpy refuses it",
    "monitoring/seasons.py": "a call from Python",
    "retention/residual.py": "a call from Python; the command has bounds of its own",
    "serving/people/oidc.py": "a log's line; who signs in reads a problem of the catalogue",
    "snapshots/decisions.py": "a call from Python",
    "sources/presets/preset.py": "churnml's own presets, all of which a test reads",
    "store/schema/base.py": "a call from Python",
    "training/estimator.py": "scikit-learn's words, which its own checks look for",
    "training/hazard.py": "becomes a BundleError of the catalogue where it is read",
    "training/rules.py": "becomes a BundleError of the catalogue where it is read",
    "training/survival.py": "a call from Python",
}
"""Where a ValueError or TypeError has words of its own, and who reads it; everybody else reads a `WrongValueError`."""
FIELDS = ("where", "got", "expected", "remedy")
NO_LANGUAGE = re.compile(r"(pip install|chmod) .*|--[a-z]+( --?[a-z]+)*.*|[a-z_.]+: [a-z]+|models promote")
"""What is typed as it stands: commands, options, keys of the config."""


def errors(base: type[ChurnmlError] = ChurnmlError) -> Iterator[str]:
    """Yield the name of a class of errors and of those below it."""
    yield base.__name__
    for one in base.__subclasses__():
        yield from errors(one)


def plain(node: ast.AST | None) -> bool:
    """Return whether an expression is words of its own."""
    if isinstance(node, ast.IfExp):
        return plain(node.body) or plain(node.orelse)
    if isinstance(node, ast.BoolOp):
        return any(map(plain, node.values))
    if isinstance(node, ast.BinOp):
        return plain(node.left) or plain(node.right)
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.Constant) for part in node.values)
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def sentence(node: ast.AST) -> bool:
    """Return whether an expression is two words or more of its own, and nothing to be typed as it stands."""
    if not plain(node):
        return False
    said = " ".join(
        str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )
    return bool(re.search(r"[A-Za-z]{2,} [a-z]{2,}", said)) and not NO_LANGUAGE.fullmatch(said)


def spoken(source: str, names: set[str]) -> list[str]:
    """Return each error that is made of plain words in a module."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in names:
            given = {word.arg: word.value for word in node.keywords}
            first = node.args[0] if node.args else given.get("what")
            faults += [f"{node.lineno}: {ast.unparse(first)}"] if first is not None and plain(first) else []
            faults += [
                f"{node.lineno}: {field}={ast.unparse(given[field])}"
                for field in FIELDS
                if field in given and sentence(given[field])
            ]
    return faults


def test_no_error_is_raised_in_plain_words() -> None:
    names = {"ApiError", "Busy", *errors()}
    faults = [
        f"{path.relative_to(ROOT)}:{fault}"
        for path in sorted(ROOT.rglob("*.py"))
        if str(path.relative_to(ROOT)) not in ALLOWED
        for fault in spoken(path.read_text(encoding="utf-8"), names)
    ]
    assert faults == []
    for module in ALLOWED:
        assert spoken((ROOT / module).read_text(encoding="utf-8"), names), f"{module} needs no exception any more"


def test_no_value_is_refused_in_plain_words() -> None:
    names = {"ValueError", "TypeError", "WrongValueError"}
    faults = {
        str(path.relative_to(ROOT)): found
        for path in sorted(ROOT.rglob("*.py"))
        if (found := spoken(path.read_text(encoding="utf-8"), names))
    }
    assert {module: found for module, found in faults.items() if module not in BY_PROGRAMMERS} == {}
    assert set(BY_PROGRAMMERS) <= set(faults), "a module needs no exception any more"


def test_a_kind_of_fault_of_our_own_is_in_the_catalogue() -> None:
    kinds = [
        f"validation-{node.args[0].value}"
        for path in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "PydanticCustomError"
        if isinstance(node.args[0], ast.Constant)
    ]
    assert kinds
    assert set(kinds) <= catalogue("en").codes


@pytest.mark.parametrize(
    "source",
    [
        "DataError('it is wrong')",
        "DataError(f'{n} are wrong')",
        "errors.DataError('wrong')",
        "DataError('one' if many else Text.of('x'))",
        "DataError(Text.of('x'), remedy='Do something else.')",
        "DataError(Text.of('x'), expected=near or f'one of {known}')",
    ],
)
def test_plain_words_are_seen(source: str) -> None:
    assert spoken(source, {"DataError"})


def test_what_is_typed_as_it_stands_is_no_sentence() -> None:
    source = "DataError(Text.of('x'), where='tables.events', got=str(n), remedy=f'pip install {name}')"
    assert spoken(source, {"DataError"}) == []


class Body(BaseModel, extra="forbid"):
    """What is asked in these tests."""

    name: str = Field("a", min_length=1, max_length=3, strict=True)
    share: float = Field(0.0, ge=0, lt=1)
    rows: int = 1


@pytest.mark.parametrize(
    ("given", "japanese"),
    [
        ({"name": ""}, "1文字以上の文字列でなければなりません"),
        ({"name": "long"}, "3文字以下の文字列でなければなりません"),
        ({"share": -1}, "0以上でなければなりません"),
        ({"share": 1}, "1より小さくなければなりません"),
        ({"rows": 1.5}, "整数でなければなりません（小数部があります）"),
        ({"other": 1}, "この項目は使えません"),
        ({"share": "x"}, "数値でなければなりません（文字列を数値として読めません）"),
    ],
)
def test_a_fault_of_a_body_is_told_in_each_language(given: dict[str, object], japanese: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Body.model_validate(given)
    (fault,) = refused.value.errors()
    said = validation_fault(fault)
    assert said_text(said, "en") == fault["msg"]
    assert said_text(said, "ja") == japanese


def test_a_whole_error_is_told_in_each_language(tmp_path: Path) -> None:
    from churnml.config import load_config

    config = "name: acme\nsead: 1\nlabel: {churn: never}\nhealth: {red_below: 80, green_from: 70}\n"
    (tmp_path / "a.yaml").write_text(config, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(tmp_path / "a.yaml")
    english, japanese = (error_lines(refused.value, language) for language in ("en", "ja"))
    assert "The config is wrong:\n  - " in english
    assert "sead: there is no such key. Did you mean 'seed'?" in english
    assert "設定に誤りがあります：\n  - " in japanese
    assert "sead：そのキーはありません。'seed'ではありませんか。" in japanese
    assert "label.churn：次のいずれかでなければなりません：" in japanese
    assert "health: red_below (80.0) must be under green_from (70.0)" in english
    assert "health：red_below（80.0）はgreen_from（70.0）より小さくなければなりません" in japanese


@pytest.mark.parametrize("language", languages())
def test_every_sentence_of_an_error_has_its_parts(language: str) -> None:
    from churnml.language import Text

    error = DataError(Text.of("fault-no_label", days=90))
    assert {"what", "expected", "remedy"} <= set(error.said)
    assert "90" in said_text(error.said["expected"], language)
    assert catalogue(language).codes >= {"fault-no_label", "fault-no_label.expected", "fault-no_label.remedy"}
