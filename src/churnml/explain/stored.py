"""An explanation as it is stored: codes with their arguments, which any language puts into words where it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from churnml.errors import DataError
from churnml.explain.explanation import Explanation
from churnml.explain.published import published
from churnml.language import Text, has_words, languages, phrases

__all__ = ["brief", "stored", "worded"]

_FORMAT = 2
_PROBABILITY = "churn_probability"
_FIRST = "en"
"""Explanations of format 1 hold their words; of a language that was not there then, they say it in this one."""


def stored(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON-ready data without any words: of the reasons the codes and their arguments."""
    data = {"format": _FORMAT, **explanation.model_dump(mode="json")}
    own = f"{explanation.target}_probability"
    return {own if name == _PROBABILITY else name: value for name, value in data.items()}


def worded(document: Mapping[str, Any], said_in: Sequence[str] | None = None) -> dict[str, Any]:
    """Return a stored explanation with its sentences in words, as `published` publishes it.

    Parameters
    ----------
    document : mapping
        From `stored`, with what else is stored beside it (plays, trend, change), or an explanation that an earlier
        version stored in words; that keeps them.
    said_in : sequence of str, optional
        Languages; default all that there are.

    Raises
    ------
    DataError
        It was stored by a version whose codes this one does not know.
    """
    wanted = languages() if said_in is None else said_in
    if "format" not in document:
        return _with_languages(document, wanted)
    explanation = _read(document, wanted)
    known = {*Explanation.model_fields, _own(document), "format"}
    beside = {name: value for name, value in document.items() if name not in known}
    if "plays" in beside:
        from churnml.explain.play import Play

        beside["plays"] = [Play.stored(play).published(wanted) for play in beside["plays"]]
    return {**published(explanation, wanted), **beside}


def brief(document: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Return of `worded` in one language what lists and tools are told: what limited the score, summary and trend.

    Raises
    ------
    DataError
        As in `worded`.
    """
    if "format" not in document:
        names = {f"reasons_{language}", f"summary_{language}", "trend"}
        return {name: value for name, value in worded(document, [language]).items() if name in names}
    explanation, say = _read(document, [language]), phrases(language).text
    return {
        f"reasons_{language}": [say(reason) for reason in explanation.reasons],
        f"summary_{language}": say(explanation.summary),
        **({"trend": document["trend"]} if "trend" in document else {}),
    }


def _read(document: Mapping[str, Any], wanted: Sequence[str]) -> Explanation:
    """Return the explanation that was stored; of one that a language has no words for, what is said instead."""
    if document["format"] != _FORMAT:
        raise _unreadable(document, f"format {document['format']}")
    try:
        explanation = Explanation.model_validate({**document, _PROBABILITY: document.get(_own(document))})
    except ValidationError as error:
        raise _unreadable(document, str(error.errors()[0]["msg"])) from error
    if _sayable(explanation, wanted):
        return explanation
    gone = {"raising": (), "lowering": (), "context": (), "reasons": (), "indicators": (), "other_points": None}
    return explanation.model_copy(update={**gone, "summary": Text.of("summary-unreadable")})


def _own(document: Mapping[str, Any]) -> str:
    """Return under which name a document holds its probability."""
    return f"{document.get('target', 'churn')}_probability"


def _sayable(explanation: Explanation, wanted: Sequence[str]) -> bool:
    """Tell whether every text has its message: a later version may have dropped one."""
    drivers = (*explanation.raising, *explanation.lowering, *explanation.context)
    texts = [explanation.summary, *explanation.reasons, *(item.text for item in explanation.indicators)]
    texts += [text for driver in drivers for text in (driver.label, driver.sentence, driver.comparison) if text]
    return all(has_words(text, language) for text in texts for language in wanted)


def _with_languages(document: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    """Fill in the languages that there were none of when an explanation was stored in words."""
    ending = f"_{_FIRST}"
    missing = [language for language in wanted if f"summary_{language}" not in document]
    if f"summary{ending}" not in document or not missing:
        return dict(document)

    def filled(part: Any) -> Any:
        if isinstance(part, list):
            return [filled(one) for one in part]
        if not isinstance(part, Mapping):
            return part
        own = {name: filled(value) for name, value in part.items()}
        said = {name.removesuffix(ending): value for name, value in own.items() if name.endswith(ending)}
        return {**{f"{name}_{language}": value for name, value in said.items() for language in missing}, **own}

    complete: dict[str, Any] = filled(document)
    return complete


def _unreadable(document: Mapping[str, Any], got: str) -> DataError:
    return DataError(
        Text.of("fault-explanation_format", format=str(_FORMAT)),
        where=Text.of(
            "fault-explanation_format.where", account=repr(document.get("account_id")), as_of=str(document.get("as_of"))
        ),
        got=got,
        code="store.explanation_format",
    )
