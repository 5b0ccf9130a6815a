"""What a check of raw data says is the language's own: a note, a reason or a refusal in English fails here."""

from __future__ import annotations

import html
import re
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from tests.language.pseudo import LANGUAGE, leaks, pseudo

from churnml.cli import render, usability
from churnml.cli.session import report_failure
from churnml.config import Config, load_config
from churnml.errors import DataError
from churnml.language import phrases
from churnml.pipeline.results import Checked
from churnml.sources import Loaded, load
from churnml.tables import CHECKS, TABLES

__all__ = ["pseudo"]

CONFIG = """
name: t
workspace: ws
source: {{folder: raw, max_rejected_share: {share}, rejected_columns: all}}
label: {{churn: silence}}
snapshots: {{every: month}}
language: {language}
tables:
  accounts: {{from: accounts.csv, columns: {{account_id: id, created_on: made, plan: plan, segment: segment}},
              attributes: {{colour: colour}}}}
  subscriptions: {{from: subscriptions.csv, columns: {{account_id: id, subscription_id: null, started_on: start,
                   ends_on: end, mrr: mrr, seats: seats, known_at: known}}, where: "status <> 'draft'"}}
  events: {{from: events.csv, columns: {{account_id: id, user_id: user_mail, event_type: kind, occurred_at: at}}}}
  tickets: {{from: tickets.csv, columns: {{account_id: id, ticket_id: ticket, opened_at: opened, solved_at: solved,
             priority: priority, csat_score: csat}}}}
  surveys: {{from: surveys.csv, columns: {{account_id: id, survey_id: sid, sent_at: sent, score: score}}}}
"""
NAMES = sorted(
    {*TABLES, *(column.name for table in TABLES.values() for column in table.columns), "colour", "draft", "status"},
    key=len,
    reverse=True,
)
DATA = re.compile(
    r"CHK\d+|USD|EUR|not\b|much|surplus|MRR|ARR|NPS|%\S+|'[^']*'|\[personal\]|user_mail|[\w/-]*\.(csv|parquet|yaml)\b|/tmp\S*|"
    r"IS NOT DISTINCT FROM|IS DISTINCT FROM|IS NULL|\bOR\b|expr: \S+.*?`|words: \{.*?\}|label\.trials|leave_out|"
    + "|".join(NAMES)
)


def ids(n: int) -> list[str]:
    return [f"{number:02}" for number in range(n)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company's raw tables with a fault of nearly every kind."""
    folder = tmp_path_factory.mktemp("1")
    (folder / "raw").mkdir()
    days = [f"2025-{1 + n % 12:02}-{1 + n % 28:02}" for n in range(40)]
    some = [*enumerate(ids(19))]
    raw = {
        "accounts": [f"{each},2025-01-01,9,8,{each}" for each in ids(20)],
        "subscriptions": [
            *(f"{each},2024-01-01,9999-12-31,{'USD' if n % 2 else 'EUR'} 1{n},2,2023-01-01,7" for n, each in some),
            "19,2024-01-01,2023-01-01,100,2,,7",
            "18,2024-02-01,,100,2,,7",
            "18,2024-02-01,,100,2,,7",
            "18,2024-02-01,,0,x,,",
            "17,2024-02-01,,0,1,,draft",
        ],
        "events": [
            *(f"{'00' if n > 8 else each},{each}@a.example,5,{days[n]}" for n, each in enumerate(ids(40))),
            "01,1,5,not",
            "01,1,5,1970-01-01",
            "01,1,5,2999-01-01",
            "01,1,5,2026-05-01",
            ",1,5,2025-03-01",
            "01,1,5,2025-03-01,surplus",
            "zz,1,5,2024-03-01",
        ],
        "tickets": [
            *(f"{each},{n},2025-01-{1 + n % 28:02},,P1,15" for n, each in enumerate(ids(20))),
            "00,1,2025-02-01,1900-01-01,low,3",
            "01,77,2025-02-03,2025-02-01,low,3",
            "01,79,2025-02-03,,low,much",
            "01,78,31.12.2025,,low,3",
        ],
        "surveys": [f"{each}{'-9' if n < 18 else ''},{n},2025-01-01,7" for n, each in enumerate(ids(20))],
    }  # fmt: skip
    heads = {
        "accounts": "id,made,plan,segment,colour",
        "subscriptions": "id,start,end,mrr,seats,known,status",
        "events": "id,user_mail,kind,at",
        "tickets": "id,ticket,opened,solved,priority,csat",
        "surveys": "id,sid,sent,score",
    }
    for name, rows in raw.items():
        (folder / "raw" / f"{name}.csv").write_text("\n".join([heads[name], *rows, ""]), encoding="utf-8")
    return folder


def config_in(folder: Path, language: str, share: float = 0.99) -> Config:
    path = folder / f"{language}.yaml"
    path.write_text(CONFIG.format(language=language, share=share), encoding="utf-8")
    return load_config(path)


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Loaded:
    return load(config_in(folder, "en"), today=date(2026, 1, 1))


def test_the_raw_tables_have_faults_of_many_kinds(loaded: Loaded) -> None:
    said = " ".join(map(str, loaded.notes))
    assert set(re.findall(r"CHK\d+", said)) >= {
        "CHK007", "CHK010", "CHK011", "CHK016", "CHK017", "CHK019", "CHK021", "CHK022", "CHK024", "CHK025", "CHK027",
        "CHK031", "CHK032", "CHK033", "CHK034", "CHK035", "CHK037", "CHK050",
    }, said  # fmt: skip


@pytest.mark.usefixtures("pseudo")
def test_checks_do_not_leak(loaded: Loaded, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for note in loaded.notes:
        assert leaks(DATA.sub("", phrases(LANGUAGE).text(note))) == [], note
    checked = Checked(loaded)
    render.checked(checked, LANGUAGE)
    page = tmp_path / "page.html"
    usability.write_page(page, checked.report(), LANGUAGE)
    body = re.sub("<[^>]+>", "", page.read_text(encoding="utf-8").partition("<body>")[2])
    for said in (capsys.readouterr().out, html.unescape(body)):
        assert leaks(DATA.sub("", re.sub(r"\s+", " ", said))) == []


@pytest.mark.usefixtures("pseudo")
def test_every_check_has_its_words() -> None:
    say = phrases(LANGUAGE)
    for check in CHECKS.values():
        words = f"{say.text(check.name)} {say.text(check.remedy)}"
        assert leaks(words) == [], check.code


@pytest.mark.usefixtures("pseudo")
def test_reasons_in_files_of_rejected_rows_do_not_leak(folder: Path) -> None:
    config = config_in(folder, LANGUAGE)
    load(config, today=date(2026, 1, 1))
    files = sorted((config.workspace_dir / "rejected").glob("*.parquet"))
    reasons = pd.concat(map(pd.read_parquet, files))["reason"]
    assert len(files) >= 3
    malformed = reasons.str.contains("events.csv", regex=False)
    assert leaks(DATA.sub("", " ".join(reasons[~malformed]))) == []
    (line,) = reasons[malformed]
    assert re.search(r"\b47\b.*events\.csv", line)
    assert leaks(DATA.sub("", line.partition("events.csv")[0])) == []


@pytest.mark.usefixtures("pseudo")
def test_refusals_do_not_leak(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError) as caught:
        load(config_in(folder, LANGUAGE, share=0.01), today=date(2026, 1, 1))
    assert "CHK040" in caught.value.what
    assert report_failure(caught.value, as_json=False, language=LANGUAGE) == 1
    said = re.sub(r"source\.max_rejected_share|\.columns|tables\.", "", capsys.readouterr().err)
    assert leaks(DATA.sub("", said)) == []


def test_a_japanese_reader_reads_japanese(loaded: Loaded, capsys: pytest.CaptureFixture[str]) -> None:
    render.checked(Checked(loaded), "ja")
    said = capsys.readouterr().out
    assert "CHK016 開始より前の終了" in said
    assert "観測期間" in said
