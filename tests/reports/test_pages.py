"""Briefs, portfolio, timeline and patterns."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.companies.curves import curves_of

from churnml.config import DisplayConfig
from churnml.errors import DataError
from churnml.explain import (
    Happening,
    churn_patterns,
    explain,
    load_playbooks,
    suggest_plays,
    timeline,
)
from churnml.features.spec import FeatureSet, FeatureSpec
from churnml.language import Text, render
from churnml.reports import Reading, account_brief, portfolio_page
from churnml.tables import Tables

PLAYBOOKS = Path(__file__).parents[2] / "configs" / "playbooks.yaml"


@pytest.fixture
def told(world: Any) -> Any:
    return explain(
        world.model,
        world.frame,
        scores=world.scores,
        health=world.health,
        scale=world.scale,
        reference=world.reference,
    )


def readings(*versions: str) -> list[Reading]:
    """Four months of readings, of the versions of the model that are given."""
    days = [date(2025, month, 1) for month in (5, 6, 7, 8)]
    scores = (80.0, 70.0, 60.0, 40.0)
    return [Reading(*one) for one in zip(days, scores, versions or [None] * 4, strict=True)]


def brief(world: Any, told: Any, language: str) -> str:
    row = int(world.scores["churn_probability"].to_numpy().argmax())
    plays = suggest_plays(told, world.frame.assign(attr_touch_model="high"), load_playbooks(PLAYBOOKS))
    return account_brief(
        told[row].as_dict(),
        language=language,  # type: ignore[arg-type]
        name="<Acme & Co>",
        arr=12000.0,
        history=readings(),
        happenings=[Happening("2025-07-03", "tickets", Text.of("event-ticket-opened"))],
        plays=plays[row],
    )


@pytest.mark.parametrize(("language", "words"), [("en", "At the renewal on"), ("ja", "更新では")])
def test_a_brief_says_when_the_account_may_be_lost_where_it_is_known(
    world: Any, told: Any, language: str, words: str
) -> None:
    explanation = told[0].as_dict()
    on = date.fromisoformat(str(explanation["as_of"])[:10])
    (curve,) = curves_of(["a"], on, days=[61.0], risk=[0.25])
    shown = account_brief(explanation, language=language, curve=curve)  # type: ignore[arg-type]
    assert words in shown
    assert shown.count('class="bounds"') == 1
    bare = account_brief(explanation, language=language)  # type: ignore[arg-type]
    left = account_brief(
        {**explanation, "frozen": {f"text_{language}": "It has left."}}, language=language, curve=curve
    )  # type: ignore[arg-type]
    for page in (bare, left):
        assert 'class="bounds"' not in page


def test_a_brief_holds_what_a_csm_needs(world: Any, told: Any) -> None:
    html = brief(world, told, "en")
    row = int(world.scores["churn_probability"].to_numpy().argmax())
    assert '<html lang="en">' in html
    assert "&lt;Acme &amp; Co&gt;" in html
    assert "<Acme" not in html
    for driver in (*told[row].raising, *told[row].lowering):
        assert render(driver.sentence, "en").replace(" %", "\u00a0%") in html
    assert html.count("<svg") == 1
    assert "3 July 2025" in html
    assert "$12,000" in html
    assert "not causes" in html


def test_a_brief_in_japanese_is_japanese_throughout(world: Any, told: Any) -> None:
    html = brief(world, told, "ja")
    assert '<html lang="ja">' in html
    assert "推奨アクション" in html
    assert "2025年7月3日" in html
    for english in ("Health score", "Churn probability", "Suggested", "Ticket opened", "Associated"):
        assert english not in html


def test_a_brief_without_history_or_money_is_still_a_brief(told: Any) -> None:
    html = account_brief(told[0].as_dict(), language="en")
    assert "<svg" not in html
    assert "ARR" not in html
    assert told[0].account_id in html


@pytest.mark.parametrize(
    ("language", "said"), [("en", "A new model took over on 1 July 2025"), ("ja", "2025年7月1日に新しいモデル")]
)
def test_a_new_model_is_marked_where_it_took_over(told: Any, language: Any, said: str) -> None:
    versions = readings("one", "one", "two", "two")
    assert account_brief(told[0].as_dict(), language=language, history=versions).count(said) == 1
    for history in (readings(*["one"] * 4), readings()):
        assert said not in account_brief(told[0].as_dict(), language=language, history=history)


def test_the_portfolio_lists_every_account_with_filters(world: Any, told: Any) -> None:
    table = world.health.assign(
        churn_probability=world.scores["churn_probability"],
        arr=np.where(world.frame.index == 0, np.nan, 1000.0),
        segment=world.frame["attr_segment"].astype(str),
        owner="Aiko",
    )
    for language in ("en", "ja"):
        html = portfolio_page(table, [item.as_dict() for item in told], language=language, title="acme")  # type: ignore[arg-type]
        assert html.count("<tr data-band=") == len(table)
        assert "<option>SMB</option>" in html
        assert "<option>Aiko</option>" in html
        for item in told:
            assert all(render(text, language).replace(" %", "\u00a0%") in html for text in item.sentences)  # type: ignore[arg-type]


def test_a_level_of_risk_that_was_off_is_said_on_both_pages(world: Any, told: Any) -> None:
    gaps = [{"name": "tenth 10", "told": 0.21, "happened": 0.295}]
    table = world.health.assign(churn_probability=world.scores["churn_probability"], arr=1000.0)
    bodies = [item.as_dict() for item in told]
    for language, said in (("en", "21\u00a0% were told and 30\u00a0% left in tenth 10"), ("ja", "実際の解約は30%")):
        assert said in account_brief(bodies[0], language=language, gaps=gaps)  # type: ignore[arg-type]
        assert said in portfolio_page(table, bodies, language=language, title="acme", gaps=gaps)  # type: ignore[arg-type]
        assert said not in account_brief(bodies[0], language=language)  # type: ignore[arg-type]


def test_the_portfolio_calls_segments_and_owners_by_their_display_names(world: Any, told: Any) -> None:
    display = DisplayConfig(segments={"SMB": {"en": "Small firms", "ja": "中小企業"}}, owners={"u-17": "Aiko"})
    table = world.health.assign(
        churn_probability=world.scores["churn_probability"], arr=1000.0, segment="SMB", owner="u-17"
    )
    html = portfolio_page(table, [item.as_dict() for item in told], language="ja", title="acme", display=display)
    assert "<option>中小企業</option>" in html
    assert "<option>Aiko</option>" in html
    assert "SMB" not in html
    assert "u-17" not in html


@pytest.mark.browser
def test_the_filters_work_in_a_browser(world: Any, told: Any, tmp_path: Path) -> None:
    import shutil

    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium")
    table = world.health.assign(churn_probability=world.scores["churn_probability"], arr=1000.0)
    page_file = tmp_path / "portfolio.html"
    page_file.write_text(portfolio_page(table, [item.as_dict() for item in told], language="en", title="acme"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(page_file.as_uri())
        page.select_option("select[name=band]", "green")
        shown = page.locator("#accounts tbody tr:visible").count()
        assert shown == int((table["band"] == "green").sum())
        page.select_option("select[name=band]", "")
        page.fill("input[name=text]", "a0007")
        assert page.locator("#accounts tbody tr:visible").count() == 1
        browser.close()
        assert errors == []


def test_a_timeline_tells_only_what_was_known() -> None:
    day = pd.Timestamp
    tables = Tables.from_pandas(
        {
            "tickets": pd.DataFrame(
                {
                    "ticket_id": ["t1", "t2", "t3"],
                    "account_id": ["a", "a", "b"],
                    "opened_at": [day("2025-06-01 10:00"), day("2025-08-02"), day("2025-06-05")],
                    "priority": ["urgent", "low", "low"],
                }
            ),
            "surveys": pd.DataFrame(
                {
                    "survey_id": ["s1", "s2"],
                    "account_id": ["a", "a"],
                    "kind": ["nps", "nps"],
                    "sent_at": [day("2025-06-10"), day("2025-07-20")],
                    "responded_at": [day("2025-06-11"), None],
                    "score": [6.0, None],
                }
            ),
            "invoices": pd.DataFrame(
                {
                    "invoice_id": ["i1", "i2"],
                    "account_id": ["a", "a"],
                    "issued_on": [day("2025-06-01"), day("2025-05-01")],
                    "due_on": [day("2025-07-01"), day("2025-06-01")],
                    "paid_on": [None, day("2025-05-20")],
                    "amount": [10.0, 10.0],
                }
            ),
        },
        observed_from=date(2025, 1, 1),
        observed_until=date(2025, 9, 1),
    )
    found = timeline(tables, "a", date(2025, 8, 1))
    assert [(item.on, render(item.text, "en")) for item in found] == [
        ("2025-07-01", "Invoice fell due unpaid"),
        ("2025-06-11", "NPS answer: 6"),
        ("2025-06-01", "Urgent ticket opened"),
    ]
    assert render(found[0].text, "ja") == "請求書が期日までに未払い"
    assert timeline(tables, "a", date(2025, 8, 1), limit=1) == found[:1]
    assert timeline(tables, "nobody", date(2025, 8, 1)) == []


def test_patterns_find_the_planted_reasons(world: Any) -> None:
    history = world.history
    churned = history["churned"] == 1
    left = history["as_of"] + pd.Timedelta(days=40)
    found = churn_patterns(world.model, history.assign(churn_on=left.where(churned)), seed=1)
    assert sum(pattern.share for pattern in found) == pytest.approx(1.0)
    leading = {pattern.families[0] for pattern in found if pattern.families}
    assert {"engagement", "commercial"} & leading
    for pattern in found:
        assert pattern.example in set(history["account_id"])
        assert render(pattern.title, "ja")
    with pytest.raises(DataError, match="churned accounts"):
        churn_patterns(world.model, history.head(30).assign(churn_on=pd.NaT), seed=1)


class _OfProfiles:
    """A model whose contributions are the columns themselves, one a family."""

    features = FeatureSet(
        [
            FeatureSpec(name, name, "units", "never", name, "", "events", None, name)  # type: ignore[arg-type]
            for name in ("engagement", "support", "commercial", "sentiment")
        ]
    )

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        return frame[self.features.names].to_numpy(dtype=float)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        return np.column_stack([X, np.zeros(len(X))])


def _left(profiles: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame(profiles, columns=_OfProfiles.features.names)
    days = {"as_of": pd.Timestamp("2025-06-01"), "churn_on": pd.Timestamp("2025-06-20")}
    return frame.assign(account_id=[f"a{row}" for row in range(len(frame))], **days)


def test_churners_of_one_cloud_are_no_patterns() -> None:
    rng = np.random.default_rng(3)
    spread = rng.multivariate_normal([0.6, 0.5, 0.4, 0.3], np.diag([0.5, 0.2, 0.1, 0.1]), 80)
    (everybody,) = churn_patterns(_OfProfiles(), _left(spread), seed=1)  # type: ignore[arg-type]
    assert everybody.share == 1.0
    assert everybody.families == ("engagement", "support")
    spread[:40] += [2.0, 0, 0, 0]
    spread[40:] += [0, 0, 2.5, 0]
    two = churn_patterns(_OfProfiles(), _left(spread), seed=1)  # type: ignore[arg-type]
    assert {pattern.families[0] for pattern in two} == {"engagement", "commercial"}
