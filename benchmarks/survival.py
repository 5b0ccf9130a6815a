"""The hazard model beside the models of fixed horizons, curves without features, and the truth of simulated companies.

Usage: ``python benchmarks/survival.py [--companies 400:7 300:301 500:302 400:303] [--configs configs/crm5.yaml]
[--at 18 24] [--refits 6] [--least-spread 0.65] [--cache FOLDER] [--json]``

Every company (accounts:seed) is simulated anew over 37 months. On each date, 18 and 24 months in, everything is
fitted to what was known by then, and judged by the months after it, which no choice has seen:

- 90 days: AUC and log loss of the hazard model, of the model fitted to that horizon, and of an oracle that knows the
  hidden state;
- 12 months: the integrated Brier score (Graf et al. 1999; every account is observed for 12 months, so nothing is
  censored) of the hazard model, Kaplan–Meier by plan, the shifted-beta-geometric (Fader and Hardie 2007, renewal by
  renewal, per length of contract) and Cox (``lifelines``, where it is installed; ten features that vary least with the
  others, beside the days to the decision);
- the risk at the next decision, and what the next 12 months are worth, by decile beside the simulator's own chances;
- how often an interval for 12 months holds the true chance of its account, and of a decile;
- the renewal forecast of the 12 months and 4 quarters after the date: of how many what came lies in its 90 % interval,
  with and without what the refits say of how far all chances may be off at once.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import pickle
import sys
import tempfile
import time
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
from churnml.evaluation.simple_curves import beta_geometric, cox, kaplan_meier
from churnml.evaluation.survival import compared, unfit
from churnml.features.spec import FeatureSet
from churnml.language import render
from churnml.metrics.predictions import log_loss, roc_auc
from churnml.pipeline import prepare
from churnml.pipeline.renewals import panel_of
from churnml.retention import forecast_came, renewal_forecast
from churnml.retention.lifetimes import lost_by_decision
from churnml.simulate import simulate, true_probability, write
from churnml.training.fitting import fit_rows
from churnml.training.hazard import HazardModel
from churnml.training.questions import LEAST_SPREAD
from churnml.training.stacking import known_by

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "configs" / "demo.yaml"
START, MONTHS = date(2022, 1, 1), 37
AHEAD = np.arange(1, 13) * 30.0
MARGIN, YEARLY_DISCOUNT = 0.8, 0.1
DISCOUNTED = MARGIN * (1 + YEARLY_DISCOUNT) ** -((AHEAD - 15) / 365.25)

Array = npt.NDArray[np.float64]


def company(accounts: int, seed: int, cache: Path | None) -> dict[str, Any]:
    """Return frame, features and truth of one simulated company, from the cache where it is there."""
    path = None if cache is None else cache / f"survival_{accounts}_{seed}.pkl"
    if path is not None and path.exists():
        known: dict[str, Any] = pickle.loads(path.read_bytes())
        if "paid" in known:
            return known
    made = simulate(accounts=accounts, months=MONTHS, seed=seed, start=START)
    with tempfile.TemporaryDirectory() as folder:
        write(made, Path(folder) / "raw")
        config = load_config(DEMO, {"source": {"folder": f"{folder}/raw"}, "workspace": f"{folder}/workspace"})
        prepared = prepare(config)
        frame, tables = prepared.frame, prepared.loaded.tables
        frame = frame.join(snapshots.coming_decisions(frame, tables, config.label))
        frame = frame.join(snapshots.seen_ends(frame, tables, config.label))
        found = {"frame": frame, "specs": prepared.feature_set.as_dicts(), "truth": made.truth, "config": config}
        found["paid"] = paid(config, tables)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(found))
    return found


def real(config_path: Path) -> dict[str, Any]:
    """Return frame and features of real data, whose truth nobody knows."""
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(config_path, {"workspace": folder})
        prepared = prepare(config)
        frame, tables = prepared.frame, prepared.loaded.tables
        frame = frame.join(snapshots.coming_decisions(frame, tables, config.label))
        frame = frame.join(snapshots.seen_ends(frame, tables, config.label))
        bought = paid(config, tables)
    specs = prepared.feature_set.as_dicts()
    return {"frame": frame, "specs": specs, "truth": None, "config": config, "paid": bought}


def paid(config: Any, tables: Any) -> pd.DataFrame:
    """Return what each account pays a year at each midnight of a first of a month."""
    panel = panel_of(config, tables)
    assert panel is not None
    return pd.DataFrame(12 * panel.paid, index=panel.edges, columns=panel.accounts)


def renewals(asked: pd.DataFrame, served: Any, bought: pd.DataFrame, day: pd.Timestamp) -> list[dict[str, Any]]:
    """Return the forecasts of the months and quarters after a date that are over, with what came."""
    due = asked[["account_id", "arr"]].assign(
        renewal_on=day + pd.to_timedelta(asked["next_decision_days"].round(), unit="D"),
        churn_probability=np.nan,
        lost_by_decision=lost_by_decision(served.point),
    )
    told = due["lost_by_decision"].notna().to_numpy()
    draws = np.array([lost_by_decision(draw) for draw in served.draws])[:, told]
    due = due[told]
    found = []
    for period, months in (("M", 1), ("Q", 3)):
        where = {"until": day + pd.DateOffset(months=12), "later_rate": None, "period": period}
        alone, together = (renewal_forecast(due, draws=each, **where) for each in (None, draws))
        for one, wide in zip(alone, together, strict=True):
            begin = pd.Timestamp(one.month_on)
            end = begin + pd.DateOffset(months=months)
            if begin < day or end > where["until"] or end not in bought.index:
                continue
            mine = due[(due["renewal_on"] >= begin) & (due["renewal_on"] < end)].set_index("account_id")["arr"]
            came = forecast_came(mine, bought.loc[end])
            found.append(
                {
                    "period": period,
                    "arr": one.arr,
                    "expected": one.expected,
                    "came": came,
                    "alone": one.low - 0.5 <= came <= one.high + 0.5,
                    "held": wide.low - 0.5 <= came <= wide.high + 0.5,
                    "width": (wide.high - wide.low) / max(one.arr, 1.0),
                }
            )
    return found


def true_curves(truth: dict[str, pd.DataFrame], rows: pd.DataFrame, day: pd.Timestamp) -> tuple[Array, Array]:
    """Return each account's true chance of being there after 1 … 12 months, and of being lost at its next decision.

    Of the path that the hidden troubles really took; averages over accounts are those of what could be foreseen.
    """
    terms = truth["terms"]
    terms = terms[(terms["ends_on"] >= day) & terms["account_id"].isin(rows["account_id"])]
    leaves, says = terms["probability"], terms["notice_share"]
    silent = leaves * (1 - says) / (1 - leaves * says)  # decided already, and no notice came
    terms = terms.assign(
        place=pd.Index(rows["account_id"]).get_indexer(pd.Index(terms["account_id"])),
        ahead=(terms["ends_on"] - day).dt.days,
        risk=np.where(terms["decided_on"] < day, silent, leaves),
    )
    stays = np.zeros((len(rows), len(AHEAD)))
    for column, days in enumerate(AHEAD):
        due = terms[terms["ahead"] < days]
        np.add.at(stays[:, column], due["place"].to_numpy(), np.log1p(-np.minimum(due["risk"], 1 - 1e-12)).to_numpy())
    asked = pd.DataFrame({"place": np.arange(len(rows)), "ahead": rows["next_decision_days"].to_numpy()})
    next_risk = asked.merge(terms[["place", "ahead", "risk"]], how="left")["risk"].to_numpy(dtype=float)
    return np.exp(stays), next_risk


def at(made: dict[str, Any], day: pd.Timestamp, refits: int) -> dict[str, Any]:
    """Return what every model says of the accounts of one date, and what became of them."""
    frame, config, truth = made["frame"], made["config"], made["truth"]
    features = FeatureSet.from_dicts(made["specs"])
    label = config.label
    known = known_by(frame, day, label.final_after_days)
    asked = frame[(frame["as_of"] == day) & (frame["seen_days"] >= AHEAD[-1])].reset_index(drop=True)
    began = time.perf_counter()
    model = HazardModel.of(features, LearningConfig.of(config), refits).fit(known)
    forecast = model.predict_survival(asked)
    hazard_seconds = time.perf_counter() - began
    rows = frame[(frame["as_of"] <= day - pd.Timedelta(days=label.purge_days)) & frame["churned"].notna()]
    began = time.perf_counter()
    horizon = fit_rows(rows, features, LearningConfig.of(config))
    of_horizon = horizon.probability(horizon.matrix(asked))
    seconds = {"hazard": round(hazard_seconds, 1), "horizon": round(time.perf_counter() - began, 1)}
    served = forecast.anchored(label.horizon_days, of_horizon, label.gap_days)
    low, high = served.interval(lambda curves: curves.survival(AHEAD[-1])[:, 0])
    true_survival, true_next, oracle = (None, None, None)
    if truth is not None:
        true_survival, true_next = true_curves(truth, asked, day)
        told = asked[["account_id"]].merge(true_probability(truth, day, 90, knows="state"), how="left")["probability"]
        oracle = told.fillna(told.mean()).to_numpy()
    curves = {
        "hazard": forecast.point.survival(AHEAD),
        "served": served.point.survival(AHEAD),
        "kaplan_meier": kaplan_meier(known, asked, AHEAD),
        "beta_geometric": beta_geometric(known, asked, AHEAD),
        "cox": cox(known, asked, AHEAD, features, 90),
    }
    print(f"{day:%Y-%m}: {len(asked)} accounts, {seconds}", file=sys.stderr, flush=True)
    return {
        "account": asked["account_id"].to_numpy(),
        "lost": (asked["ended_days"].to_numpy()[:, None] < AHEAD).astype(float),
        "hazard_90": forecast.point.lost_within(90),
        "horizon_90": of_horizon,
        "oracle_90": oracle,
        "curves": {name: curve for name, curve in curves.items() if curve is not None},
        "next_risk": served.point.renewal_risk,
        "true_next": true_next,
        "true_survival": true_survival,
        "interval": (low, high),
        "mrr": asked["arr"].fillna(0.0).to_numpy() / 12.0,
        "far": ((asked["contract_days"] > 180) & (asked["next_decision_days"] > 90)).to_numpy(),
        "seconds": seconds,
        "renewals": renewals(asked, served, made["paid"], day),
    }


def integrated_brier(survival: Array, lost: Array) -> float:
    """Return the mean over 12 months of the Brier score of being lost by then."""
    return float(np.mean((1.0 - survival - lost) ** 2))


def worth(survival: Array, mrr: Array) -> Array:
    """Return what the next 12 months are worth: margin × MRR × survival, discounted; half a month's loss each."""
    begins = np.column_stack([np.ones(len(survival)), survival[:, :-1]])
    return np.asarray(mrr * (((begins + survival) / 2.0) @ DISCOUNTED))


def by_decile(shown: Array, true: Array, groups: int = 10) -> list[dict[str, float]]:
    """Return the means of what is shown and what is true, by decile of what is shown."""
    order = np.argsort(shown, kind="stable")
    return [
        {"shown": float(shown[part].mean()), "true": float(true[part].mean())}
        for part in np.array_split(order, groups)
        if len(part)
    ]


def summed(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of some dates together; AUC and Brier score are means over dates."""
    y = np.concatenate([part["lost"][:, 2] for part in parts])
    ninety, chances = {}, {}
    simulated = all(part["oracle_90"] is not None for part in parts)
    for name in ("hazard", "horizon", *(["oracle"] if simulated else [])):
        p = chances[name] = np.clip(np.concatenate([part[f"{name}_90"] for part in parts]), 1e-9, 1 - 1e-9)
        areas = [roc_auc(part["lost"][:, 2], part[f"{name}_90"]) for part in parts]
        ninety[name] = {
            "roc_auc": float(np.mean([area for area in areas if area is not None])),
            "log_loss": log_loss(y, p),
            "mean": float(p.mean()),
        }
    names = [name for name in parts[0]["curves"] if all(name in part["curves"] for part in parts)]
    brier = {
        name: float(np.mean([integrated_brier(part["curves"][name], part["lost"]) for part in parts])) for name in names
    }
    account = np.concatenate([part["account"] for part in parts])
    near = compared(y, chances["hazard"], chances["horizon"], account, seed=7)
    rivals = [name for name in brier if name not in ("hazard", "served")]
    found = {
        "gate": {
            "not_worse_at_90_days": near.not_worse,
            "auc_gain": vars(near.roc_auc_gain),
            "log_loss_gain": vars(near.log_loss_gain),
            "below_all_at_12_months": all(brier["hazard"] < brier[name] for name in rivals),
            "served_below_all": all(brier["served"] < brier[name] for name in rivals),
        },
        "accounts": len(y),
        "lost_90": int(y.sum()),
        "ninety_days": ninety,
        "brier_12_months": brier,
        "renewal_forecast": held([one for part in parts for one in part["renewals"]]),
    }
    return found | beside_truth(parts) if simulated else found


def held(forecasts: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return how the forecasts of months and of quarters held."""
    found = {}
    for period, name in (("M", "months"), ("Q", "quarters")):
        mine = [one for one in forecasts if one["period"] == period]
        if mine:
            found[name] = {
                "forecasts": len(mine),
                "inside": float(np.mean([one["held"] for one in mine])),
                "inside_without_refits": float(np.mean([one["alone"] for one in mine])),
                "came_over_expected": sum(one["came"] for one in mine) / sum(one["expected"] for one in mine),
                "width": float(np.mean([one["width"] for one in mine])),
            }
    return found


def beside_truth(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what only a simulator can tell: true risks, true worth, and how often an interval holds."""
    risk, true = (np.concatenate([part[name] for part in parts]) for name in ("next_risk", "true_next"))
    annual = np.concatenate([part["far"] for part in parts]) & ~np.isnan(risk) & ~np.isnan(true)
    told = np.concatenate([worth(part["curves"]["served"], part["mrr"]) for part in parts])
    real = np.concatenate([worth(part["true_survival"], part["mrr"]) for part in parts])
    low, high = (np.concatenate([part["interval"][side] for part in parts]) for side in (0, 1))
    stays = np.concatenate([part["true_survival"][:, -1] for part in parts])
    shown = np.concatenate([part["curves"]["served"][:, -1] for part in parts])
    deciles = np.array_split(np.argsort(shown, kind="stable"), 10)
    worths = by_decile(told, real)
    return {
        "renewal_risk_far_annual": {
            "accounts": int(annual.sum()),
            "shown": float(risk[annual].mean()),
            "true": float(true[annual].mean()),
            "spearman": float(pd.Series(risk[annual]).corr(pd.Series(true[annual]), method="spearman")),
            "by_fifth": by_decile(risk[annual], true[annual], 5),
        },
        "worth_12_months": {
            "ratio": float(told.sum() / real.sum()),
            "by_decile": worths,
            "worst_decile": max(abs(one["shown"] / one["true"] - 1.0) for one in worths),
        },
        "interval_80": {
            "holds_account": float(((low <= stays) & (stays <= high)).mean()),
            "holds_decile": float(
                np.mean([low[part].mean() <= stays[part].mean() <= high[part].mean() for part in deciles])
            ),
            "width": float((high - low).mean()),
        },
    }


def show(results: dict[str, Any]) -> None:
    """Print the figures as Markdown tables."""
    print("| company | accounts | lost | AUC: hazard, horizon, oracle | log loss: hazard, horizon, oracle |")
    print("|---|---|---|---|---|")
    for name, found in results["companies"].items():
        ninety = found["ninety_days"]
        areas = ", ".join(f"{ninety[one]['roc_auc']:.3f}" for one in ninety)
        losses = ", ".join(f"{ninety[one]['log_loss']:.4f}" for one in ninety)
        print(f"| {name} | {found['accounts']} | {found['lost_90']} | {areas} | {losses} |")
    print()
    for name, found in results["companies"].items():
        scores = ", ".join(f"{model} {score:.4f}" for model, score in found["brier_12_months"].items())
        gate = found["gate"]
        near = "not worse" if gate["not_worse_at_90_days"] else "worse"
        far = "below all" if gate["below_all_at_12_months"] else "not below all"
        print(f"{name}: within 90 days {near}, over 12 months {far} curves without features; Brier score {scores}")
        for period, of in found["renewal_forecast"].items():
            print(
                f"  renewals by {period}: {of['inside']:.0%} of {of['forecasts']} came inside the 90 % interval "
                f"({of['inside_without_refits']:.0%} without refits), came ÷ expected {of['came_over_expected']:.3f}"
            )
        if "interval_80" not in found:
            continue
        risk, value, held = found["renewal_risk_far_annual"], found["worth_12_months"], found["interval_80"]
        print(
            f"  risk at a renewal more than 90 days off: {risk['shown']:.3f}, truly {risk['true']:.3f} "
            f"({risk['accounts']} accounts, rank correlation {risk['spearman']:.2f}); worth {value['ratio']:.3f} of "
            f"the truth, worst decile off by {value['worst_decile']:.1%}; the 80 % interval holds the true chance of "
            f"{held['holds_account']:.0%} of accounts and {held['holds_decile']:.0%} of deciles"
        )
    for line in results["skipped"]:
        print(line)


def main() -> None:
    """Measure the companies that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", nargs="+", default=["400:7", "300:301", "500:302", "400:303"])
    parser.add_argument("--configs", nargs="+", type=Path, default=[], help="real data, judged a year before their end")
    parser.add_argument("--at", type=int, nargs="+", default=[18, 24], help="months after the start")
    parser.add_argument("--refits", type=int, default=6)
    parser.add_argument("--least-spread", type=float, help="of chances in log-odds, for the bounds; 0: none")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.least_spread is not None:
        LEAST_SPREAD["contractual"] = options.least_spread
    parts: dict[str, list[dict[str, Any]]] = {}
    skipped = ["cox: lifelines is not installed"] if importlib.util.find_spec("lifelines") is None else []
    for name in options.companies:
        accounts, seed = (int(number) for number in name.split(":"))
        made = company(accounts, seed, options.cache)
        dates = [pd.Timestamp(START) + pd.DateOffset(months=month) for month in options.at]
        parts[name] = [at(made, day, options.refits) for day in dates]
    for path in options.configs:
        made = real(path)
        why = unfit(made["frame"], LearningConfig.of(made["config"]))
        if why is not None:
            skipped.append(f"{path}: {render(why, 'en')}")
            continue
        day = made["frame"].loc[made["frame"]["seen_days"] >= AHEAD[-1], "as_of"].max()
        parts[path.stem] = [at(made, day, options.refits)]
    companies = {name: summed(own) for name, own in parts.items()}
    companies["all"] = summed([part for name in options.companies for part in parts[name]])
    results = {"companies": companies, "skipped": skipped}
    if options.json:
        print(json.dumps(results, indent=1))
    else:
        show(results)


if __name__ == "__main__":
    main()
