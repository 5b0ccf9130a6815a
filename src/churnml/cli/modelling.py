"""``churnml features``, ``train``, ``score`` and ``run``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from churnml.cli.groups import with_default
from churnml.cli.options import AsJson, ConfigPath, Lang, config_of
from churnml.cli.session import Session
from churnml.errors import UsageError

__all__ = ["features_app", "run", "score", "train"]

features_app = typer.Typer(cls=with_default("make"), no_args_is_help=True)


@features_app.command("make")
def features_make(config: ConfigPath, as_json: AsJson = False) -> None:
    """Make the training frame and write it to the workspace (the default)."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render
        from churnml.files import write_parquet

        settings = config_of(config, session)
        prepared = pipeline.prepare(settings, session.stages)
        path = write_parquet(settings.workspace_dir / "features.parquet", prepared.as_text())
        report = prepared.report(path)
        session.show(report, lambda: render.prepared(report, session.language))


@features_app.command("list")
def features_list(
    config: ConfigPath,
    family: Annotated[str | None, typer.Option(help="Only this family, e.g. support")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind: level, trend, peer, age, flag, category")] = None,
    name: Annotated[str | None, typer.Option(metavar="PATTERN", help="Only names like this, e.g. 'tickets_*'")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every feature, not only how many there are")] = False,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Print the features that this config makes: how many of each family, or those that are asked for."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import feature_list

        catalogue, skipped = pipeline.catalogue(config_of(config, session), session.stages)
        language = session.speak(lang)
        chosen = catalogue.select(family, kind, name)
        narrowed = every or family is not None or kind is not None or name is not None
        session.show(
            {"features": chosen.as_dicts(), "skipped": dict(skipped)},
            lambda: (
                feature_list.features(chosen, language)
                if narrowed
                else feature_list.families(catalogue, skipped, language)
            ),
        )


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

        settings = config_of(config, session)
        if force != bool(reason.strip()):
            from churnml.language import Text

            raise UsageError(Text.of("fault-force_reason"), where="train")
        trained = pipeline.train(
            settings, session.stages, budget=budget, promote_because=reason.strip() if force else None
        )
        session.show(trained.report(), lambda: render.trained(settings, trained, session.language))


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

        settings = config_of(config, session)
        scored = pipeline.score(settings, session.stages, as_of=as_of.date() if as_of else None)
        session.show(scored.report(), lambda: render.scored(settings, config, scored))


def run(config: ConfigPath, as_json: AsJson = False) -> None:
    """Check, train and score."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        settings = config_of(config, session)
        scored = pipeline.run(
            settings,
            session.stages,
            when_trained=lambda trained: session.show_part(
                trained.report(), lambda: render.trained(settings, trained, session.language)
            ),
        )[1]
        session.show(scored.report(), lambda: render.scored(settings, config, scored))
