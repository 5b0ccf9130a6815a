"""Survival curves of companies without contracts beside Kaplan–Meier, and beside the truth of simulated ones.

Usage: ``python benchmarks/silence.py [--companies 400:801 400:802 300:803 300:804] [--configs configs/git_b2b.yaml]
[--silence 30] [--refits 6] [--json]``

A company (accounts:seed) is 36 months of events. Its accounts differ in how many people they are and how often these do
something; each goes from doing well to declining and back, and stops for good at a hazard that depends on both. Nobody
but the simulator knows in which state an account is or whether it has stopped. Everything is fitted to what was known
12 months before the end and judged by the 12 months after it:

- the integrated Brier score (Graf et al. 1999) of the curves, and as served, moved to the chance of the model of the
  label's horizon; of Kaplan–Meier of all, and by days since the last activity;
- the mean chance of being lost within 90, 180 and 360 days, what happened, and what the truth expects: 300 futures of
  each account from its hidden state;
- of how many tenths of the accounts the 80 % bounds hold the true mean, and of how many accounts the true chance.

A config is judged on real data 12 and 24 months before their end, without a truth.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml import snapshots
from churnml.config import load_config
from churnml.config.sections import LearningConfig
from churnml.evaluation.simple_curves import kaplan_meier, kaplan_meier_by_recency
from churnml.features.spec import FeatureSet
from churnml.pipeline import prepare
from churnml.training.fitting import fit_rows
from churnml.training.hazard import HazardModel
from churnml.training.stacking import known_by

START, MONTHS, AT = date(2022, 1, 1), 36, 24
AHEAD = np.arange(1, 13) * 30.0
DAYS = (90, 180, 360)
FUTURES = 300
CONFIG = """
name: silent
source: {{folder: raw}}
workspace: workspace
tables: {{events: {{from: events.parquet}}}}
label: {{churn: silence, silence_days: {silence}, horizon_days: 90}}
cohort: {{min_events: 3}}
"""

Array = npt.NDArray[np.float64]
WELL, DECLINING, GONE = 0, 1, 2


class World:
    """Accounts with a hidden state each, a day at a time.

    Parameters
    ----------
    accounts : int
    rng : Generator
    """

    def __init__(self, accounts: int, rng: np.random.Generator) -> None:
        self.often = rng.beta(1.2, 3.0, accounts) * 0.5 + 0.04  # chance that somebody is active on a day, doing well
        self.people = 1 + rng.poisson(6.0 * self.often**0.5)
        self.declines = 0.05 / 30.4 * np.exp(rng.normal(0.0, 0.4, accounts))
        self.stops = np.exp(rng.normal(0.0, 0.5, accounts)) / 30.4

    def next_state(self, state: npt.NDArray[np.intp], rng: np.random.Generator, who: Any = slice(None)) -> Any:
        """Return the states a day later."""
        draw = rng.random(state.shape)
        declines, stops = self.declines[who], self.stops[who]
        well = np.where(draw < 0.006 * stops, GONE, np.where(draw < 0.006 * stops + declines, DECLINING, WELL))
        low = np.where(draw < 0.16 * stops, GONE, np.where(draw < 0.16 * stops + 0.2 / 30.4, WELL, DECLINING))
        return np.where(state == GONE, GONE, np.where(state == WELL, well, low))

    def active(self, state: npt.NDArray[np.intp], rng: np.random.Generator, who: Any = slice(None)) -> Any:
        """Return who does something on a day."""
        chance = self.often[who] * np.array([1.0, 0.35, 0.0])[state]
        return rng.random(state.shape) < chance


def simulated(accounts: int, seed: int) -> tuple[World, pd.DataFrame, npt.NDArray[np.intp]]:
    """Return the world, its events, and each account's state on the day of the judgement."""
    rng = np.random.default_rng(seed)
    world = World(accounts, rng)
    days = (pd.Timestamp(START) + pd.DateOffset(months=MONTHS) - pd.Timestamp(START)).days
    today = (pd.Timestamp(START) + pd.DateOffset(months=AT) - pd.Timestamp(START)).days
    begins = np.sort(np.floor(rng.uniform(-0.4, 0.9, accounts) * days))
    state, then = np.zeros(accounts, dtype=np.intp), np.zeros(accounts, dtype=np.intp)
    parts = []
    for day in range(int(begins.min()), days):
        there = begins <= day
        if day == today:
            then = state.copy()
        active = np.flatnonzero(there & world.active(state, rng))
        if day >= 0 and len(active):
            count = 1 + rng.poisson(1.5 * world.people[active] ** 0.5)
            who = np.repeat(active, count)
            parts.append(
                pd.DataFrame(
                    {
                        "account_id": who,
                        "user_id": who * 1000 + rng.integers(0, world.people[who]),
                        "occurred_at": pd.Timestamp(START) + pd.Timedelta(days=day, hours=12),
                        "event_type": rng.choice(["edit", "view", "share"], len(who)),
                    }
                )
            )
        state = np.where(there, world.next_state(state, rng), state)
    events = pd.concat(parts, ignore_index=True)
    events["account_id"] = "a" + events["account_id"].astype(str)
    return world, events.assign(user_id="u" + events["user_id"].astype(str)), then


def true_lost(world: World, state: npt.NDArray[np.intp], who: npt.NDArray[np.intp], silence: int, seed: int) -> Array:
    """Return each account's true chance of being lost within 1 … 12 months, from its hidden state."""
    rng = np.random.default_rng(seed)
    who = np.repeat(who, FUTURES)
    now = state[who]
    quiet, lost_on = np.zeros(len(who)), np.full(len(who), np.inf)
    for day in range(int(AHEAD[-1])):
        quiet = np.where(world.active(now, rng, who), 0.0, quiet + 1.0)
        lost_on = np.where((quiet >= silence) & np.isinf(lost_on), float(day), lost_on)
        now = world.next_state(now, rng, who)
    return np.asarray((lost_on.reshape(-1, FUTURES)[:, :, None] < AHEAD).mean(axis=1))


def framed(path: Path, changed: dict[str, Any]) -> tuple[Any, FeatureSet, pd.DataFrame]:
    """Return the config, the features, and the snapshots with what became of them."""
    config = load_config(path, changed)
    prepared = prepare(config)
    frame, tables = prepared.frame, prepared.loaded.tables
    frame = frame.join(snapshots.coming_decisions(frame, tables, config.label))
    return config, prepared.feature_set, frame.join(snapshots.seen_ends(frame, tables, config.label))


def at(config: Any, features: FeatureSet, frame: pd.DataFrame, day: pd.Timestamp, refits: int) -> dict[str, Any]:
    """Return what every curve says of the accounts of one date, and what became of them."""
    label, learning = config.label, LearningConfig.of(config)
    known = known_by(frame, day, label.final_after_days)
    known = known[known["seen_days"] > 0].reset_index(drop=True)
    asked = frame[frame["as_of"] == day].reset_index(drop=True)
    model = HazardModel.of(features, learning, refits).fit(known)
    forecast = model.predict_survival(asked)
    rows = frame[(frame["as_of"] <= day - pd.Timedelta(days=label.purge_days)) & frame["churned"].notna()]
    horizon = fit_rows(rows, features, learning)
    served = forecast.anchored(label.horizon_days, horizon.probability(horizon.matrix(asked)), label.gap_days)
    lost = (asked["ended_days"].to_numpy()[:, None] < AHEAD).astype(np.float64)
    curves = {
        "hazard": forecast.point.survival(AHEAD),
        "served": served.point.survival(AHEAD),
        "kaplan_meier": kaplan_meier(known, asked, AHEAD),
        "recency": kaplan_meier_by_recency(known, asked, AHEAD),
    }
    low, high = served.interval(lambda curves: curves.survival(AHEAD[-1])[:, 0])
    columns = [int(day / 30) - 1 for day in DAYS]
    return {
        "as_of": f"{day:%Y-%m-%d}",
        "accounts": len(asked),
        "lost": int(lost[:, -1].sum()),
        "learnt_from": model.lost_,
        "by_weeks": model.steps_.by_weeks,
        "reach_months": model.reach_days_ // 30,
        "brier": {name: float(((1.0 - curve - lost) ** 2).mean()) for name, curve in curves.items()},
        "mean_lost": {
            name: dict(zip(map(str, DAYS), (1.0 - curve[:, columns]).mean(axis=0).tolist(), strict=True))
            for name, curve in (*curves.items(), ("happened", 1.0 - lost))
        },
        "_served": curves["served"],
        "_bounds": (low, high),
        "_account": asked["account_id"].to_numpy(),
    }


def beside_truth(found: dict[str, Any], true: Array) -> dict[str, Any]:
    """Return the same with what only the simulator knows."""
    columns = [int(day / 30) - 1 for day in DAYS]
    found["mean_lost"]["true"] = dict(zip(map(str, DAYS), true[:, columns].mean(axis=0).tolist(), strict=True))
    (low, high), stays = found["_bounds"], 1.0 - true[:, -1]
    tenths = np.array_split(np.argsort(found["_served"][:, -1], kind="stable"), 10)
    held = [low[part].mean() <= stays[part].mean() <= high[part].mean() for part in tenths]
    found["holds_tenths"] = f"{sum(held)} of {len(held)}"
    found["holds_accounts"] = float(((low <= stays) & (stays <= high)).mean())
    found["rank_correlation"] = float(pd.Series(found["_served"][:, -1]).corr(pd.Series(stays), method="spearman"))
    return found


def show(name: str, found: dict[str, Any]) -> None:
    """Print what was measured of one company at one date."""
    brier = ", ".join(f"{curve} {score:.4f}" for curve, score in found["brier"].items())
    print(f"{name}, {found['as_of']}: {found['accounts']} accounts, {found['lost']} lost in 12 months")
    print(f"  learnt from {found['learnt_from']}, weeks: {found['by_weeks']}, reach {found['reach_months']} months")
    print(f"  integrated Brier score over 12 months: {brier}")
    for source, means in found["mean_lost"].items():
        print(f"  lost, {source}: " + ", ".join(f"{days} days {share:.3f}" for days, share in means.items()))
    if "holds_tenths" in found:
        print(
            f"  80 % bounds hold the true mean of {found['holds_tenths']} tenths, of {found['holds_accounts']:.0%} of "
            f"accounts; rank correlation with the truth {found['rank_correlation']:.2f}"
        )


def main() -> None:
    """Measure the companies that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", nargs="*", default=["400:801", "400:802", "300:803", "300:804"])
    parser.add_argument("--configs", nargs="+", type=Path, default=[], help="real data with churn by silence")
    parser.add_argument("--silence", type=int, default=30, help="days without activity, of the simulated companies")
    parser.add_argument("--refits", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    day = pd.Timestamp(START) + pd.DateOffset(months=AT)
    results: dict[str, dict[str, Any]] = {}
    for name in options.companies:
        accounts, seed = (int(number) for number in name.split(":"))
        world, events, state = simulated(accounts, seed)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "raw").mkdir()
            events.to_parquet(Path(folder) / "raw" / "events.parquet")
            path = Path(folder) / "silent.yaml"
            path.write_text(CONFIG.format(silence=options.silence))
            found = at(*framed(path, {}), day, options.refits)
        who = np.array([int(account[1:]) for account in found["_account"]])
        results[name] = beside_truth(found, true_lost(world, state, who, options.silence, seed))
    for path in options.configs:
        with tempfile.TemporaryDirectory() as folder:
            config, features, frame = framed(path, {"workspace": folder})
        dates = frame.loc[frame["seen_days"] >= AHEAD[-1], "as_of"]
        for back in (0, 12):
            when = dates.max() - pd.DateOffset(months=back)
            results[f"{path.stem} {when:%Y-%m}"] = at(config, features, frame, when, options.refits)
    told = {
        name: {key: value for key, value in found.items() if not key.startswith("_")} for name, found in results.items()
    }
    if options.json:
        print(json.dumps(told, indent=1))
    else:
        for name, found in told.items():
            show(name, found)


if __name__ == "__main__":
    main()
