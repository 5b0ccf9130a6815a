"""``churnml demo`` and ``simulate``: a company to try everything on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churnml.cli.options import DEMO, AsJson, config_of
from churnml.cli.session import Session
from churnml.errors import UsageError

__all__ = ["demo", "simulate"]

Accounts = Annotated[int, typer.Option(min=20, max=1_000_000, help="Accounts that ever sign up")]
Months = Annotated[int, typer.Option(min=6, max=240, help="Months of history")]
Seed = Annotated[int, typer.Option(min=0, help="Another seed makes another company")]
ChurnRate = Annotated[
    float | None,
    typer.Option(min=0.0005, max=0.5, help="Monthly logo churn to aim at, 0–1  [default: the company's own]"),
]


def demo(
    accounts: Accounts = 600,
    months: Months = 24,
    seed: Seed = 7,
    churn_rate: ChurnRate = None,
    config: Annotated[Path, typer.Option(help="Config to run on the simulated company")] = DEMO,
    as_json: AsJson = False,
) -> None:
    """Simulate a company and run everything on it: check, train, score, explain."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        settings = config_of(config, session)
        if settings.source is None or settings.source.folder is None:
            from churnml.language import Text

            raise UsageError(Text.of("fault-demo_folder"), where=str(config))
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
            when_trained=lambda trained: session.show_part(
                trained.report(), lambda: render.trained(settings, trained, session.language)
            ),
        )[1]
        session.show(scored.report(), lambda: render.scored(settings, config, scored))


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
        session.show(made, lambda: render.simulated(made, session.language))
