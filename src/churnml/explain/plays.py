"""Suggested plays: what to do next, from drivers, phase and touch model; the playbooks are a YAML file."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from churnml.errors import ConfigError, near_name
from churnml.explain.play import Play
from churnml.features.spec import FAMILIES
from churnml.health import PHASES, phase
from churnml.language import Text, Words, WrongValueError, one_of, validation_fault

if TYPE_CHECKING:
    from churnml.explain.explanation import Explanation

__all__ = ["Play", "Playbook", "load_playbooks", "plays_of", "read_playbooks", "suggest_plays", "touch_model"]

Touch = Literal["high", "low", "tech"]
Name = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _said(given: Any) -> Any:
    """Return words in several languages, given as a mapping or as the same words for all."""
    if isinstance(given, str) and given.strip():
        return Words(by_language={"": given})
    if isinstance(given, Mapping) and "by_language" not in given:
        if not given or not all(isinstance(said, str) and said.strip() for said in given.values()):
            raise WrongValueError(Text.of("wrong-words"))
        return Words(by_language=dict(given))
    return given


Said = Annotated[Words, BeforeValidator(_said)]
"""A few words by language; a language that is not there reads the first."""
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")


class Trigger(_Part):
    """When a playbook fits. Every list that is given must match; an empty list matches everything."""

    families: tuple[str, ...] = Field((), description="A risk-raising driver of one of these families")
    measures: tuple[str, ...] = Field((), description="A risk-raising driver led by one of these features; * allowed")
    indicators: tuple[str, ...] = Field((), description="One of these risk indicators")
    phases: tuple[str, ...] = Field((), description="The account is in one of these phases")
    touch: tuple[Touch, ...] = Field((), description="The account is looked after in one of these ways")
    bands: tuple[Literal["red", "yellow", "green", "unknown"], ...] = Field((), description="Health band")
    alerts: tuple[str, ...] = Field((), description="Alerts that it answers to; it becomes their tasks")

    @model_validator(mode="after")
    def _known_words(self) -> Trigger:
        _refuse_unknown(("families", self.families, FAMILIES), ("phases", self.phases, PHASES))
        return self

    @property
    def of_alerts_alone(self) -> bool:
        """Nothing but an alert calls for it."""
        return bool(self.alerts) and not (self.families or self.measures or self.indicators or self.phases)


def _refuse_unknown(*lists: tuple[str, Sequence[str], Collection[str]]) -> None:
    for name, given, known in lists:
        for word in given:
            if word not in known:
                raise WrongValueError(
                    Text.of("wrong-unknown_name.far", place=name, name=repr(word), known=", ".join(known))
                )


Owner = Literal["csm", "team", "system", "support", "finance", "manager", "sales"]


class StepTrigger(_Part):
    """On which accounts a step is done. Every list that is given must match; an empty list matches everything."""

    families: tuple[str, ...] = Field((), description="A risk-raising driver of one of these families")
    phases: tuple[str, ...] = Field((), description="The account is in one of these phases")
    touch: tuple[Touch, ...] = Field((), description="The account is looked after in one of these ways")

    @model_validator(mode="after")
    def _known_words(self) -> StepTrigger:
        _refuse_unknown(("families", self.families, FAMILIES), ("phases", self.phases, PHASES))
        return self


class Step(_Part):
    """One step of a playbook. Its words stand under the codes of their languages, ``en: …``, or under ``words``."""

    words: Said = Field(description="What to do, by language: `{en: …, ja: …}`, or these keys on the step itself")
    key: str = Field("", max_length=60, description="Name for `after`; default step_1, step_2, …")
    owner: Owner | None = Field(None, description="Who does it; default the playbook's owner")
    due_days: int | None = Field(None, ge=0, description="Working days, once it can begin; default the playbook's")
    after: tuple[str, ...] = Field((), description="Steps that must be done or skipped before")
    automation: str = Field("", description="What does it by itself, where `alerts.automations` says that it runs")
    when: StepTrigger | None = Field(None, description="Only on accounts that fit")

    @model_validator(mode="before")
    @classmethod
    def _languages(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or "words" in given:
            return given
        own = {str(name): value for name, value in given.items()}
        said = [name for name in own if name not in cls.model_fields and _LANGUAGE.fullmatch(name)]
        return {"words": {name: own.pop(name) for name in said}, **own} if said else own


class Playbook(_Part):
    """One playbook."""

    name: Name
    title: Said
    when: Trigger
    owner: Owner = Field(description="Who acts")
    automation: str = Field("", description="Campaign or workflow that does it by itself for accounts in tech touch")
    due_days: int = Field(ge=0, description="Days from the score to the due date")
    steps: tuple[Step, ...] = Field(min_length=1)
    priority: int = Field(50, ge=0, le=100, description="Higher comes first")


def load_playbooks(path: Path) -> tuple[Playbook, ...]:
    """Read playbooks from a YAML file: a list under ``playbooks``.

    A file beside it that is named after a language, ``playbooks.de.yaml``, has the words of that language:
    ``playbook: {title: …, steps: […]}`` for each playbook by its name, the steps in order.

    Raises
    ------
    ConfigError
        The file is missing or wrong; the message names the playbook and the key.
    """
    if not path.is_file():
        raise ConfigError(Text.of("fault-no_playbook_file"), where=str(path))
    playbooks = read_playbooks(path.read_text(encoding="utf-8"), str(path))
    try:
        for file in sorted(path.parent.glob(f"{path.stem}.*{path.suffix}")):
            playbooks = _translated(playbooks, file, file.name.removeprefix(f"{path.stem}.").removesuffix(path.suffix))
    except yaml.YAMLError as error:
        raise ConfigError(Text.of("fault-playbooks_yaml"), where=str(path), got=str(error)) from error
    return tuple(playbooks)


def read_playbooks(text: str, where: str) -> list[Playbook]:
    """Read playbooks from the text of a file, without what stands beside it; see `load_playbooks`.

    Raises
    ------
    ConfigError
        The text is wrong; `where` names its place.
    """
    try:
        data = yaml.safe_load(text)
        items = data.get("playbooks") if isinstance(data, dict) else None
        if not isinstance(items, list) or not items:
            raise ConfigError(Text.of("fault-no_playbooks"), where=where)
        return [Playbook.model_validate(item) for item in items]
    except yaml.YAMLError as error:
        raise ConfigError(Text.of("fault-playbooks_yaml"), where=where, got=str(error)) from error
    except ValidationError as error:
        fault = error.errors()[0]
        name = fault["input"].get("name", "") if isinstance(fault["input"], dict) else ""
        key = ".".join(str(part) for part in fault["loc"])
        said = validation_fault(fault)
        raise ConfigError(
            Text.of("fault-playbook_wrong"),
            where=f"{where}: {key}",
            got=Text.of("fault-playbook_wrong.named", fault=said, name=name) if name else said,
        ) from error


def _translated(playbooks: Sequence[Playbook], file: Path, language: str) -> list[Playbook]:
    """Return the playbooks with a language's words from a file of its own."""
    data = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    given = {str(name): said for name, said in data.items()} if isinstance(data, dict) else {}
    by_name = {playbook.name: playbook for playbook in playbooks}
    for name, said in given.items():
        playbook = by_name.get(name)
        steps = said.get("steps") if isinstance(said, dict) else None
        whole = playbook is not None and isinstance(steps, list) and len(steps) == len(playbook.steps)
        if playbook is None or not whole or not isinstance(said.get("title"), str):
            near = near_name(name, by_name)
            raise ConfigError(
                Text.of("fault-translation"),
                where=f"{file}: {name}",
                got=Text.of("fault-translation.none" if playbook is None else "fault-translation.unlike"),
                expected=one_of((), near if playbook is None else None) or Text.of("fault-translation.form"),
                code="playbooks.translation",
            )
        spoken = [
            step.model_copy(update={"words": _also(step.words, language, str(words))})
            for step, words in zip(playbook.steps, steps or (), strict=True)
        ]
        title = _also(playbook.title, language, said["title"])
        by_name[name] = playbook.model_copy(update={"title": title, "steps": tuple(spoken)})
    return list(by_name.values())


def _also(words: Words, language: str, said: str) -> Words:
    return Words(by_language={**words.by_language, language: said})


def touch_model(frame: pd.DataFrame) -> pd.Series:
    """Return how each account is looked after: the company's own word, else by contract value.

    Without ``attr_touch_model`` an ARR below the median of those known gets tech touch, and one above their 90th
    percentile high touch; all others, and an account whose ARR is not known, get low touch.

    Examples
    --------
    >>> touch_model(pd.DataFrame({"arr": [1.0, 2.0, 3.0, 90.0]})).tolist()
    ['tech', 'tech', 'low', 'high']

    Where all pay the same, nobody is below the median:

    >>> touch_model(pd.DataFrame({"arr": [5.0, 5.0, 5.0, float("nan")]})).tolist()
    ['low', 'low', 'low', 'low']
    """
    arr = frame["arr"].to_numpy(dtype=float) if "arr" in frame else np.full(len(frame), np.nan)
    touches = np.full(len(frame), "low", dtype=object)
    if np.isfinite(arr).any():
        middle, top = np.nanquantile(arr, [0.5, 0.9])
        touches[arr < middle] = "tech"
        touches[arr > top] = "high"
    result = pd.Series(touches, index=frame.index, name="touch", dtype=object)
    if "attr_touch_model" in frame:
        own = frame["attr_touch_model"].astype("object")
        known = own.isin(["high", "low", "tech"])
        result = own.where(known, result)
    return result


def suggest_plays(
    explanations: Sequence[Explanation], frame: pd.DataFrame, playbooks: Sequence[Playbook], *, top: int = 2
) -> list[tuple[Play, ...]]:
    """Suggest playbooks for each explained account, the highest priority first.

    Tech touch never makes a task for one person: what no automation does there is the team's.

    Parameters
    ----------
    explanations : sequence of Explanation
        Of the frame's rows, in order.
    frame : DataFrame
        Feature frame, for phase and touch model.
    playbooks : sequence of Playbook
        From `load_playbooks`.
    top : int
        Plays per account at most.
    """
    phases, touches = phase(frame).tolist(), touch_model(frame).tolist()
    return [
        plays_of(explanation, str(in_phase), str(touch), playbooks, top=top)
        for explanation, in_phase, touch in zip(explanations, phases, touches, strict=True)
    ]


def plays_of(
    explanation: Explanation, in_phase: str, touch: str, playbooks: Sequence[Playbook], *, top: int = 2
) -> tuple[Play, ...]:
    """Suggest playbooks for one explained account, see `suggest_plays`.

    Parameters
    ----------
    explanation : Explanation
    in_phase, touch : str
        Its phase and touch model.
    playbooks, top
        As in `suggest_plays`.
    """
    matched = (
        (playbook, because)
        for playbook in sorted(playbooks, key=lambda item: -item.priority)
        if (because := _matches(playbook.when, explanation, in_phase, touch)) is not None
    )
    return tuple(_play(playbook, explanation, because, in_phase, touch) for playbook, because in islice(matched, top))


def _matches(when: Trigger, explanation: Explanation, in_phase: str, touch: str) -> tuple[str, ...] | None:
    """Return what matched, or None where the trigger does not fit."""
    if when.of_alerts_alone or (when.phases and in_phase not in when.phases):
        return None
    if when.touch and touch not in when.touch:
        return None
    if when.bands and explanation.band not in when.bands:
        return None
    because: list[str] = []
    if when.indicators:
        because += [fact.code for fact in explanation.indicators if fact.code in when.indicators]
        if not because:
            return None
    if when.families or when.measures:
        drivers = [
            driver.feature
            for driver in (*explanation.raising, *(item for item in explanation.context if item.effect_points > 0))
            if (not when.families or driver.family in when.families)
            and (not when.measures or any(_like(driver.feature, pattern) for pattern in when.measures))
        ]
        if not drivers:
            return None
        because += drivers
    return tuple(because)


def _like(name: str, pattern: str) -> bool:
    return name.startswith(pattern.removesuffix("*")) if pattern.endswith("*") else name == pattern


def _owner(playbook: Playbook, touch: str) -> str:
    if touch != "tech":
        return playbook.owner
    if playbook.automation:
        return "system"
    return "team" if playbook.owner == "csm" else playbook.owner


def _play(playbook: Playbook, explanation: Explanation, because: tuple[str, ...], in_phase: str, touch: str) -> Play:
    families = {driver.family for driver in explanation.raising}
    steps = [step for step in playbook.steps if step.when is None or _does(step.when, in_phase, touch, families)]
    due = explanation.as_of + timedelta(days=playbook.due_days)
    return Play(
        playbook=playbook.name,
        title=playbook.title,
        owner=_owner(playbook, touch),
        due_on=due.isoformat(),
        because=because,
        steps=tuple(step.words for step in steps),
    )


def _does(when: StepTrigger, in_phase: str, touch: str, families: set[str]) -> bool:
    return (
        (not when.phases or in_phase in when.phases)
        and (not when.touch or touch in when.touch)
        and (not when.families or bool(families & set(when.families)))
    )
