"""The accounts behind the KPIs of a month: what each of them adds to every number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from churnml.retention.groups import YEAR_MONTHS, Groups
from churnml.retention.panel import Panel

__all__ = ["month_rows"]


def month_rows(panel: Panel, groupings: Mapping[str, Groups], number: int) -> dict[str, npt.NDArray[Any]]:
    """Return what each account adds to the KPIs of a month; every KPI is a sum, or a ratio of sums, of these columns.

    Parameters
    ----------
    panel : Panel
    groupings : mapping
        Name of a grouping → its groups.
    number : int
        Of the month in the panel.

    Returns
    -------
    dict of str to ndarray
        ``account_id`` and the columns of `Panel.month`; with ``year_`` before their names those of `Panel.moved` over
        the twelve months that end with this one; for each grouping ``by_<name>`` and ``year_by_<name>``: the group
        in words, empty for none. Accounts of which nothing counts are left out.
    """
    facts = dict(panel.month(number))
    if number + 1 >= YEAR_MONTHS:
        year = panel.moved(number + 1 - YEAR_MONTHS, number + 1)
        wanted = ("there", "churned", "mrr", "expansion", "contraction", "churned_mrr")
        facts |= {f"year_{name}": year[name] for name in wanted}
    involved = np.logical_or.reduce([values != 0 for values in facts.values()])
    out: dict[str, npt.NDArray[Any]] = {"account_id": panel.accounts.to_numpy()[involved]}
    out |= {name: values[involved] for name, values in facts.items()}
    for name, groups in groupings.items():
        words = np.array([*groups.names, ""], dtype="object")
        out[f"by_{name}"] = words[groups.of_month[number][involved]]
        out[f"year_by_{name}"] = words[groups.of_year[number][involved]]
    return out
