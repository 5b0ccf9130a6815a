"""What a person, or a program on a person's behalf, is told of an error: each of its fields in words."""

from __future__ import annotations

from collections.abc import Iterable

from churnml.errors import ChurnmlError, Said
from churnml.language.phrases import phrases
from churnml.language.text import Text

__all__ = ["error_fields", "error_lines", "error_record", "error_text", "one_of", "said_text"]

_AFTER = ("where", "got", "expected", "remedy")


def said_text(said: Said, language: str) -> str:
    """Return a field of an error in words; what is not of the catalogue stands as it is.

    Examples
    --------
    >>> said_text(Text.of("band-red"), "ja"), said_text("accounts.csv", "ja")
    ('赤', 'accounts.csv')
    """
    return phrases(language).text(said) if isinstance(said, Text) else str(said)


def one_of(names: Iterable[str], near: str | None = None) -> Text | None:
    """Return what would have been right: the name that is nearly what was given, else all there are.

    Examples
    --------
    >>> str(one_of(("red", "green"), "red")), str(one_of(("red", "green"))), one_of(())
    ("did you mean 'red'?", 'one of red, green', None)
    """
    if near:
        return Text.of("error-near", near=repr(near))
    joined = ", ".join(names)
    return Text.of("error-one_of", names=joined) if joined else None


def error_fields(error: ChurnmlError, language: str) -> dict[str, str]:
    """Return the error as a flat JSON-ready mapping in a language, empty fields left out.

    Examples
    --------
    >>> error_fields(ChurnmlError(Text.of("band-red"), where="accounts.csv", code="x"), "ja")
    {'code': 'x', 'what': '赤', 'where': 'accounts.csv'}
    """
    return {"code": error.code, **{name: said_text(said, language) for name, said in error.said.items()}}


def error_record(error: ChurnmlError) -> dict[str, object]:
    """Return the error as JSON-ready data to be stored: sentences as data, so that each reader gets their language.

    Examples
    --------
    >>> error_record(ChurnmlError("No such file", remedy=Text.of("band-red"), code="x"))["remedy"]["code"]
    'band-red'
    """
    stored = {
        name: said.model_dump(mode="json") if isinstance(said, Text) else str(said) for name, said in error.said.items()
    }
    return {"code": error.code, **stored}


def error_text(error: ChurnmlError) -> Text:
    """Return the whole error as one text: what is wrong, then one line for each other field.

    Examples
    --------
    >>> print(error_text(ChurnmlError("No such file", where="a.csv")))
    No such file
      where:    a.csv
    """
    text = Text.of("words", words=error.said["what"])
    for name in _AFTER:
        if name in error.said:
            text = Text.of(f"error-line.{name}", before=text, said=error.said[name])
    return text


def error_lines(error: ChurnmlError, language: str) -> str:
    """Return the error as it is printed: what is wrong, then one line for each other field.

    Examples
    --------
    >>> print(error_lines(ChurnmlError("No such file", where="a.csv"), "en"))
    No such file
      where:    a.csv
    """
    return phrases(language).text(error_text(error))
