"""Account: what stands there, what is written on it, and who may see it."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from tests.pages.browsing import ANN, DAVE, EVE

from churnml.store import Store

FAMILY = ("acc-00000", "acc-00001", "acc-00002")
"""One inside the other; the first is Ann's."""


def plain(page: str) -> str:
    return page.replace("\u202f", " ").replace("\xa0", " ")


@pytest.fixture
def busy(look: Any) -> tuple[Any, str]:
    """Eve's browser, and an account that somebody should look after."""
    eve = look(EVE)
    (alert, _), *_ = eve.state.store.alerts("acme").find(owner="ann", held_back=False)
    return eve, alert.account_id


def test_the_page_says_how_it_stands_and_why(busy: tuple[Any, str]) -> None:
    eve, account = busy
    page = eve.get(f"/accounts/{account}").text
    for word in ("Contract ends", "Last contact", "Next task", "Call the decision maker", "Show data", "Timeline"):
        assert word in page
    assert "Peers at low risk" in page
    assert page.count('<li class="reason">') <= 5
    assert '<svg class="chart line"' in page


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_every_account_has_a_page_in_every_language(see: Any, lang: str) -> None:
    eve = see(EVE)
    for account in eve.state.store.accounts(eve.state.view.snapshot.id, limit=12).accounts:
        page = eve.get(f"/accounts/{account.account_id}?lang={lang}")
        assert page.status_code == 200
        brief = eve.get(f"/accounts/{account.account_id}?lang={lang}&view=brief")
        assert brief.status_code == 200
        assert "<form" not in brief.text.split("<main")[1]


def test_the_page_tells_what_an_account_is_part_of_and_sums_over_all_levels_below(see: Any) -> None:
    eve = see(EVE)
    snapshot = eve.state.view.snapshot.id
    top, middle, last = FAMILY
    known = eve.state.store.account_scores(snapshot, list(FAMILY))
    arr = {key: float(one.arr) for key, one in known.items()}
    page = eve.get(f"/accounts/{top}").text
    assert "Part of" not in page
    assert re.search(rf"With all below it 3 accounts: ARR \D?{sum(arr.values()):,.0f},", plain(page))
    page = eve.get(f"/accounts/{middle}").text
    assert f'Part of <a href="/accounts/{top}">' in page
    assert re.search(rf"With all below it 2 accounts: ARR \D?{arr[middle] + arr[last]:,.0f},", plain(page))
    page = eve.get(f"/accounts/{last}").text
    assert page.index(f'<a href="/accounts/{top}">') < page.index(f'<a href="/accounts/{middle}">')
    assert "With all below it" not in page


def test_who_sees_the_own_accounts_only_sees_no_other_ones_above_or_below(look: Any) -> None:
    ann = look(ANN)
    page = ann.get(f"/accounts/{FAMILY[0]}")
    assert page.status_code == 200
    assert not any(one in page.text for one in FAMILY[1:])
    assert 'id="family"' not in page.text


def test_the_numbers_of_a_chart_are_a_file(busy: tuple[Any, str]) -> None:
    eve, account = busy
    rows = list(csv.DictReader(io.StringIO(eve.get(f"/accounts/{account}?csv=history").content.decode("utf-8-sig"))))
    assert len(rows) == 7
    known = [row for row in rows if row["change"]]
    assert len(known) == 6
    for row in known:
        facts = sum(float(value or 0) for name, value in row.items() if name.startswith("facts_"))
        assert facts == pytest.approx(float(row["by_facts"]), abs=0.05)
    users = list(csv.DictReader(io.StringIO(eve.get(f"/accounts/{account}?csv=users").content.decode("utf-8-sig"))))
    assert len(users) == 26
    assert eve.get(f"/accounts/{account}?csv=nonsense").status_code == 404


def test_every_move_of_the_score_says_what_moved_it(busy: tuple[Any, str]) -> None:
    eve, account = busy
    moves = eve.get(f"/accounts/{account}").text.split('<table class="moves">')[1].split("</table>")[0]
    assert moves.count("<tr>") == 8
    told = re.findall(r"<small>(.*?)</small>", moves)
    assert any(re.search(r"(engagement|support|sentiment|commercial)\s[+−]\d", text) for text in told)
    assert "<small>" not in moves.rsplit("<tr>", 1)[1], "nothing is known of what came before the first reading"


def test_the_scorecard_stands_beside_that_of_four_weeks_ago(busy: tuple[Any, str]) -> None:
    eve, account = busy
    card = eve.get(f"/accounts/{account}").text.split('id="scorecard"')[1].split("</section>")[0]
    rows = re.findall(
        r'<td class="n">(\d+)<svg.*?</td><td class="n">(\d+)</td><td class="n">\s*<span class="(\w+)"', card
    )
    assert rows
    for now, before, arrow in rows:
        change = int(now) - int(before)
        assert arrow == ("up" if change > 1 else "down" if change < -1 else arrow)


def test_tasks_are_ticked_left_out_and_opened_again(busy: tuple[Any, str]) -> None:
    eve, account = busy
    page = eve.get(f"/accounts/{account}")
    ticked = eve.press(page, "/actions/tasks", "do=done")
    assert "Not done after all: Call the decision maker" in ticked.text
    assert "Done: Call the decision maker" in ticked.text.split('id="timeline"')[1]
    left_out = eve.press(ticked, "/actions/tasks", "do=skip", note="They have one already.")
    assert "left out" in left_out.text
    assert "They have one already." in left_out.text
    opened = eve.press(left_out, "/actions/tasks", "do=reopen")
    assert "Open again" in opened.text


def test_a_note_stands_in_the_timeline(busy: tuple[Any, str]) -> None:
    eve, account = busy
    after = eve.press(eve.get(f"/accounts/{account}"), "/actions/notes", text="Met at the fair <b>\nNice.")
    assert "Note kept" in after.text
    assert "Met at the fair &lt;b&gt;" in after.text.split('id="timeline"')[1]
    only = eve.get(f"/accounts/{account}?kind=note").text
    assert "Met at the fair" in only.split('id="timeline"')[1]
    assert "Ticket opened" not in only.split('id="timeline"')[1].split("</section>")[0]


def test_what_is_wrong_is_kept_for_who_looks_after_the_model(busy: tuple[Any, str]) -> None:
    eve, account = busy
    after = eve.press(eve.get(f"/accounts/{account}"), "/actions/feedback", comment="Those users have moved.")
    assert "Thank you" in after.text
    (said,) = eve.state.store.judgements("acme").feedback(account)
    assert said.kind == "not_useful"
    assert said.comment is not None
    assert re.fullmatch(r"\w+: Those users have moved\.", said.comment)
    assert said.author == "Eve"


def test_a_judgement_has_a_reason_and_an_end(busy: tuple[Any, str], today: Any) -> None:
    eve, account = busy
    page = eve.get(f"/accounts/{account}")
    assert eve.press(page, "/actions/judgement", reason="They signed.", until="2020-01-01").status_code == 422
    until = (today + timedelta(days=10)).isoformat()
    after = eve.press(page, "/actions/judgement", band="green", reason="They signed.", until=until)
    assert "Eve sees it as green until" in after.text
    assert '<span class="chip green">' in eve.get(f"/accounts?q={account}").text
    ended = eve.press(after, "/actions/judgement", "do=end")
    assert "the score counts again" in ended.text


def test_who_may_not_see_an_account_is_not_told_of_it(look: Any, busy: tuple[Any, str]) -> None:
    eve, account = busy
    bobs = eve.state.store.alerts("acme").find(owner="bob")[0][0].account_id
    ann = look(ANN)
    assert ann.get(f"/accounts/{account}").status_code == 200
    hidden = ann.get(f"/accounts/{bobs}")
    assert hidden.status_code == 404
    assert "There is no such account" in hidden.text
    name = eve.state.store.account(eve.state.view.snapshot.id, bobs).name
    assert name not in hidden.text
    page = ann.get(f"/accounts/{account}")
    assert ann.press(page, "/actions/notes", text="x", account=bobs).status_code == 404
    dave = look(DAVE).get(f"/accounts/{account}").text
    assert "/actions/notes" in dave
    assert "/actions/judgement" not in dave


def test_an_unknown_account_has_no_page(see: Any) -> None:
    page = see(EVE).get("/accounts/nobody")
    assert page.status_code == 404
    assert 'href="/accounts"' in page.text


def test_a_search_for_an_account_leads_to_it(busy: tuple[Any, str]) -> None:
    eve, account = busy
    store: Store = eve.state.store
    found = store.account(eve.state.view.snapshot.id, account)
    assert found is not None
    assert f'href="/accounts/{account}"' in eve.get("/accounts", params={"q": found.name}).text


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ("When it may be lost", "At the renewal on ", "dashed: ")),
        ("ja", ("解約の時期の見通し", "更新では", "破線：")),
    ],
)
def test_the_curve_stands_beside_its_peers_in_words_numbers_and_a_file(
    see: Any, lang: str, words: tuple[str, ...]
) -> None:
    eve = see(EVE)
    curve = eve.state.store.curve(eve.state.view.snapshot.id, "acc-00007")
    for view in ("", "&view=brief"):
        page = eve.get(f"/accounts/acc-00007?lang={lang}{view}").text
        for word in words:
            assert word in page
        risk = curve.renewal_risk
        for share in (risk.value, risk.low, risk.high):
            assert f"{share * 100:.0f}" in page
        assert page.count('class="bounds"') == page.count('class="beside"') == 1
    rows = list(csv.DictReader(io.StringIO(eve.get("/accounts/acc-00007?csv=survival").content.decode("utf-8-sig"))))
    assert [float(row["survival"]) for row in rows] == list(curve.survival)
    assert [float(row["peers"]) for row in rows] == list(curve.peers.survival)


def test_where_there_is_no_curve_the_page_says_nothing_of_it(look: Any) -> None:
    eve = look(EVE)
    with eve.state.store._engine.execution_options(write=True).begin() as connection:
        connection.exec_driver_sql("DELETE FROM curves WHERE account_id = 'acc-00007'")
    for view in ("", "?view=brief"):
        page = eve.get(f"/accounts/acc-00007{view}")
        assert page.status_code == 200
        assert "When it may be lost" not in page.text
    assert eve.get("/accounts/acc-00007?csv=survival").status_code == 404
