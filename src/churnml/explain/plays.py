"""Suggested plays: what to do next, from drivers, phase and touch model; the playbooks are a YAML file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from churnml.errors import ConfigError
from churnml.features.spec import FAMILIES
from churnml.health import PHASES, phase

if TYPE_CHECKING:
    from churnml.explain.explanation import Explanation

__all__ = ["Play", "Playbook", "load_playbooks", "suggest_plays", "touch_model"]

Touch = Literal["high", "low", "tech"]
Words = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Said(_Part):
    """A few words in every language."""

    en: Words
    ja: Words


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
                raise ValueError(f"{name}: unknown word {word!r}; known: {', '.join(known)}")


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


class Step(Said):
    """One step of a playbook."""

    key: str = Field("", max_length=60, description="Name for `after`; default step_1, step_2, …")
    owner: Owner | None = Field(None, description="Who does it; default the playbook's owner")
    due_days: int | None = Field(None, ge=0, description="Working days, once it can begin; default the playbook's")
    after: tuple[str, ...] = Field((), description="Steps that must be done or skipped before")
    automation: str = Field("", description="What does it by itself, where `alerts.automations` says that it runs")
    when: StepTrigger | None = Field(None, description="Only on accounts that fit")


class Playbook(_Part):
    """One playbook."""

    name: Words
    title: Said
    when: Trigger
    owner: Owner = Field(description="Who acts")
    automation: str = Field("", description="Campaign or workflow that does it by itself for accounts in tech touch")
    due_days: int = Field(ge=0, description="Days from the score to the due date")
    steps: tuple[Step, ...] = Field(min_length=1)
    priority: int = Field(50, ge=0, le=100, description="Higher comes first")


@dataclass(frozen=True)
class Play:
    """A playbook suggested for one account.

    Parameters
    ----------
    playbook, title_en, title_ja : str
        The playbook.
    owner : str
        Who acts, a role that there is; ``system`` only where an automation does it.
    due_on : str
        ISO date.
    because : tuple of str
        Features and indicators that matched.
    steps_en, steps_ja : tuple of str
        What to do.
    """

    playbook: str
    title_en: str
    title_ja: str
    owner: str
    due_on: str
    because: tuple[str, ...]
    steps_en: tuple[str, ...]
    steps_ja: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the play as JSON-ready data."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def load_playbooks(path: Path) -> tuple[Playbook, ...]:
    """Read playbooks from a YAML file: a list under ``playbooks``.

    Raises
    ------
    ConfigError
        The file is missing or wrong; the message names the playbook and the key.
    """
    if not path.is_file():
        raise ConfigError("There is no playbook file", where=str(path), remedy="Copy configs/playbooks.yaml.")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        items = data["playbooks"] if isinstance(data, dict) else None
        if not isinstance(items, list) or not items:
            raise ConfigError("The file holds no playbooks", where=str(path), expected="a list under `playbooks`")
        return tuple(Playbook.model_validate(item) for item in items)
    except (yaml.YAMLError, KeyError) as error:
        raise ConfigError("The playbooks are not valid YAML", where=str(path), got=str(error)) from error
    except ValidationError as error:
        fault = error.errors()[0]
        name = fault["input"].get("name", "") if isinstance(fault["input"], dict) else ""
        key = ".".join(str(part) for part in fault["loc"])
        raise ConfigError(
            "A playbook is wrong", where=f"{path}: {key}", got=f"{fault['msg']} {name}".strip()
        ) from error


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
    found = np.full(len(frame), "low", dtype=object)
    if np.isfinite(arr).any():
        middle, top = np.nanquantile(arr, [0.5, 0.9])
        found[arr < middle] = "tech"
        found[arr > top] = "high"
    result = pd.Series(found, index=frame.index, name="touch", dtype=object)
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
    found = []
    for explanation, in_phase, touch in zip(explanations, phases, touches, strict=True):
        plays = []
        for playbook in sorted(playbooks, key=lambda item: -item.priority):
            because = _matches(playbook.when, explanation, str(in_phase), str(touch))
            if because is not None:
                plays.append(_play(playbook, explanation, because, str(in_phase), str(touch)))
        found.append(tuple(plays[:top]))
    return found


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
    due = date.fromisoformat(explanation.as_of) + timedelta(days=playbook.due_days)
    return Play(
        playbook=playbook.name,
        title_en=playbook.title.en,
        title_ja=playbook.title.ja,
        owner=_owner(playbook, touch),
        due_on=due.isoformat(),
        because=because,
        steps_en=tuple(step.en for step in steps),
        steps_ja=tuple(step.ja for step in steps),
    )


def _does(when: StepTrigger, in_phase: str, touch: str, families: set[str]) -> bool:
    return (
        (not when.phases or in_phase in when.phases)
        and (not when.touch or touch in when.touch)
        and (not when.families or bool(families & set(when.families)))
    )
