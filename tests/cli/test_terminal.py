"""What a terminal shows of names that hold anything, in whatever encoding it has."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest

from churnml.cli import terminal
from churnml.cli.session import Session, progress_line, report_failure, terminal_language
from churnml.config import Config
from churnml.errors import DataError
from churnml.language import Text
from churnml.progress import Stage

EVIL = "a\x1b[31m\x1b]0;title\x07b\x9b2J\u202e[bold]c[/]"


def stream(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


def written(of: io.TextIOWrapper) -> str:
    assert isinstance(of.buffer, io.BytesIO)
    return of.buffer.getvalue().decode(of.encoding)


@pytest.mark.parametrize("encoding", ["cp932", "ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("as_json", [True, False])
def test_any_encoding_will_do(monkeypatch, encoding, as_json):
    out = stream(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", stream(encoding))
    with Session(as_json) as session, session.stages("check"):
        session.show({"name": "会社 • –"}, lambda: terminal.out().print("会社 • –"))
    if as_json:
        assert json.loads(written(out))["name"] == "会社 • –"
    elif encoding == "utf-8":
        assert written(out) == "会社 • –\n"
    else:
        assert "?" in written(out)


def test_names_steer_no_terminal(monkeypatch):
    out, err = stream("utf-8"), stream("utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    from rich.markup import escape
    from rich.table import Table

    table = Table("name", title=escape(EVIL))
    table.add_row(escape(EVIL))
    terminal.out().print(table)
    terminal.out().print(escape(EVIL))
    report_failure(DataError(f"Account {EVIL} is unknown", where=EVIL), as_json=True)
    for text in (written(out), written(err)):
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e"}
        assert "[bold]c[/]" in text


def test_what_a_longer_command_came_to_is_told_with_its_error(monkeypatch):
    out = stream("utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", stream("utf-8"))

    def command() -> None:
        with Session(True) as session:
            session.show_part({"verdict": "publishable"}, lambda: None)
            raise DataError("Nobody is left to score")

    with pytest.raises(SystemExit) as left:
        command()
    assert left.value.code == 1
    told = json.loads(written(out))
    assert told == {"verdict": "publishable", "error": {"code": "data", "what": "Nobody is left to score"}}


def test_what_a_command_writes_is_the_owners_alone(tmp_path):
    before = os.umask(0o022)
    try:
        with Session(False):
            (tmp_path / "mlflow.db").touch()
        (tmp_path / "another").touch()
    finally:
        os.umask(before)
    assert (tmp_path / "mlflow.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "another").stat().st_mode & 0o777 == 0o644


def test_a_long_stage_tells_percent_and_time_left():
    clock = iter([0.0, 2.0, 30.0, 60.0, 60.0])
    stage = Stage("backtest", steps=4, clock=lambda: next(clock))
    stage.advance("fold 1")
    assert progress_line(stage) == "backtest … fold 1"  # nobody knows yet how long it takes
    stage.advance("fold 2")
    assert progress_line(stage) == "backtest … fold 2 50 %, about 60 s left"


def test_what_stages_took_is_kept_for_the_next_time(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdout", stream("utf-8"))
    monkeypatch.setattr(sys, "stderr", stream("utf-8"))
    config = Config.model_validate(
        {
            "name": "t",
            "source": {"folder": "."},
            "tables": {"events": {"from": "e"}},
            "label": {"churn": "silence"},
            "workspace": str(tmp_path),
        }
    )
    with Session(False) as session:
        session.use(config)
        with session.stages("check"):
            pass
    with Session(False) as session:
        session.use(config)
        assert session.stages.expected.keys() == {"check"}
    (tmp_path / "stage_seconds.json").write_text("[", encoding="utf-8")
    with Session(False) as session:
        session.use(config)
        assert session.stages.expected == {}


def test_an_error_and_a_stage_speak_the_reader_s_language(capsys, monkeypatch):
    error = DataError(Text.of("data-empty", table="events"), where="events.csv")
    report_failure(error, as_json=True, language="ja")
    told = capsys.readouterr()
    assert json.loads(told.out)["error"]["what"] == "テーブルeventsは空です"
    assert "エラー： テーブルeventsは空です" in told.err
    assert "場所：events.csv" in told.err
    for locale, language in (("ja_JP.UTF-8", "ja"), ("C.UTF-8", "en"), ("en_GB", "en")):
        monkeypatch.setenv("LC_ALL", locale)
        assert terminal_language() == language
    now = iter([0.0, 20.0, 20.0])
    stage = Stage("check", expected=80.0, clock=lambda: next(now))
    assert progress_line(stage, "ja") == "検査 … 25%、残り約60秒"
