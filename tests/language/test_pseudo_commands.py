"""What the commands print is the language's own: no module of theirs holds words, and nothing they show leaks."""

from __future__ import annotations

import ast
import io
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace as Shown
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from tests.companies.command import churnml as run
from tests.language.pseudo import LANGUAGE, leaks, pseudo

import churnml.cli
from churnml.cli import (
    alerts,
    daily,
    deliver,
    experiments,
    feature_list,
    init,
    kpis,
    monitor,
    privacy,
    pull,
    render,
    tasks,
    usability,
    users,
)
from churnml.cli.events import print_one
from churnml.config import load_config
from churnml.errors import DataError
from churnml.evaluation.audit import CHECKS, Finding
from churnml.evaluation.finding import not_applicable, outcome
from churnml.explain.plays import Playbook
from churnml.features import reference_catalogue
from churnml.language import Day, Section, Text, catalogue, error_record, phrases
from churnml.metrics.intervals import Interval
from churnml.monitoring.alarms import Alarm
from churnml.monitoring.data import TableHealth
from churnml.monitoring.feature_drift import Drift, FeatureDrift
from churnml.monitoring.performance import Estimated, Performance, Promise, Realised
from churnml.monitoring.report import MonitoringReport
from churnml.monitoring.retraining import decide_retraining
from churnml.pipeline import discovery
from churnml.pipeline.daily import Unit
from churnml.pipeline.privacy import Certificate
from churnml.pipeline.privacy.running import Removed
from churnml.reports.monitoring import monitoring_page
from churnml.retention.forecast import ForecastMonth, forecast_record
from churnml.serving import announcement
from churnml.serving.settings import Settings
from churnml.store import Run, RunStage
from churnml.tables import TABLES

__all__ = ["pseudo"]

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DATA = re.compile(
    r"churnml \w+( \w+)*|--[a-z-]+( [\w'*]+)?|[a-z]+_[a-z_*]+|playbooks:|MRR|GRR|NRR|LTV|TTM|USD|AUC|CHK\d+"
)
CODE = re.compile(
    r"Authorization: Bearer|\[[^\]]*\]|`[^`]*`|churnml .*|# config hash|bold red|Europe\/Berlin|[a-z]+\.[a-z_]+"
)
HEADINGS = {"add_column", "Table"}
PRINTERS = {"print", "say", "echo", "aside", "input", "add_row", "add", "Tree", "Text", "Plain", *HEADINGS}


def spoken(path: Path) -> list[str]:
    """Return what a module prints itself: two words or more that are no code, command or option, or one as heading."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in PRINTERS:
            parts = [part for given in node.args for part in ast.walk(given) if isinstance(part, ast.Constant)]
            plain = [CODE.sub("", str(part.value)) for part in parts]
            found += [value for value in plain if len(re.findall(r"[a-z]{2,}", value)) > 1 and " " in value]
            if name in HEADINGS:
                found += [str(given.value) for given in node.args if isinstance(given, ast.Constant) and given.value]
    return found


def test_no_command_holds_the_words_that_it_prints() -> None:
    modules = [*sorted(Path(churnml.cli.__file__).parent.glob("*.py")), Path(announcement.__file__)]
    assert {"nothing but words", "heading"} <= set(spoken(Path(__file__)))
    found = [f"{path.name}: {said}" for path in modules for said in spoken(path)]
    assert [said for said in found if "ROC AUC" not in said] == []


def example() -> None:
    print("nothing but words")
    Table().add_column("heading")


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    said = capsys.readouterr().out
    assert said.strip()
    return leaks(DATA.sub("", said))


@pytest.mark.usefixtures("pseudo")
def test_alerts_and_tasks_do_not_leak(capsys: pytest.CaptureFixture[str]) -> None:
    config: Any = Shown(currency="USD", alerts=Shown(weekly_budget=5))
    alert: Any = Shown(
        id=1, account_id="A0001", text=Text.of("band-red"), owner="Ann", due_at=NOW, avoidable_loss=10.0,
        held_back=True, state="open",
    )  # fmt: skip
    alerts._print_list(config, [alert], LANGUAGE)
    alerts._print_list(config, [], LANGUAGE)
    rule = Shown(kind="band_drop", alerts=1, held_back=0, judged=1, churned=1, precision=0.5, lift=2.0, warned_early=1)
    tried: Any = Shown(
        snapshots=3, first=NOW.date(), last=NOW.date(), alerts_per_owner_week=1.5, held_back=1, precision=0.5,
        base_rate=None, warned_early=0.2, churners=4, rules=[rule], ranked_by="uplift", off={"quiet_x": "last_seen"},
    )  # fmt: skip
    alerts._print_backtest(tried, LANGUAGE)
    event = {"at": "2026-01-02T03:04:05", "action": "snoozed", "actor": "Ann", "detail": {}}
    document = {"account_id": "A0001", "sentence": "", "id": 1, "state": "closed", "severity": "high", "owner": "Ann"}
    document |= {"due_at": "2026-01-02", "outcome": "false_alarm", "events": [event]}
    print_one(document, alerts._line(document, LANGUAGE), LANGUAGE)
    task: Any = Shown(
        id=2, account_id="A0001", title=Shown(spoken=lambda language: ""), owner="Ann", due_on=NOW.date(),
        alert="band_drop", state="waiting",
    )  # fmt: skip
    tasks._print_list([task], LANGUAGE)
    tasks._print_list([], LANGUAGE)
    preview = {"as_of": "2026-01-02", "alerts": 2, "held_back": 1, "not_contacted": 0, "tasks": 3, "owners": {"Ann": 3}}
    for owners in ({"Ann": 3}, {}):
        tasks._print_preview({**preview, "owners": owners, "playbooks": {"": 1}}, LANGUAGE)
    document = {"id": 2, "playbook": "", "state": "done", "owner": "Ann", "due_on": "2026-01-02", "outcome": None}
    assert leaks(tasks._line({**document, "reason": None}, LANGUAGE)) == []
    step = {"words": "1", "owner": "csm", "key": "a_b", "due_days": 3}
    when = {"alerts": ["band_drop"]}
    playbook = {"name": "x", "title": "2", "when": when, "owner": "csm", "due_days": 3, "steps": [step]}
    after = {**step, "key": "c_d", "after": ["a_b"]}
    tasks._print_playbooks([Playbook.model_validate({**playbook, "steps": [step, after]})], LANGUAGE)
    tasks._print_playbooks([], LANGUAGE)
    assert told(capsys) == []


@pytest.mark.usefixtures("pseudo")
def test_experiments_deliveries_and_kpis_do_not_leak(capsys: pytest.CaptureFixture[str]) -> None:
    effect = Shown(value=0.02, low=-0.01, high=0.05)
    arm = Shown(accounts=10, followed=9, churned=1, churn_rate=0.1, arr_lost=100.0, worked=None)
    found: dict[str, Any] = {
        "name": "1", "share": 0.2, "days": 90, "first": NOW.date(), "last": NOW.date(), "contacted": arm,
        "held_out": arm, "needed": 400, "weeks": 3.0, "looked_for": 0.2, "detectable": 0.4, "churn_avoided": effect,
        "arr_saved": effect, "why": None, "segments": {"SMB": Shown(churn_avoided=effect, why=None)},
        "uplift": None, "ranked_by": "risk", "ranking_decided_at": None,
        "ranking_holds_until": None,
    }  # fmt: skip
    few = Text.of("experiment-few_churned", n=1, least=5)
    gains = dict.fromkeys(("gain", "arr_gain", "by_risk", "by_uplift"), effect)
    needs = {"needed_accounts": 9, "needed_held_out_churners": 2, "trees": 20, "shown_from": 0.01}
    won, lost = Shown(**gains, beats=True, **needs), Shown(**gains, beats=False, **needs)
    unknown = Text.of("experiment-uplift_few_churned", contacted=1, held_out=2, least=25)
    none = Shown(**dict.fromkeys(gains), why=unknown, beats=False, **needs)
    for more in (
        {},
        {"churn_avoided": None, "why": few, "weeks": 0.0, "uplift": none},
        {"uplift": lost, "ranking_decided_at": NOW},
        {"uplift": won, "ranked_by": "uplift", "ranking_decided_at": NOW, "ranking_holds_until": NOW.date()},
    ):
        experiments._print(Shown(**{**found, **more}), "USD", LANGUAGE)  # type: ignore[arg-type]
    experiments._print_rankings(Shown(**found | {"uplift": won}), False, "USD", LANGUAGE)  # type: ignore[arg-type]
    counts = dict.fromkeys(("accepted", "sent", "refused", "retried", "unknown", "finished", "calls"), 1)
    done: Any = Shown(busy=None, targets=[Shown(target="x", next_at=NOW, stopped=None, **counts)])
    deliver._print_done(done, LANGUAGE)
    deliver._print_done(Shown(busy="1"), LANGUAGE)  # type: ignore[arg-type]
    deliver._print_findings([Shown(ok=False, target="x", what="1", remedy="2")], LANGUAGE)  # type: ignore[list-item]
    deliver._print_preview([Shown(target="x", records=2, requests=[])], LANGUAGE)  # type: ignore[list-item]
    letter: Any = Shown(id=1, target="x", key="y", state="refused", reason="", said=None)
    deliver._print_list([letter], LANGUAGE)
    deliver._print_list([], LANGUAGE)
    row: Any = Shown(
        month_on=date(2026, 1, 1), group="", group_by="plan", accounts=3, mrr=10.0, logo_churn_rate=0.1,
        grr=None, nrr=1.0, logo_churn_rate_ttm=None, grr_ttm=None, nrr_ttm=None, renewal_rate=None,
        renewal_rate_value=None, ltv=5.0,
    )  # fmt: skip
    worth = Shown(
        group=None, group_by=None, accounts=3, value=9.0, low=5.0, high=12.0, total=27.0, within=0.5,
        source="contracts", as_of=NOW.date(), gross_margin=0.8, yearly_discount=0.1, level=0.9,
    )  # fmt: skip
    quarter = ForecastMonth(date(2026, 1, 1), 4, 400.0, 300.0, 200.0, 400.0, 4, came=250.0, by_curve=4)
    records = [forecast_record(source, [quarter], [quarter]) for source in ("published", "rederived")]
    report: Any = Shown(
        currency="USD", rows=[row], of=lambda name="": [row], lifetime_values=[worth], forecast_records=records
    )
    settings: Any = Shown(display=Shown(spoken=lambda *given: "1"))
    kpis._draw(report, settings, LANGUAGE)
    kpis._draw(Shown(of=lambda: []), settings, LANGUAGE)  # type: ignore[arg-type]
    assert [word for word in told(capsys) if word != "plan"] == []


@pytest.mark.usefixtures("pseudo")
def test_data_features_and_audit_do_not_leak(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = Shown(
        table="1", rows=5, accounts=2, covered=0.5, first=NOW.date(), last=NOW.date(), history_days=9, behind_days=3,
        absent=[str(i) for i in range(9)],
    )  # fmt: skip
    tool = Shown(
        tool="2", **{f"{a}{b}": 1.0 for a in ("matched", "unmatched", "ambiguous") for b in ("", "_rows", "_arr")}
    )
    family = Shown(family="engagement", on=4, off=2, unlocks={"events.user_id": 2})
    report: Any = Shown(use=[table], tools=[tool], families=[family], notes=[])
    console = Console(file=io.StringIO(), width=200)
    usability.shown(console, report, LANGUAGE)
    page = tmp_path / "page.html"
    usability.write_page(page, report, LANGUAGE)
    for said in (console.file.getvalue(), page.read_text(encoding="utf-8").partition("<body>")[2]):  # type: ignore[attr-defined]
        assert leaks(DATA.sub("", said.replace("events.user_id", ""))) == []
    catalogue = reference_catalogue()
    off = {"1": Text.of("off-no_table", table="2"), "3": Text.of("off-not_asked")}
    feature_list.families(catalogue, off, LANGUAGE)
    said = capsys.readouterr().out
    assert leaks(DATA.sub("", re.sub("|".join(sorted({spec.measure for spec in catalogue}, key=len)), "", said))) == []
    for spec in catalogue:
        for text in (spec.label, spec.description, spec.missing):
            said = Text.of("audit-coded", code="", what=text)
            assert leaks(DATA.sub("", feature_list.phrases(LANGUAGE).text(said).replace("report", ""))) == [], spec.name
    findings = [
        *(outcome(code, [("1", Text.of("audit-filled"))] * 12) for code in CHECKS if code != "CHK109"),
        *(not_applicable("CHK101", why, n=3) for why in ("few_scored", "no_splits", "other_target", "no_label")),
        Finding("CHK102", "clear", ""),
    ]
    render.audited(findings, LANGUAGE)
    assert told(capsys) == []


@pytest.mark.usefixtures("pseudo")
def test_a_what_if_does_not_leak(capsys: pytest.CaptureFixture[str]) -> None:
    change = Shown(before=1.0, after=None)
    answer: Any = Shown(
        account_id="A0001", changes={"a_b": change}, probability_before=0.1, probability_after=0.2, health_before=50.0,
        health_after=None, band_before="red", band_after="green", outside=["c_d"], linked=["e_f"],
    )  # fmt: skip
    render.supposed(answer, LANGUAGE)
    assert told(capsys) == []


@pytest.mark.usefixtures("pseudo")
def test_the_daily_run_does_not_leak(capsys: pytest.CaptureFixture[str]) -> None:
    failed = error_record(
        DataError(Text.of("data-empty", table="1"), remedy=Text.of("check-CHK003.remedy"), code="data")
    )
    stages = [
        RunStage(
            "check", outcome, NOW, 2.0, 3, error=failed if outcome == "failed" else None, detail={"because": ["4"]}
        )
        for outcome in ("done", "unchanged", "not_due", "running", "killed", "failed", "skipped")
    ]
    run = Run(7, "5", "daily", "6", NOW, NOW, "failed", stages=tuple(stages))
    done: Any = Shown(notices=[Shown(target="7", sent=False, why="8")])
    daily._print_run(run, LANGUAGE, done)
    daily._print_runs([run, replace(run, ended_at=None, outcome="running")], LANGUAGE)
    daily._print_runs([], LANGUAGE)
    units = [
        Unit(Path("1"), outcome, 1234.0, 5.0, 1)
        for outcome in ("done", "failed", "refused", "busy", "memory", "killed")
    ]
    daily._print_units(units, LANGUAGE)
    daily._tell_unit(units[0], LANGUAGE)
    said = capsys.readouterr()
    assert "1,234" in said.out
    assert leaks(said.out + said.err) == []


@pytest.mark.usefixtures("pseudo")
def test_what_the_service_says_when_it_starts_does_not_leak(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("churnml.registry.champion_bundle", lambda *given: None)
    file = tmp_path / "1.yaml"
    file.write_text("{name: '1', source: {folder: raw}, label: {churn: silence}, tables: {events: {from: e.csv}}}")
    settings = Settings.from_config(load_config(file)).model_copy(update={"language": LANGUAGE})
    announcement.announce(settings, "", file)
    announcement.announce(settings.model_copy(update={"insecure": True}), "", file)
    said = capsys.readouterr().err
    assert f"churnml users invite EMAIL --config {file}" in said
    plain = re.sub(r"curl .*?}'|churnml (keys|users) .*|/\S*|\(--insecure\)", "", said)
    assert leaks(DATA.sub("", plain)) == []


@pytest.mark.usefixtures("pseudo")
def test_users_pulls_and_erasures_do_not_leak(capsys: pytest.CaptureFixture[str]) -> None:
    known = dict.fromkeys(("name", "email", "role", "owner_id", "language", "sessions", "disabled_at"))
    user = {**known, "name": "1", "email": "2", "created_at": NOW}
    users._print_users([{**user, "role": "manager", "owner_id": "3"}, {**user, "role": "csm"}], LANGUAGE)
    users._print_users([{**user, "role": "admin", "disabled_at": NOW}], LANGUAGE)
    users._print_users([], LANGUAGE)
    for owner in ("", "4"):
        one: Any = Shown(name="1", email="2", role="admin", owner_id=owner)
        print(users._words(one, Section(phrases(LANGUAGE), "cli-users")))
    certificate = Certificate("1", "account", NOW, True, (Removed("2", 1234),))
    privacy._print(certificate, LANGUAGE)
    more = {"told": ("3",), "by_hand": ("4",), "own_files": {"5": [*range(20)]}, "unread": ("6",), "left": ("7",)}
    privacy._print(replace(certificate, dry_run=False, **more), LANGUAGE)  # type: ignore[arg-type]
    counts = {"rows_in": 4, "accepted": 3, "rejected": 1, "duplicate": 0}
    source = {"source": "1", "calls": 2, "calls_today": 3, "calls_allowed": 4, "next_at": NOW}
    pulled: Any = Shown(objects=[Shown(object="2", preset="3", **counts)], **source)
    pulled.notes, pulled.stopped = (
        [Text.of("pull-note-new-columns", object="1", columns="2")],
        Text.of("pull-stopped-budget", n=1),
    )
    pull._print(Shown(sources=[pulled]), LANGUAGE)  # type: ignore[arg-type]
    planned: Any = Shown(
        source="1", tool="2", calls_today=3, calls_allowed=4, since={"3": None, "4": NOW}, request=None
    )
    pull._print_planned([planned], LANGUAGE)
    assert told(capsys) == []


@pytest.mark.usefixtures("pseudo")
def test_monitoring_does_not_leak(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"rows": 3.0, "usual": 2.0, "share": 0.5, "expected": 4.0, "n": 2, "of": 9, "reason": "11"}
    found |= {
        "found": 0.6,
        "promised": 0.7,
        "accounts": 9,
        "psi": 0.3,
        "effect": 0.1,
        "now": 0.2,
        "then": 0.1,
        "days": 7,
    }
    names = {"table": "1", "column": "2", "word": "3", "words": "4", "feature": "5"}
    codes = [code for code in sorted(catalogue("en").codes) if code.startswith("alarm-")]
    said = [Text.of(code, **found, **names, day=Day(on="2026-01-02")) for code in codes]
    alarms = tuple(Alarm(text.code.split("-")[1][:6], "6", NOW.date(), text, severe=True) for text in said)
    decision = decide_retraining(
        model_version="7", learnt_until=NOW.date(), as_of=date(2027, 1, 1), measured_days=None, retrain_after_days=None,
        alarms=alarms,
    )  # fmt: skip
    known, no = Interval(0.7, 0.6, 0.8), Interval(None, None, None)
    realised = Realised(NOW.date(), "7", NOW.date(), 9, 2, 1.5, known, no, no, known, known)
    estimated = Estimated(NOW.date(), 9, 1.5, known, no, no)
    performance = Performance(Promise(known, no, no, 0.1), (realised,), estimated)
    drift = Drift(9, 9, 0.1, (FeatureDrift("8", 0.3, 0.2, 0.01, drifted=True, effect=0.1),), 10)
    report = MonitoringReport(
        "9", NOW.date(), NOW, "7", (TableHealth("1", NOW.date(), 10, 70, 9.5, None, ("MON101",)),), alarms,
        (alarms[0].key,), 100, ("2",), decision, held=True, drift=drift, performance=performance,
    )  # fmt: skip
    calm = replace(
        report, alarms=(), retraining=replace(decision, due=False), performance=replace(performance, realised=())
    )
    settings: Any = Shown(name="9", monitoring=Shown(false_alarms_per_month=1.0))
    for one in (report, replace(calm, drift=replace(drift, features=())), replace(calm, model_version=None)):
        monitor._draw(one, settings, LANGUAGE)
        shown = capsys.readouterr().out + monitoring_page(one, language=LANGUAGE)
        assert leaks(re.sub(r"MON\d+|ROC AUC|AUC|PSI|monitoring.publish_if|docs/monitoring.md", "", shown)) == []


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A folder of raw files that leave much open."""
    ends = ("2024-12-31", "2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30", "2025-05-31", "2025-06-15")
    files = {
        "contracts.csv": [f"a{n},{10 * n},2024-01-01,{end}" for n, end in enumerate(ends)],
        "deals.csv": [f"d{n},a{n},{'Closed Won' if n % 2 else 'Closed Lost'},2024-02-01" for n in range(8)],
        "usage.csv": [f"a{n},u{n},login,0{n}/0{n}/2024" for n in range(1, 9)],
        "colours.csv": ["1,2"],
        "empty.csv": [],
    }
    heads = {
        "contracts.csv": "account_id,mrr,start_date,end_date",
        "deals.csv": "opportunity_id,account_id,stage,created_at",
    }
    heads |= {
        "usage.csv": "account_id,user_id,event_type,occurred_at",
        "colours.csv": "hue,tint",
        "empty.csv": "hue,tint",
    }
    folder = tmp_path / "1"
    folder.mkdir()
    for name, rows in files.items():
        (folder / name).write_text("\n".join([heads[name], *rows, ""]), encoding="utf-8")
    (folder / "broken.parquet").write_bytes(b"PAR1 nothing")
    return folder


@pytest.mark.usefixtures("pseudo")
def test_init_asks_and_prints_in_the_language(
    raw: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "nonsense" if len(asked) == 1 else ""

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setenv("COLUMNS", "300")
    out = raw.parent / "2.yaml"
    proposal = discovery.init([raw], out, ask=partial(init._asked, language=LANGUAGE), language=LANGUAGE)
    assert len(asked) == 3
    assert f"language: {LANGUAGE}" in out.read_text(encoding="utf-8")
    init._print(proposal, out, LANGUAGE)
    shown = "\n".join([*asked, capsys.readouterr().out])
    names = r"CHK002.*|\{column: .*?\}|end_date|stage|timezone|churnml (check|run)|"
    names += r"\S*\.(csv|yaml|parquet)|%\S+|(in|ex)clusive|Closed (Won|Lost)|won|lost|"
    names += "|".join(
        sorted({*TABLES, *(column.name for table in TABLES.values() for column in table.columns)}, key=len)[::-1]
    )
    assert leaks(re.sub(names, "", shown)) == [], shown


def test_init_writes_the_language_that_it_was_asked_in(raw: Path) -> None:
    out = raw.parent / "2.yaml"
    done = run("init", raw, "--out", out, "--lang", "ja")
    assert done.exit_code == 0, done.stderr
    assert "未使用：colours.csv：列がどの標準テーブルにも当てはまりません" in done.stdout
    assert load_config(out).language == "ja"
    document = json.loads(run("init", raw, "--out", out, "--yes", "--json").stdout)
    match = next(match for match in document["matches"] if match["path"] == "colours.csv")
    assert (match["why"], match["why_code"]) == (
        "its columns look like none of the canonical tables",
        "init-why-no_table",
    )
