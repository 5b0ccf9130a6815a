"""What is stored of an explanation are codes: any language says it later, also one that was not there then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any

import pandas as pd
import pytest
from pydantic import TypeAdapter

from churnml.errors import DataError
from churnml.explain import Explanation, explain
from churnml.explain.movement import ChangePart, ScoreChange, ScoreTrend, change_of, movement, trend_of
from churnml.explain.plays import Play
from churnml.explain.published import published
from churnml.explain.stored import brief, stored, worded
from churnml.language import Catalogue, Text, Words, languages, render, using
from churnml.reports import change_sentence
from churnml.store import AccountScore, Snapshot, Store


@pytest.fixture(scope="module")
def told(world: Any) -> Explanation:
    row = int(world.scores["churn_probability"].to_numpy().argmax())
    return explain(
        world.model,
        world.frame,
        scores=world.scores,
        health=world.health,
        scale=world.scale,
        reference=world.reference,
    )[row]


@pytest.fixture
def _third_language() -> Iterator[None]:
    source = (files("churnml.language") / "messages" / "en.ftl").read_text(encoding="utf-8")
    with using(Catalogue("xx", source.replace("churn probability", "XX probability"))):
        yield


def through_json(document: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(document))
    return made


def test_stored_it_holds_no_words_and_read_it_says_what_it_said(told: Explanation) -> None:
    title, step = Words(by_language={"en": "Call", "ja": "電話"}), Words(by_language={"en": "Ask", "ja": "聞く"})
    play = Play("x", title, "csm", "2026-01-05", ("nps_last",), (step,))
    document = through_json({**stored(told), "plays": [TypeAdapter(Play).dump_python(play)]})
    assert told.raising
    text = json.dumps(document)
    for driver in published(told)["raising"]:
        assert driver["sentence_en"] not in text
    read = worded(document)
    assert read == through_json({**published(told), "plays": [play.published(languages())]})


def test_another_target_has_its_own_name(told: Explanation) -> None:
    document = through_json(stored(told.model_copy(update={"target": "expansion"})))
    assert "churn_probability" not in document
    read = worded(document)
    assert read["expansion_probability"] == told.churn_probability
    assert "churn_probability" not in read


def test_only_the_languages_asked_for_are_put_into_words(told: Explanation) -> None:
    read = worded(stored(told), ["ja"])
    assert "summary_ja" in read
    assert "summary_en" not in read
    assert "sentence_en" not in read["raising"][0]


@pytest.mark.usefixtures("_third_language")
def test_a_language_that_came_later_says_it_too(told: Explanation) -> None:
    with Store("sqlite://") as store:
        scores = pd.DataFrame(
            {
                "account_id": [told.account_id],
                "churn_probability": 0.2,
                "health_score": 55.0,
                "band": "yellow",
                "coverage": 1.0,
            }
        )
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        number = store.publish(Snapshot("t", date(2026, 1, 1), moment, "v", "h", scores, explanations=[stored(told)]))
        read = store.explanation(number, told.account_id, ["en", "xx"])
    assert read is not None
    assert read["summary_xx"] == read["summary_en"].replace("churn probability", "XX probability")
    assert read["summary_xx"] != read["summary_en"]


@pytest.mark.usefixtures("_third_language")
def test_an_explanation_that_was_stored_in_words_keeps_them(told: Explanation) -> None:
    older = published(told, ["en", "ja"])
    read = worded(through_json(older))
    assert read["summary_ja"] == older["summary_ja"]
    assert read["summary_xx"] == older["summary_en"]
    assert read["raising"][0]["sentence_xx"] == older["raising"][0]["sentence_en"]


def test_a_code_that_is_gone_costs_the_reasons_and_nothing_else(told: Explanation) -> None:
    gone = told.raising[0].model_copy(update={"sentence": Text.of("of-another-version", n=1)})
    read = worded(through_json(stored(told.model_copy(update={"raising": (gone,)}))))
    assert read["raising"] == []
    assert read["health_score"] == told.health_score
    assert "stored by another version" in read["summary_en"]


def test_reasons_of_a_health_score_are_read_from_codes_and_from_words_of_an_earlier_version() -> None:
    account = AccountScore("a", 0.2, None, "unknown", 0.1, details={"reason_texts": []})
    assert account.reasons == ()
    code = Text.of("health-rules_only")
    now = replace(account, details={"reason_texts": [through_json(code.model_dump(mode="json"))]})
    assert now.reasons == (code,)
    older = replace(account, details={"reasons_en": ["Two measures are old"], "reasons_ja": ["2つの指標が古い"]})
    assert [render(text, "ja") for text in older.reasons] == ["2つの指標が古い"]
    assert [render(text, "en") for text in older.reasons] == ["Two measures are old"]


@pytest.mark.parametrize("gone", [False, True])
def test_in_brief_it_is_the_same_of_what_lists_are_told(told: Explanation, gone: bool) -> None:
    limited = told.model_copy(update={"reasons": (Text.of("band-red"),)})
    document = through_json({**stored(limited), "trend": {"change_7d": -2.5, "change_30d": None, "slope_12w": 0.1}})
    if gone:
        document["summary"]["code"] = "summary-of-a-later-version"
    for kept in (document, worded(document)):
        read = worded(kept, ["ja"])
        assert brief(kept, "ja") == {name: read[name] for name in ("reasons_ja", "summary_ja", "trend")}


def test_a_newer_format_is_refused_with_what_to_do(told: Explanation) -> None:
    with pytest.raises(DataError, match="churnml score"):
        worded({**stored(told), "format": 99})


def test_a_movement_is_read_back_as_it_was_stored() -> None:
    part = ChangePart("tickets", Text.of("m-tickets_open.now", n=3), -3.0)
    change = ScoreChange(date(2026, 3, 1), 60.0, 57.0, -3.0, -3.0, 0.0, 0.0, {"tickets": -3.0}, (part,))
    trend = ScoreTrend(change_7d=-1.5, slope_12w=0.25)
    document = json.loads(json.dumps(movement(trend, change)))
    assert (trend_of(document), change_of(document)) == (trend, change)
    assert change_of(movement(trend, None)) is None
    assert change_of(None) is trend_of({}) is None


def test_a_change_that_was_stored_in_words_keeps_them() -> None:
    part = {"part": "tickets", "points": -3.0, "label_en": "Tickets", "label_ja": "問い合わせ"}
    shares = {"change": -3.0, "data": -3.0, "weights": 0.0, "model": 0.0}
    change = change_of({"change": {"since": "2026-03-01", **shares, "largest": [part]}})
    assert change_sentence(change, "en").startswith("What changed: Tickets. Health −3")
    assert "問い合わせ" in change_sentence(change, "ja")
