"""Do explanations name the true cause? Measured on the simulator, which knows why each account left.

For every account that left for a planted cause, its last reading before churn is explained; the account counts as a
hit when the cause's family is among the two families that raise its risk most. Two models are judged: one fitted on
every labelled row, as it would be published, and one fitted on dates that end a horizon before the readings begin.

Usage: ``python benchmarks/faithfulness.py [--accounts 1500] [--seed 7] [--json]``
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import pandas as pd

from churnml import features, snapshots
from churnml.config import Config
from churnml.explain import batch_contributions
from churnml.features.spec import FAMILIES
from churnml.simulate import simulate
from churnml.tables import Tables
from churnml.training import ChurnModel, fit

TOP = 2


def family_effects(model: ChurnModel, frame: pd.DataFrame, families: list[str]) -> np.ndarray:
    """Return the net log-odds of each family (n, families)."""
    parts = batch_contributions(model, model.matrix(frame))[:, :-1]
    family = np.array([spec.family for spec in model.features])
    return np.column_stack([parts[:, family == name].sum(axis=1) for name in families])


def judged(model: ChurnModel, readings: pd.DataFrame, families: list[str]) -> dict[str, object]:
    """Return the share of readings whose true family is among the top ones, overall and by cause."""
    effects = family_effects(model, readings, families)
    truth = readings["family"].map({name: index for index, name in enumerate(families)}).to_numpy()
    hit = ((-effects).argsort(axis=1)[:, :TOP] == truth[:, None]).any(axis=1)
    by_cause = pd.Series(hit).groupby(readings["cause"].to_numpy()).mean()
    return {
        "accounts": len(readings),
        "top_2": round(float(hit.mean()), 4),
        "random": round(TOP / len(families), 4),
        "by_cause": {str(cause): round(float(share), 3) for cause, share in by_cause.items()},
    }


def main() -> None:
    """Simulate, fit twice, judge twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1500)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    company = simulate(accounts=options.accounts, months=options.months, seed=options.seed)
    tables = Tables.from_pandas(company.tables, observed_from=company.start, observed_until=company.end)
    mapped = {name: {"from": f"{name}.csv"} for name in tables}
    config = Config.model_validate(
        {"name": "simulated", "source": {"folder": "."}, "label": {"churn": "contractual"}, "tables": mapped}
    )
    feature_set = features.catalogue(tables, config.features)
    frame = features.compute(tables, snapshots.spine(tables, config), feature_set, config.features)
    families = [name for name in FAMILIES if name in {spec.family for spec in feature_set} - {"context"}]

    left = company.truth["accounts"].dropna(subset=["churn_on", "family"])[
        ["account_id", "churn_on", "cause", "family"]
    ]
    readings = frame.drop(columns="churn_on").merge(left, on="account_id")
    ahead = (readings["churn_on"] - readings["as_of"]).dt.days
    readings = readings[ahead.between(0, config.label.horizon_days - 1)]
    readings = readings.sort_values("as_of").drop_duplicates("account_id", keep="last").reset_index(drop=True)

    dates = sorted(frame["as_of"].unique())
    cut = dates[len(dates) // 2]
    later = readings[readings["as_of"] >= cut + pd.Timedelta(days=config.label.horizon_days)].reset_index(drop=True)
    result = {
        "published": judged(fit(frame, feature_set, config.learning), readings, families),
        "out_of_time": judged(fit(frame[frame["as_of"] <= cut], feature_set, config.learning), later, families),
    }
    if options.json:
        print(json.dumps(result))
        return
    for name, found in result.items():
        print(name, *(f"{key}={value}" for key, value in found.items()), sep="\n  ")


if __name__ == "__main__":
    main()
