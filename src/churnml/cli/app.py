"""The commands. Each reads its arguments, calls one function of the pipeline, and shows what it returned.

Nothing heavy is imported before a command runs, so ``churnml --help`` answers at once.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from churnml.cli.alerts import alerts_app
from churnml.cli.deliver import deliver_app
from churnml.cli.experiments import experiments_app
from churnml.cli.health import health_app
from churnml.cli.init import init
from churnml.cli.keys import keys_app
from churnml.cli.kpis import kpis
from churnml.cli.models import models_app
from churnml.cli.monitor import monitor
from churnml.cli.presets import presets_app
from churnml.cli.session import Session, language_of, report_failure
from churnml.cli.tasks import tasks_app
from churnml.errors import UsageError

if TYPE_CHECKING:
    from churnml.config import Config

__all__ = ["app", "main"]

_DEMO = Path("configs/demo.yaml")


class _WithDefault(TyperGroup):
    """A group whose first argument may be a config: ``churnml features CONFIG`` beside ``churnml features list``."""

    default = "make"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command in front when the first argument is not a command of the group."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Churn prediction and customer health for B2B SaaS.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
features_app = typer.Typer(
    cls=_WithDefault, no_args_is_help=True, help="Make the training frame, or list its features."
)
config_app = typer.Typer(no_args_is_help=True, help="Look at a config.")
app.command(rich_help_panel="Start here")(init)
app.add_typer(alerts_app, name="alerts", rich_help_panel="Use the scores")
app.add_typer(deliver_app, name="deliver", rich_help_panel="Use the scores")
app.add_typer(tasks_app, name="tasks", rich_help_panel="Use the scores")
app.add_typer(experiments_app, name="experiments", rich_help_panel="Use the scores")
app.add_typer(health_app, name="health", rich_help_panel="Use the scores")
app.add_typer(features_app, name="features", rich_help_panel="Train and score")
app.add_typer(models_app, name="models", rich_help_panel="Train and score")
app.add_typer(config_app, name="config", rich_help_panel="Data")
app.add_typer(presets_app, name="presets", rich_help_panel="Data")
app.command(rich_help_panel="Use the scores")(kpis)
app.command(rich_help_panel="Train and score")(monitor)
app.add_typer(keys_app, name="keys", rich_help_panel="Use the scores")

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, e.g. configs/demo.yaml")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr")]
Accounts = Annotated[int, typer.Option(min=20, max=1_000_000, help="Accounts that ever sign up")]
Months = Annotated[int, typer.Option(min=6, max=240, help="Months of history")]
Seed = Annotated[int, typer.Option(min=0, help="Another seed makes another company")]
ChurnRate = Annotated[
    float | None,
    typer.Option(min=0.0005, max=0.5, help="Monthly logo churn to aim at, 0–1  [default: the company's own]"),
]


def main() -> None:
    """Run the command line; every error ends in a message, never in a traceback, and with ``--json`` in a document."""
    as_json = "--json" in sys.argv
    try:
        _refuse_broken_text(sys.argv[1:])
        # With --json typer must not write a wrong usage its own way: a script that reads stdout wants the document.
        sys.exit(app(standalone_mode=not as_json) or 0)
    except typer.Abort:
        sys.exit(1)
    except Exception as error:
        # Typer's errors of usage have this method; their class has no public name.
        told = getattr(error, "format_message", None)
        sys.exit(report_failure(error if told is None else UsageError(told()), as_json=as_json))


def _refuse_broken_text(arguments: list[str]) -> None:
    """Refuse bytes that are no text in this terminal's encoding: no file, database or page could hold them."""
    for argument in arguments:
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError as error:
            raise UsageError(
                "An argument is not text",
                got=ascii(argument[:80]),
                expected=f"text in {sys.getfilesystemencoding()}",
                remedy="Set the terminal, or the script that starts churnml, to UTF-8.",
            ) from error


def _config(path: Path, session: Session) -> Config:
    from churnml.config import load_config

    config = load_config(path)
    session.use(config)
    return config


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and leave")] = False) -> None:
    if version:
        from churnml import __version__

        typer.echo(f"churnml {__version__}")
        raise typer.Exit


@app.command(rich_help_panel="Start here")
def demo(
    accounts: Accounts = 600,
    months: Months = 24,
    seed: Seed = 7,
    churn_rate: ChurnRate = None,
    config: Annotated[Path, typer.Option(help="Config to run on the simulated company")] = _DEMO,
    as_json: AsJson = False,
) -> None:
    """Simulate a company and run everything on it: check, train, score, explain."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        settings = _config(config, session)
        if settings.source is None or settings.source.folder is None:
            raise UsageError(
                "The demo needs a config whose source is a folder",
                where=str(config),
                remedy="Use configs/demo.yaml.",
            )
        pipeline.simulate_company(
            settings.resolve(settings.source.folder),
            accounts=accounts,
            months=months,
            seed=seed,
            churn_rate=churn_rate,
            stages=session.stages,
        )
        # The company is made anew each time, so an older champion knows another one.
        scored = pipeline.run(
            settings,
            session.stages,
            promote_because="The demo's company was made anew.",
            when_trained=lambda trained: session.show_part(trained.report(), lambda: render.trained(settings, trained)),
        )[1]
        session.show(scored.report(), lambda: render.scored(settings, config, scored))


@app.command(rich_help_panel="Start here")
def simulate(
    folder: Annotated[Path, typer.Argument(help="Folder to write the tables to")] = Path("workspace/demo/raw"),
    accounts: Accounts = 1500,
    months: Months = 24,
    seed: Seed = 7,
    churn_rate: ChurnRate = None,
    tools: Annotated[
        str | None,
        typer.Option("--as", metavar="TOOLS", help="As tools export it: salesforce,zendesk,stripe,segment"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a company whose true churn hazard is known; with --as, as its tools would export it, with a config."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        made = pipeline.simulate_company(
            folder,
            accounts=accounts,
            months=months,
            seed=seed,
            churn_rate=churn_rate,
            tools=tuple(tool.strip() for tool in tools.split(",")) if tools else (),
            stages=session.stages,
        )
        session.show(made, lambda: render.simulated(made))


@app.command(rich_help_panel="Data")
def check(
    config: ConfigPath,
    html: Annotated[Path | None, typer.Option(help="Also write how usable the data is as an HTML page")] = None,
    as_json: AsJson = False,
) -> None:
    """Map the raw data to the canonical tables; say what is wrong with it and what it allows of each feature family."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render, usability

        checked = pipeline.check(_config(config, session), session.stages)
        if html is not None:
            usability.write_page(html, checked.report())
        session.show(checked.report(), lambda: render.checked(checked))


@features_app.command("make")
def features_make(config: ConfigPath, as_json: AsJson = False) -> None:
    """Make the training frame and write it to the workspace (the default)."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render
        from churnml.files import write_parquet

        settings = _config(config, session)
        prepared = pipeline.prepare(settings, session.stages)
        path = write_parquet(settings.workspace_dir / "features.parquet", prepared.as_text())
        report = prepared.report(path)
        session.show(report, lambda: render.prepared(report))


@features_app.command("list")
def features_list(
    config: ConfigPath,
    family: Annotated[str | None, typer.Option(help="Only this family, e.g. support")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind: level, trend, peer, age, flag, category")] = None,
    name: Annotated[str | None, typer.Option(metavar="PATTERN", help="Only names like this, e.g. 'tickets_*'")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every feature, not only how many there are")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the features that this config makes: how many of each family, or those that are asked for."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import feature_list

        catalogue, skipped = pipeline.catalogue(_config(config, session), session.stages)
        chosen = catalogue.select(family, kind, name)
        narrowed = every or family is not None or kind is not None or name is not None
        session.show(
            {"features": chosen.as_dicts(), "skipped": dict(skipped)},
            lambda: feature_list.features(chosen) if narrowed else feature_list.families(catalogue, skipped),
        )


@app.command(rich_help_panel="Train and score")
def train(
    config: ConfigPath,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Tune LightGBM for so long first: 300s, 5m, 1h  [default: no tuning]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote whatever gate and leakage audit say")] = False,
    reason: Annotated[str, typer.Option(help="Why, with --force; it goes on record")] = "",
    as_json: AsJson = False,
) -> None:
    """Backtest, fit, track in MLflow and write the bundle; the gate decides whether it becomes the champion."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        settings = _config(config, session)
        if force != bool(reason.strip()):
            raise UsageError(
                "Promoting whatever the gate says needs a person's reason",
                where="train",
                expected="--force --reason '…', or neither",
            )
        trained = pipeline.train(
            settings, session.stages, budget=budget, promote_because=reason.strip() if force else None
        )
        session.show(trained.report(), lambda: render.trained(settings, trained))


@app.command(rich_help_panel="Train and score")
def score(
    config: ConfigPath,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Score as known before this day  [default: newest]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score every account at one date, explain it, and publish the snapshot."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        settings = _config(config, session)
        scored = pipeline.score(settings, session.stages, as_of=as_of.date() if as_of else None)
        session.show(scored.report(), lambda: render.scored(settings, config, scored))


@app.command(rich_help_panel="Train and score")
def run(config: ConfigPath, as_json: AsJson = False) -> None:
    """Check, train and score."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        settings = _config(config, session)
        scored = pipeline.run(
            settings,
            session.stages,
            when_trained=lambda trained: session.show_part(trained.report(), lambda: render.trained(settings, trained)),
        )[1]
        session.show(scored.report(), lambda: render.scored(settings, config, scored))


@app.command(rich_help_panel="Use the scores")
def explain(
    config: ConfigPath,
    account_id: Annotated[str | None, typer.Argument(help="Account to explain")] = None,
    overall: Annotated[
        bool, typer.Option("--overall", help="All accounts: families, patterns of those who left, segments")
    ] = False,
    lang: Annotated[str | None, typer.Option(help="en or ja  [default: the config's language]")] = None,
    what_if: Annotated[
        list[str] | None, typer.Option("--set", metavar="FEATURE=VALUE", help="Score with another value instead")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say why an account has the score it has, in words; with --set, what the score would be otherwise.

    With --overall, what goes with churn over all accounts, also as an HTML page.
    """
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        settings = _config(config, session)
        language = language_of(lang, settings)
        if overall == (account_id is not None) or (overall and what_if):
            raise UsageError("An explanation is either of one account or of all", expected="ACCOUNT_ID or --overall")
        if account_id is None:
            from churnml.cli import all_accounts

            found, page, summary = pipeline.overall(settings, session.stages, language=language)
            report = {**found.as_dict(), "shap_summary": str(summary), "report": str(page)}
            session.show(report, lambda: all_accounts.overall(found, page, language))
            return
        if what_if:
            answer = pipeline.suppose(settings, account_id, what_if)
            session.show(answer, lambda: render.supposed(answer))
            return
        told = pipeline.explain(settings, account_id)
        session.show(told, lambda: render.explained(told, language))


@app.command(rich_help_panel="Use the scores")
def report(
    config: ConfigPath,
    account_id: Annotated[str | None, typer.Argument(help="Account to brief on")] = None,
    portfolio: Annotated[bool, typer.Option("--portfolio", help="All accounts on one page, with filters")] = False,
    lang: Annotated[str | None, typer.Option(help="en or ja  [default: the config's language]")] = None,
    as_json: AsJson = False,
) -> None:
    """Write an account's one-page brief, or the portfolio, as HTML that prints."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        if portfolio == (account_id is not None):
            raise UsageError("A report is either of one account or of all", expected="ACCOUNT_ID or --portfolio")
        settings = _config(config, session)
        language = language_of(lang, settings)
        if account_id is None:
            path = pipeline.portfolio(settings, language, session.stages)
        else:
            path = pipeline.brief(settings, account_id, language, session.stages)
        session.show({"report": str(path)}, lambda: render.written(path))


@app.command(rich_help_panel="Data")
def audit(config: ConfigPath, as_json: AsJson = False) -> None:
    """Look for leakage in the training data; exits with 1 when something is found."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        findings = [finding.as_dict() for finding in pipeline.audit(_config(config, session), session.stages)]
        found = sorted(one["code"] for one in findings if one["status"] == "found")
        session.show({"found": found, "findings": findings}, lambda: render.audited(findings))
    if found:
        raise typer.Exit(1)


@app.command(rich_help_panel="Use the scores")
def serve(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file")] = _DEMO,
    host: Annotated[str | None, typer.Option(help="Address to bind  [default: serving.host]")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port  [default: serving.port]")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes that answer  [default: CHURNML_WORKERS, else 1]")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="No API keys; loopback only")] = False,
    as_json: AsJson = False,
) -> None:
    """Serve scores, predictions and explanations over HTTP until interrupted."""
    with Session(as_json) as session:
        from churnml import serving

        serving.run(_config(config, session), host=host, port=port, workers=workers, insecure=insecure)


@config_app.command("show")
def config_show(config: ConfigPath, as_json: AsJson = False) -> None:
    """Print the resolved config, defaults included."""
    with Session(as_json) as session:
        from churnml.cli import render

        settings = _config(config, session)
        session.show({"hash": settings.hash, "config": settings.as_dict()}, lambda: render.config(settings))
