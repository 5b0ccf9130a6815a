"""Whether accounts that do badly long before their renewal are still green.

Usage: ``python benchmarks/far_health.py [--companies 400:621 400:622 400:623 400:624 400:625 400:626] [--at 19 25]
[--share 0.3] [--cache FOLDER] [--json]``

Every company (accounts:seed) is simulated anew over 37 months. On each date the model is fitted to what was known, the
health score made from the last five months of labels by a model of the time before them: ``without``
``health.far_yellow``; with it, its threshold learned from those held-out readings (``held_out``); and ``with`` it as
trainings learn it, from what the model in use says of the snapshots before the date whose labels are not known yet. How
many of the accounts far from their renewal are held back on the date is told, the least and the most.

Of the accounts with terms over 180 days and more than 90 days to their renewal, those in the top 15 % of their true
risk are looked at: by the chance of leaving within a year as an oracle states it that knows the hidden state of today
(``state``), by the hazard of today held constant (``hazard``), and by the chance at the renewal of the path that the
troubles then really took (``path``), which nobody can know on the day.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churnml.config import CapacityConfig, HealthConfig, ModelConfig, SnapshotConfig
from churnml.config.sections import LearningConfig
from churnml.features.spec import FeatureSet
from churnml.health import HealthScale, score_health
from churnml.metrics.predictions import roc_auc
from churnml.simulate import true_probability
from churnml.training.fitting import fit_rows
from survival import START, company, true_curves

HELD_DAYS, TOP = 150, 0.85
NAMES = ("without", "held_out", "with")


@dataclass(frozen=True)
class Sections:
    """What a health scale reads of a config."""

    health: HealthConfig
    capacity: CapacityConfig
    snapshots: SnapshotConfig
    model: ModelConfig


def at(made: dict[str, Any], month: int, share: float) -> dict[str, Any]:
    """Return what became of the bands of one date."""
    frame, config, truth = made["frame"], made["config"], made["truth"]
    features, label = FeatureSet.from_dicts(made["specs"]), config.label
    learning = LearningConfig.of(config)
    dates = pd.DatetimeIndex(frame["as_of"].unique()).sort_values()
    day = dates[np.abs(dates - (pd.Timestamp(START) + pd.DateOffset(months=month))).argmin()]
    asked = frame[frame["as_of"] == day].reset_index(drop=True)
    purge = pd.Timedelta(days=label.purge_days)
    labelled = frame[(frame["as_of"] <= day - purge) & frame["churned"].notna()]
    cut = labelled["as_of"].max() - pd.Timedelta(days=HELD_DAYS)
    held = labelled[labelled["as_of"] > cut].reset_index(drop=True)
    earlier = fit_rows(labelled[labelled["as_of"] <= cut - purge], features, learning)
    keys = ["account_id", "as_of"]
    unseen = held[keys].assign(churn_probability=earlier.probability(earlier.matrix(held)))
    model = fit_rows(labelled, features, learning)
    scores = asked[keys].assign(churn_probability=model.probability(model.matrix(asked)))
    base_rate = float(labelled["churned"].mean())
    bands, areas, held_back = {}, {}, {}
    newest = frame[(frame["as_of"] > day - purge) & (frame["as_of"] < day)]
    newest = newest.assign(churn_probability=model.probability(model.matrix(newest)))
    churned = asked["churned"].to_numpy(dtype=float)
    known = ~np.isnan(churned)
    for name, own, told in (("without", 0.0, None), ("held_out", share, None), ("with", share, newest)):
        health = config.health.model_copy(update={"far_yellow": own})
        sections = Sections(health, config.capacity, config.snapshots, config.model)
        scale = HealthScale.fit(labelled, sections, features, scores=unseen, held_out=held, newest=told)
        back = scale.at_most_yellow(asked, scores["churn_probability"].to_numpy(dtype=float))
        held_back[name] = float(back.sum() / scale.far(asked).sum())
        scored = score_health(asked, scores, scale=scale, base_rate=base_rate, verdict="publishable")
        bands[name] = (scored["band"] == "green").to_numpy()
        areas[name] = roc_auc(churned[known], -scored["health_score"].fillna(50.0).to_numpy()[known])
    _, path = true_curves(truth, asked, day)
    oracle = {"path": path}
    for knows in ("state", "hazard"):
        chances = true_probability(truth, day, 366, knows=knows)[["account_id", "probability"]]
        oracle[knows] = asked[["account_id"]].merge(chances, how="left")["probability"].to_numpy()
    far = ((asked["contract_days"] > 180) & (asked["next_decision_days"] > 90)).to_numpy()
    late = (churned == 1) & (asked["ended_days"].to_numpy() >= 60)
    tops = {}
    for name, risk in oracle.items():
        usable = far & ~np.isnan(risk)
        tops[name] = usable & (risk >= np.quantile(risk[usable], TOP))
    return {
        "top": {name: int(top.sum()) for name, top in tops.items()},
        "green_of_top": {
            own: {name: int(green[top].sum()) for name, top in tops.items()} for own, green in bands.items()
        },
        "green": {own: float(green.mean()) for own, green in bands.items()},
        "churners_60_90": int(late.sum()),
        "churners_below_green": {own: int((~green)[late].sum()) for own, green in bands.items()},
        "roc_auc": areas,
        "held_back": held_back,
    }


def main() -> None:
    """Measure the companies that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", nargs="+", default=[f"400:{seed}" for seed in range(621, 627)])
    parser.add_argument("--at", type=int, nargs="+", default=[19, 25], help="months after the start")
    parser.add_argument("--share", type=float, default=HealthConfig().far_yellow)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    parts = []
    for name in options.companies:
        accounts, seed = (int(number) for number in name.split(":"))
        made = company(accounts, seed, options.cache)
        parts += [at(made, month, options.share) for month in options.at]
    tops = {name: sum(part["top"][name] for part in parts) for name in parts[0]["top"]}
    results = {
        "dates": len(parts),
        "top": tops,
        "green_of_top": {
            own: {name: sum(part["green_of_top"][own][name] for part in parts) / tops[name] for name in tops}
            for own in NAMES
        },
        "green": {own: float(np.mean([part["green"][own] for part in parts])) for own in NAMES},
        "churners_60_90": sum(part["churners_60_90"] for part in parts),
        "churners_below_green": {own: sum(part["churners_below_green"][own] for part in parts) for own in NAMES},
        "roc_auc": {own: float(np.mean([part["roc_auc"][own] for part in parts])) for own in NAMES},
    }
    results["held_back"] = {
        own: [min(part["held_back"][own] for part in parts), max(part["held_back"][own] for part in parts)]
        for own in NAMES
    }
    if options.json:
        print(json.dumps(results, indent=1))
        return
    for own in NAMES:
        top = ", ".join(f"{name} {share:.0%}" for name, share in results["green_of_top"][own].items())
        print(
            f"{own}: green of the top 15 % far from renewal: {top}; green of all {results['green'][own]:.1%}; churners "
            f"below green 60–90 days before {results['churners_below_green'][own]} of {results['churners_60_90']}; "
            f"AUC of the score {results['roc_auc'][own]:.4f}; held back of those far from renewal "
            f"{results['held_back'][own][0]:.0%}–{results['held_back'][own][1]:.0%}"
        )


if __name__ == "__main__":
    main()
