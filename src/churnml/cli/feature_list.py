"""The catalogue of features in the terminal: a few lines, or those that were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from churnml.cli.render import off
from churnml.cli.terminal import out, whole
from churnml.language import Argument, Section, phrases

if TYPE_CHECKING:
    from churnml.features import FeatureSet, FeatureSpec

__all__ = ["families", "features"]

_RISK = {-1: "lower", 0: "none", 1: "higher"}


def families(catalogue: FeatureSet, skipped: Mapping[str, Argument], lang: str) -> None:
    """Show how many features each family has, and what they are made of."""
    say = phrases(lang)
    t = Section(say, "cli-features")
    table = Table(*(t(f"column.{name}") for name in ("family", "features", "levels", "trends", "ranks", "examples")))
    for family in dict.fromkeys(spec.family for spec in catalogue):
        own = catalogue.select(family=family)
        trends, ranks = (sum(spec.kind == kind for spec in own) for kind in ("trend", "peer"))
        examples = ", ".join(list(dict.fromkeys(spec.measure for spec in own))[:3])
        counts = [whole(count, lang) for count in (len(own), len(own) - trends - ranks, trends, ranks)]
        table.add_row(say(f"family-{family}"), *counts, escape(examples))
    console = out()
    console.print(table)
    how = {"by_family": "--family support", "by_kind": "--kind trend", "by_name": "--name 'tickets_*'", "all": "--all"}
    console.print(escape(t("counted", n=len(catalogue), **how)), highlight=False)
    off(console, skipped, lang)


def features(catalogue: FeatureSet, lang: str) -> None:
    """Show features, those of one measure that differ in their window together."""
    say = phrases(lang)
    t = Section(say, "cli-features")
    table = Table(*(t(f"column.{name}") for name in ("feature", "unit", "risk", "meaning", "missing")))
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
            t(f"risk.{_RISK[first.risk_direction]}"),
            escape(_general(say.text(first.description), first)),
            escape(_general(say.text(first.missing), first)),
        )
    console = out()
    console.print(table)
    console.print(escape(t("kinds", n=len(catalogue), kinds=len(by_name))), highlight=False)


def _general(text: str, spec: FeatureSpec) -> str:
    return text.replace(f"{spec.window_days}", "w") if spec.window_days else text
