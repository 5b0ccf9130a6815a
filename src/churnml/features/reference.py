"""The catalogue as a page of documentation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pandas as pd

from churnml.config import Config
from churnml.features.catalogue import catalogue
from churnml.features.spec import FAMILIES, FeatureSet, FeatureSpec
from churnml.language import Argument, Text, render
from churnml.tables import TABLES, Tables

__all__ = ["catalogue_markdown", "reference_catalogue", "reference_markdown"]

_SAMPLES = {
    "string": "x",
    "int64": 1,
    "float64": 1.0,
    "boolean": True,
    "date": "2026-01-01",
    "timestamp": "2026-01-01",
}


@cache
def reference_catalogue() -> FeatureSet:
    """Return the catalogue of a company that supplies every table and column, with one event kind named ``report``.

    Examples
    --------
    >>> "active_users_28d" in reference_catalogue()
    True
    """
    frames = {}
    for name, table in TABLES.items():
        words = {column.name: column.values[:1] for column in table.columns}  # noqa: PD011
        row = {column.name: next(iter(words[column.name]), _SAMPLES[column.dtype]) for column in table.columns}
        frames[name] = pd.DataFrame([row])
    frames["events"] = pd.concat([frames["events"].assign(event_type=kind) for kind in ("login", "report")])
    config = Config.model_validate(
        {
            "name": "reference",
            "source": {"folder": "raw"},
            "label": {"churn": "contractual"},
            "tables": {name: {"from": f"{name}.csv"} for name in frames},
            "features": {"attributes": ["industry"], "extra": ["cohort_month"]},
        }
    )
    return catalogue(Tables.from_pandas(frames), config.features)


def reference_markdown() -> str:
    """Return ``docs/features.md``: the catalogue of the reference company."""
    return "\n".join([_PREFACE, catalogue_markdown(reference_catalogue())])


def catalogue_markdown(feature_set: FeatureSet) -> str:
    """Return a catalogue as Markdown tables, one per family, one line per measure.

    Examples
    --------
    >>> catalogue_markdown(reference_catalogue()).splitlines()[0]
    '## engagement 利用頻度'
    """
    lines: list[str] = []
    for family in FAMILIES:
        specs = [spec for spec in feature_set if spec.family == family]
        if not specs:
            continue
        lines += [f"## {family} {render(Text.of(f'family-{family}'), 'ja')}", ""]
        lines += [
            "| feature | unit | from | meaning | 意味 | missing when | can be acted on | more of it: risk |",
            "|---|---|---|---|---|---|---|---|",
        ]
        by_name: dict[str, list[FeatureSpec]] = {}
        for spec in specs:
            by_name.setdefault(_without_window(spec), []).append(spec)
        lines += [_line(name, group) for name, group in by_name.items()]
        lines.append("")
    return "\n".join(lines)


_RISK = {-1: "lower", 0: "", 1: "higher"}


def _without_window(spec: FeatureSpec) -> str:
    return spec.name.removesuffix(f"_{spec.window_days}d") + "_{w}d" if spec.window_days else spec.name


def _line(name: str, specs: Sequence[FeatureSpec]) -> str:
    first = specs[0]
    windows = ", ".join(str(spec.window_days) for spec in specs if spec.window_days)

    def general(said: Argument, language: str = "en") -> str:
        text = render(said, language)
        return text.replace(f"{first.window_days}", "w") if first.window_days else text

    heading = f"`{name}`" + (f" (w = {windows})" if windows else "")
    return (
        f"| {heading} | {first.unit or 'words'} | {first.table} | {general(first.description)} "
        f"| {general(first.description, 'ja')} | {general(first.missing)} | {'yes' if first.actionable else 'no'} "
        f"| {_RISK[first.risk_direction]} |"
    )


_PREFACE = '''# Features

Made from the catalogue of a company that supplies every table and column, with one kind of event named `report`;
`make docs` writes this page anew. `churnml features list CONFIG` prints your own catalogue. What is off, and for want
of which table or column, is printed by every run.

## How a feature is made

A row is an account and an `as_of` (midnight UTC). A fact counts when it **occurred and was known before** `as_of`;
a window of `w` days is `[as_of − w, as_of)`. Values that come later (a ticket's solution, a survey's answer, a
termination without notice) are hidden until their own time has passed.

Zero and missing differ. A count over a window of which at least one day could be observed is a number, 0 included;
of which no day could be, missing. Observable are the days that both the data and the account's life cover: from the
later of the data's start and the account's first known fact (`created_on`, first subscription, first event). Rates
divide by the observable days only. A trend is missing unless the earlier window was wholly observable.

A **trend** is (recent − before) ÷ (recent + before), from −1 to 1. A **slope** is the least-squares slope of the
weekly values over the observable weeks of the last 12 (at least 4), divided by their mean. A **drop from peak** is
1 − the last window ÷ the highest of the consecutive windows of that length in the last 364 days. A **percentile** is
the share of that day's whole cohort in the same peer group (`features.peer_by`, else the plan, else seats in powers of
two) with a lower value, ties counting half; a group of fewer than 5 is replaced by all customers of that `as_of`. It is
the only kind of feature that depends on other accounts.

**Lifetime** measures look at all that was known before `as_of`, from the account's start: frequency, value, the usual
gap between active days and its irregularity, revenue. The month of the start (`cohort_month`) is off unless
`features.extra` names it: together with the tenure it tells the calendar date, and trees learn from it how many left in
the training period.

Each measure declares the **direction** that domain knowledge gives it: whether more of it goes with more risk of churn,
with less, or neither in general. A trend, a slope and a rank have the direction of their measure, a drop from peak the
opposite one; events of a kind have one when `features.core_features` names it.

Kinds of event are counted one by one: those of `features.event_types`, else the `features.max_event_types` most
frequent ones. Names are lower-cased to letters, digits and underscores; kinds whose names then agree are one kind.

## Your own features

A feature is one small function in a module of yours that the config names (`features.modules`: a dotted name, or a
`.py` file relative to the config). With `table=` it gets an Ibis table: the rows of one canonical table as known before
each `as_of`, cut to the window, and returns an aggregate. It cannot see the future, because the rows it gets do not
hold it. A mistake is told with the file, the feature, the line and what was got.

```python
from churnml.features import feature


@feature("billing_tickets", "support", "tickets", table="tickets", needs=("category",), empty=0.0)
def billing_tickets(rows):
    """Tickets about billing opened in the last {w} days."""
    return (rows.category == "billing").sum()


@feature("tickets_per_user", "support", "tickets per user")
def tickets_per_user(frame):
    """Tickets opened ÷ active users, 28 days."""
    return frame["tickets_opened_28d"] / frame["active_users_28d"].where(frame["active_users_28d"] > 0)
```

Name, family, unit and the function are enough: it then gets the pandas frame of the catalogue's other features. More
can be said: its `label` and `description`, as they are in every language or by language (`{"en": …, "ja": …}`), what
`missing` means,
`windows` of its own, and the `risk_direction` that you know of (+1: more of it goes with more risk; −1: with less).
`empty` is the value of an account without a row in the window; unless given it is missing.
'''
