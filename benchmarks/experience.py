"""What churn depends on in many simulated companies together, for a regression with few churners to begin from.

Usage: ``python benchmarks/experience.py [--companies 12] [--accounts 300] [--write]``

Each company is simulated from its own seed (1001, 1002, …; no benchmark or test uses them), with a churn rate of its
own between 1.2 and 3 % a month. One L2 logistic regression is fitted to all of them, each standardised by itself as the
regression does it; features about a company's own kinds of event are left out. ``--write`` puts the coefficients into
the package.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from churnml.config import load_config
from churnml.pipeline import prepare, simulate_company
from churnml.training.encoding import encode
from churnml.training.experience import stem
from churnml.training.linear import Strength, fit_linear, standardised
from churnml.training.logistic import fit_logistic

ROOT = Path(__file__).parents[1]
FILE = ROOT / "src" / "churnml" / "training" / "experience.json"
FIRST_SEED = 1001
PENALTY = 0.003
DIGITS = 4

Key = tuple[str, int]


def company(seed: int, accounts: int, churn_rate: float) -> tuple[list[Key], np.ndarray, np.ndarray]:
    """Return the features' keys, the standardised rows and the outcomes of one simulated company."""
    with tempfile.TemporaryDirectory() as folder:
        simulate_company(Path(folder) / "raw", accounts=accounts, months=24, seed=seed, churn_rate=churn_rate)
        config = load_config(
            ROOT / "configs" / "demo.yaml",
            {"source": {"folder": f"{folder}/raw"}, "workspace": f"{folder}/workspace"},
        )
        prepared = prepare(config)
    frame = prepared.frame[prepared.frame["churned"].notna()]
    specs = [spec for spec in prepared.feature_set if not spec.categorical and not spec.event_kind]
    X, y = encode(frame, [spec.name for spec in specs], {}), frame["churned"].to_numpy(dtype=np.float64)
    (scale,) = fit_linear(X, y, [Strength(PENALTY)])
    return [(stem(spec), spec.window_days or 0) for spec in specs], standardised(scale, X), y


def main() -> None:
    """Fit the regression over all companies and print or write its coefficients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", type=int, default=12)
    parser.add_argument("--accounts", type=int, default=300)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rates = np.random.default_rng(0).uniform(0.012, 0.03, options.companies).round(3)
    made = []
    for number, rate in enumerate(rates):
        made.append(company(FIRST_SEED + number, options.accounts, float(rate)))
        print(f"company {number + 1} of {options.companies}", file=sys.stderr, flush=True)
    keys = sorted({key for names, _, _ in made for key in names})
    place = {key: number for number, key in enumerate(keys)}
    design = np.zeros((sum(len(y) for _, _, y in made), len(keys)))
    at = 0
    for names, rows, y in made:
        design[at : at + len(y), [place[key] for key in names]] = rows
        at += len(y)
    theta = fit_logistic(design, np.concatenate([y for _, _, y in made]), 1.0 / PENALTY)
    found = [[name, days, round(float(theta[place[name, days]]), DIGITS)] for name, days in keys]
    told = {
        "companies": options.companies,
        "accounts": options.accounts,
        "first_seed": FIRST_SEED,
        "rows": len(design),
        "penalty": PENALTY,
    }
    lines = ",\n  ".join(json.dumps(row) for row in found if row[2])
    text = json.dumps(told, indent=1)[:-2] + ',\n "coefficients": [\n  ' + lines + "\n ]\n}\n"
    if options.write:
        FILE.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
