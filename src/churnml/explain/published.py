"""An explanation at the edge: in one language for a reader, in every language for what is published as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from churnml.explain.driver import Driver
from churnml.explain.explanation import Explanation
from churnml.language import Text, languages, phrases

__all__ = ["published", "published_driver", "spoken_reasons"]


def published(explanation: Explanation, said_in: Sequence[str] | None = None) -> dict[str, Any]:
    """Return an explanation as JSON-ready data, each sentence under its name and the language: ``summary_en``.

    `said_in` are the languages; by default all that there are.
    """
    wanted = languages() if said_in is None else tuple(said_in)
    data: dict[str, Any] = explanation.model_dump(
        mode="json", exclude={"raising", "lowering", "context", "indicators", "reasons", "summary"}
    )
    if explanation.target != "churn":
        renamed = {"churn_probability": f"{explanation.target}_probability"}
        data = {renamed.get(name, name): value for name, value in data.items()}
    for language in wanted:
        say = phrases(language).text
        data[f"reasons_{language}"] = [say(reason) for reason in explanation.reasons]
        data[f"summary_{language}"] = say(explanation.summary)
        data[f"told_{language}"] = [say(text) for text in explanation.sentences]
        other = explanation.other_signals
        data[f"other_signals_{language}"] = None if other is None else say(other)
    for name in ("raising", "lowering", "context"):
        data[name] = [published_driver(driver, wanted) for driver in getattr(explanation, name)]
    data["indicators"] = [
        {"code": item.code, "feature": item.feature, "value": item.value, **_said("text", item.text, wanted)}
        for item in explanation.indicators
    ]
    return data


def published_driver(driver: Driver, said_in: Sequence[str] | None = None) -> dict[str, Any]:
    """Return a driver as JSON-ready data, its words in every language, or in those that are asked for."""
    wanted = languages() if said_in is None else tuple(said_in)
    data: dict[str, Any] = driver.model_dump(mode="json", exclude={"label", "sentence", "comparison"})
    for name in ("label", "sentence", "comparison"):
        data |= _said(name, getattr(driver, name), wanted)
    return data


def spoken_reasons(body: Mapping[str, Any], language: str) -> list[str]:
    """Return what a reader is told of the risk; of an explanation stored by an earlier version, facts and drivers.

    Examples
    --------
    >>> spoken_reasons({"told_en": ["Notice has been given"]}, "en")
    ['Notice has been given']
    >>> spoken_reasons({"indicators": [], "raising": [{"sentence_en": "No logins"}]}, "en")
    ['No logins']
    """
    if f"told_{language}" in body:
        return list(body[f"told_{language}"])
    facts = [item[f"text_{language}"] for item in body["indicators"]]
    return [*facts, *(item[f"sentence_{language}"] for item in body["raising"])]


def _said(name: str, text: Text | None, wanted: Sequence[str]) -> dict[str, str | None]:
    return {f"{name}_{language}": None if text is None else phrases(language).text(text) for language in wanted}
