"""The explanations of a scoring: each account is explained, written and packed in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from churnml.assessment import Assessments, Champion
from churnml.config import Config
from churnml.explain import Explanation, load_playbooks, plays_of, touch_model
from churnml.explain.stored import stored
from churnml.files import write_array
from churnml.health import phase
from churnml.language import Text, phrases
from churnml.store import Documents
from churnml.store.packing import document_text

__all__ = ["Beside", "Explained", "explain_accounts"]

Beside = Callable[[str], dict[str, Any]]
"""Gives what is stored beside an account's explanation."""


@dataclass
class Explained:
    """What is kept of the explanations, one entry an account, in the order in which they were asked for.

    Parameters
    ----------
    documents : Documents
        The explanations as they are stored.
    why : list
        The first thing that a reader is told of the risk, a stored text; None where there is none.
    families : list of dict
        Family of features → its net effect.
    reasons, drivers : list of list of str
        What a reader is told, and each driver, in the config's language.
    """

    documents: Documents = field(default_factory=Documents)
    why: list[dict[str, Any] | None] = field(default_factory=list)
    families: list[dict[str, float]] = field(default_factory=list)
    reasons: list[list[str]] = field(default_factory=list)
    drivers: list[list[str]] = field(default_factory=list)


def explain_accounts(
    config: Config,
    champion: Champion,
    now: pd.DataFrame,
    judged: Assessments,
    before: pd.DataFrame,
    order: Sequence[int],
    beside: Sequence[Beside],
    file: Path,
) -> Explained:
    """Explain the rows of a frame in an order, and write them into a file of JSON, one account a line.

    Parameters
    ----------
    now, before : DataFrame
        Feature frames of the accounts, and of an earlier date.
    judged : Assessments
        Of `now`.
    order : sequence of int
        Positions in `now`.
    beside : sequence of callable
        What is stored beside each explanation, by account.
    file : Path
        In it stand codes for programs, which any language can say, and for a reader what is told in the config's own.
    """
    explained = Explained()
    say = phrases(config.language).text

    def texts() -> Iterator[str]:
        for explanation, document in _documents(config, champion, now, judged, before, order, beside):
            drivers = [driver.sentence for driver in (*explanation.raising, *explanation.lowering)]
            words = _said_once((*explanation.sentences, *drivers), say)
            reasons = [words[id(text)] for text in explanation.sentences]
            text = explained.documents.add(explanation.account_id, document)
            explained.why.append(_why(document))
            explained.families.append(document["families"])
            explained.reasons.append(reasons)
            explained.drivers.append([words[id(text)] for text in drivers])
            in_words = {"language": config.language, "summary": say(explanation.summary), "reasons": reasons}
            # The file holds what the store does, and the words beside it: a large document becomes JSON once.
            yield f'{text[:-1]},"in_words":{document_text(in_words)}}}'

    write_array(file, texts())
    return explained


def _documents(
    config: Config,
    champion: Champion,
    now: pd.DataFrame,
    judged: Assessments,
    before: pd.DataFrame,
    order: Sequence[int],
    beside: Sequence[Beside],
) -> Iterator[tuple[Explanation, dict[str, Any]]]:
    """Give each explanation and how it is stored, with the plays that answer to the risk."""
    # Playbooks answer to risk; the store and all that reads it are about churn.
    named = config.playbooks if config.label.target == "churn" else None
    playbooks = load_playbooks(config.resolve(named)) if named is not None else ()
    phases, touches = phase(now).tolist(), touch_model(now).tolist()
    for row, explanation in zip(order, champion.explanations(now, judged, before, order), strict=True):
        plays = plays_of(explanation, str(phases[row]), str(touches[row]), playbooks)
        document = {**stored(explanation), "plays": [play.as_stored() for play in plays]}
        for of in beside:
            document |= of(explanation.account_id)
        yield explanation, document


def _said_once(texts: Iterable[Text], say: Callable[[Text], str]) -> dict[int, str]:
    """Return each text in words, by its identity: most drivers are reasons, too."""
    return {place: say(text) for place, text in {id(text): text for text in texts}.items()}


def _why(document: dict[str, Any]) -> dict[str, Any] | None:
    """Return the first thing that a reader is told of the risk, as a text to put into words."""
    for part, name in ((document["indicators"], "text"), (document["raising"], "sentence")):
        for one in part:
            text: dict[str, Any] = one[name]
            return text
    return None
