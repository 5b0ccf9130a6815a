"""The catalogue of features in the terminal: a few lines, or those that were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from churnml.cli.render import off
from churnml.cli.terminal import out

if TYPE_CHECKING:
    from churnml.features import FeatureSet, FeatureSpec

__all__ = ["families", "features"]

_RISK = {-1: "lower", 0: "", 1: "higher"}


def families(catalogue: FeatureSet, skipped: Mapping[str, str]) -> None:
    """Show how many features each family has, and what they are made of."""
    table = Table("family", "features", "levels", "trends", "ranks", "for example")
    for family in dict.fromkeys(spec.family for spec in catalogue):
        own = catalogue.select(family=family)
        trends, ranks = (sum(spec.kind == kind for spec in own) for kind in ("trend", "peer"))
        examples = ", ".join(list(dict.fromkeys(spec.measure for spec in own))[:3])
        numbers = [str(number) for number in (len(own), len(own) - trends - ranks, trends, ranks)]
        table.add_row(family, *numbers, escape(examples))
    console = out()
    console.print(table)
    console.print(
        f"{len(catalogue)} features. `--family support`, `--kind trend` or `--name 'tickets_*'` show some, "
        "`--all` every one.",
        highlight=False,
    )
    off(console, skipped)


def features(catalogue: FeatureSet) -> None:
    """Show features, those of one measure that differ in their window together."""
    table = Table("feature", "unit", "more of it: risk", "meaning", "missing means")
    by_name: dict[str, list[FeatureSpec]] = {}
    for spec in catalogue:
        name = f"{spec.name.removesuffix(f'_{spec.window_days}d')}_{{w}}d" if spec.window_days else spec.name
        by_name.setdefault(name, []).append(spec)
    for name, specs in by_name.items():
        first = specs[0]
        windows = ",".join(str(spec.window_days) for spec in specs)
        shown = name.replace("{w}", windows if len(specs) == 1 else "{" + windows + "}")
        table.add_row(
            escape(shown),
            first.unit,
            _RISK[first.risk_direction],
            escape(_general(first.description_en, first)),
            escape(_general(first.missing, first)),
        )
    console = out()
    console.print(table)
    console.print(f"{len(catalogue)} features of {len(by_name)} kinds.", highlight=False)


def _general(text: str, spec: FeatureSpec) -> str:
    return text.replace(f"{spec.window_days}", "w") if spec.window_days else text
