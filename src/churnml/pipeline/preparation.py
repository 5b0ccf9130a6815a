"""From raw data to a training frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from churnml import engine, memory, snapshots
from churnml import features as features_room
from churnml.config import Config
from churnml.features import FeatureSet
from churnml.files import sweep
from churnml.language import Text
from churnml.pipeline.results import Checked, Prepared, Simulated
from churnml.progress import Stages
from churnml.sources import Loaded, load

__all__ = ["catalogue", "check", "prepare", "simulate_company"]


def simulate_company(
    folder: Path,
    *,
    accounts: int,
    months: int,
    seed: int,
    churn_rate: float | None = None,
    tools: Sequence[str] = (),
    stages: Stages | None = None,
) -> Simulated:
    """Simulate a company and write its tables to a folder, its truth to ``truth/`` beside them.

    With `tools` it is written as these tools export it, with the config that reads them.
    """
    from churnml.simulate import simulate, write
    from churnml.simulate.exports import write_exports

    stages = stages or Stages()
    with stages("simulate"):
        company = simulate(accounts=accounts, months=months, seed=seed, churn_rate=churn_rate)
        if tools:
            write_exports(company, folder, tools)
        else:
            write(company, folder)
    tables = {name: len(frame) for name, frame in company.tables.items()}
    return Simulated(folder, accounts=accounts, months=months, seed=seed, tables=tables)


def catalogue(config: Config, stages: Stages | None = None) -> tuple[FeatureSet, Mapping[str, Text]]:
    """Return the features a config makes of its data, and what is off and why."""
    tables = check(config, stages).loaded.tables
    return features_room.catalogue(tables, config.features), features_room.skipped(tables, config.features)


def check(config: Config, stages: Stages | None = None) -> Checked:
    """Map the raw data to canonical tables and say what is wrong with it."""
    stages = stages or Stages()
    with stages("check"):
        for folder in (config.workspace_dir, config.bundles_dir):
            sweep(folder)
        connection = engine.connect(config.engine, temp_dir=config.workspace_dir / "tmp")
        loaded = load(config, connection=connection, progress=stages.say)
        families = features_room.families_use(loaded.tables, config.features)
        engine.give_back(connection, config.engine)
        return Checked(loaded, families)


def prepare(config: Config, stages: Stages | None = None, *, loaded: Loaded | None = None) -> Prepared:
    """Make the training frame: spine, labels, features."""
    stages = stages or Stages()
    loaded = loaded or check(config, stages).loaded
    with stages("snapshots"):
        spine = snapshots.spine(loaded.tables, config)
    with stages("features"):
        catalogue = features_room.catalogue(loaded.tables, config.features)
        cohort = snapshots.whole_cohorts(loaded.tables, config, spine)
        frame = features_room.compute(loaded.tables, spine, catalogue, config.features, cohort=cohort)
        memory.give_back()
        engine.give_back(loaded.tables.connection, config.engine)
    return Prepared(loaded, catalogue, frame, features_room.skipped(loaded.tables, config.features))
