"""Playbooks speak any language: words by language on a step, the same words for all, or a file of one language."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from churnml.errors import ConfigError
from churnml.explain import load_playbooks

BOOK = {
    "name": "call",
    "title": {"en": "Call", "ja": "電話"},
    "when": {"indicators": ["silence"]},
    "owner": "csm",
    "due_days": 3,
    "steps": [{"en": "Ask", "ja": "聞く"}, {"words": "Write", "key": "write"}, {"de": "Danken", "en": "Thank"}],
}


def written(folder: Path, book: dict[str, object], **languages: object) -> Path:
    path = folder / "playbooks.yaml"
    path.write_text(yaml.safe_dump({"playbooks": [book]}, allow_unicode=True), encoding="utf-8")
    for language, said in languages.items():
        (folder / f"playbooks.{language}.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
    return path


def test_words_stand_by_language_or_for_all_languages(tmp_path: Path) -> None:
    (book,) = load_playbooks(written(tmp_path, BOOK))
    assert [book.title.spoken(language) for language in ("en", "ja", "fr")] == ["Call", "電話", "Call"]
    assert [step.words.spoken("ja") for step in book.steps] == ["聞く", "Write", "Danken"]
    assert [step.key for step in book.steps] == ["", "write", ""]


def test_a_third_language_is_one_file(tmp_path: Path) -> None:
    french = {"call": {"title": "Appeler", "steps": ["Demander", "Écrire", "Remercier"]}}
    (book,) = load_playbooks(written(tmp_path, BOOK, fr=french))
    assert book.title.spoken("fr") == "Appeler"
    assert [step.words.spoken("fr") for step in book.steps] == french["call"]["steps"]
    assert book.steps[0].words.spoken("ja") == "聞く"


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"cal": {"title": "Appeler", "steps": ["a", "b", "c"]}}, "'call'?"),
        ({"call": {"title": "Appeler", "steps": ["a"]}}, "another number of steps"),
        ({"call": "Appeler"}, "another number of steps"),
    ],
)
def test_a_translation_that_does_not_fit_is_refused(tmp_path: Path, said: object, fault: str) -> None:
    with pytest.raises(ConfigError, match="does not fit") as caught:
        load_playbooks(written(tmp_path, BOOK, fr=said))
    assert fault in str(caught.value)
    assert "playbooks.fr.yaml" in str(caught.value)


@pytest.mark.parametrize("step", [{"key": "x"}, {"en": ""}, {"en": "Ask", "ownr": "csm"}, {"words": {}}])
def test_a_step_without_words_or_with_a_misspelt_key_is_refused(tmp_path: Path, step: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="A playbook is wrong"):
        load_playbooks(written(tmp_path, {**BOOK, "steps": [step]}))
