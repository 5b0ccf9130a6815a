"""``churnml daily``: everything that is done every day, in one run that may be started again at any time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnml.cli.groups import with_default
from churnml.cli.options import AsJson, ConfigPath, config_of
from churnml.cli.session import Session

if TYPE_CHECKING:
    from churnml.pipeline import DailyRun
    from churnml.pipeline.daily import Unit
    from churnml.store import Run

__all__ = ["daily_app"]


daily_app = typer.Typer(cls=with_default("run"), no_args_is_help=True)


@daily_app.command("run")
def daily_run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, or a folder of them")],
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Of a folder: so many side by side")] = 1,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Of a folder: memory of all of them, e.g. 8GB  [default: no limit]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run every stage that is due, and keep a record; exits with 1 when a stage failed, 3 when another run is at it.

    Of a folder of configs each is run by itself: what happens to one is not another's.
    """
    if config.is_dir():
        _run_folder(config, jobs, memory, as_json)
        return
    well = True
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli.faults import foreseen

        settings = config_of(config, session)
        done = pipeline.run_daily(
            settings, session.stages, foresee=lambda error: foreseen(error, settings.workspace_dir)
        )
        well = done.well
        session.show(_report(done), lambda: _print_run(done.run, session.language, done))
    if not well:
        raise typer.Exit(1)


@daily_app.command("list")
def daily_list(
    config: ConfigPath,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many")] = 10,
    as_json: AsJson = False,
) -> None:
    """List the last daily runs, newest first: each stage, its rows and seconds, and how it ended."""
    with Session(as_json) as session:
        from churnml import pipeline

        runs = pipeline.list_runs(config_of(config, session), limit=limit)
        session.show({"runs": runs}, lambda: _print_runs(runs, session.language))


def _run_folder(folder: Path, jobs: int, memory: str | None, as_json: bool) -> None:
    well = False
    with Session(as_json) as session:
        from churnml.pipeline.daily import megabytes, run_units

        limit = None if memory is None else megabytes(memory)
        units = run_units(folder, jobs=jobs, memory_mb=limit, ended=lambda unit: _tell_unit(unit, session.language))
        well = all(unit.outcome == "done" for unit in units)
        session.show({"units": units}, lambda: _print_units(units, session.language))
    if not well:
        raise typer.Exit(1)


def _tell_unit(unit: Unit, language: str) -> None:
    from churnml.cli.terminal import aside
    from churnml.language import Section, phrases

    t = Section(phrases(language), "cli-daily")
    aside(t("ended", config=unit.config.name, outcome=t(f"unit.{unit.outcome}"), seconds=round(unit.seconds)))


def _print_units(units: list[Unit], language: str) -> None:
    from rich.table import Table
    from rich.text import Text as Plain

    from churnml.cli.terminal import out, whole
    from churnml.language import Section, phrases

    t = Section(phrases(language), "cli-daily")
    table = Table(box=None, pad_edge=False)
    for name in ("config", "outcome", "seconds", "megabytes", "starts", "why"):
        table.add_column(t(f"column.{name}"), justify="right" if name in ("seconds", "megabytes", "starts") else "left")
    for unit in units:
        stages = unit.report.get("run", {}).get("stages", ())
        failed = [f"{one['name']}: {one['error']['what']}" for one in stages if one.get("error")]
        why = "; ".join(failed) or unit.report.get("error", {}).get("what", "")
        numbers = (whole(round(value), language) for value in (unit.seconds, unit.peak_mb, unit.starts))
        table.add_row(unit.config.name, t(f"unit.{unit.outcome}"), *numbers, Plain(why))
    out().print(table)


def _report(done: DailyRun) -> dict[str, Any]:
    from pydantic_core import to_jsonable_python

    report: dict[str, Any] = to_jsonable_python(done)
    return report


def _print_run(run: Run, language: str, done: DailyRun | None = None) -> None:
    from rich.table import Table
    from rich.text import Text as Plain

    from churnml.cli.session import stage_name
    from churnml.cli.terminal import out, whole
    from churnml.language import Section, number, phrases

    say = phrases(language)
    t = Section(say, "cli-daily")
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "outcome", "rows", "seconds", "why"):
        table.add_column(t(f"column.{name}"), justify="right" if name in ("rows", "seconds") else "left")
    for one in run.stages:
        rows = "" if one.rows is None else whole(one.rows, language)
        seconds = "" if one.seconds is None else number(one.seconds, language, 1)
        why = say.stored((one.error or {}).get("what")) or say.joined(one.detail.get("because", ()))
        table.add_row(stage_name(one.name, language), t(f"stage.{one.outcome}"), rows, seconds, Plain(why))
    out().print(table)
    for one in run.stages:
        if one.error is not None and one.error.get("remedy"):
            where = say.stored(one.error.get("where"))
            place = f" ({where})" if where else ""
            out().print(Plain(f"{stage_name(one.name, language)}{place}: {say.stored(one.error['remedy'])}"))
    for notice in done.notices if done is not None else ():
        if not notice.sent:
            out().print(Plain(t("not_told", target=notice.target, why=notice.why or "")))


def _print_runs(runs: list[Run], language: str) -> None:
    from rich.text import Text as Plain

    from churnml.cli.terminal import out
    from churnml.language import Section, phrases

    t = Section(phrases(language), "cli-daily")
    if not runs:
        out().print(t.none)
    for run in runs:
        times = {"from": f"{run.started_at:%Y-%m-%d %H:%M:%S}Z"}
        if run.ended_at is not None:
            times["until"] = f"{run.ended_at:%H:%M:%S}Z"
        line = t("ran.ended" if "until" in times else "ran", outcome=t(f"stage.{run.outcome}"), **times)
        out().print(Plain.assemble((str(run.id), "bold"), "  ", line))
        _print_run(run, language)
