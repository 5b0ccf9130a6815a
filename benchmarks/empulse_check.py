"""Check the profit metrics against ``empulse`` 0.11.1 (MIT), in an environment of its own.

``python benchmarks/empulse_check.py`` makes a virtual environment in a temporary folder, installs ``empulse==0.11.1``
there, computes EMPC, EMPB and AUEPC on seeded data, and prints its values beside churnml's. With ``--write`` the
values become the fixture that ``tests/metrics/test_profit.py`` compares with. empulse is never a dependency: its
current versions are AGPL.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np

EMPULSE = "0.11.1"
FIXTURE = Path(__file__).parents[1] / "tests" / "metrics" / "empulse_reference.json"
SEEDS = (1, 2, 3)
ALPHA, BETA = 6.0, 14.0
EMPC = {"clv": 200.0, "incentive_cost": 10.0, "contact_cost": 1.0}
EMPB = {"incentive_fraction": 0.05, "contact_cost": 15.0}


def sample(seed: int, n: int = 60) -> tuple[list[int], list[float], list[float]]:
    """Return outcomes, scores without ties and account values that both sides read, rounded so that JSON keeps them."""
    rng = np.random.default_rng(seed)
    p = np.round(rng.random(n), 6)
    y = (rng.random(n) < 0.6 * p).astype(int)
    return y.tolist(), p.tolist(), np.round(rng.lognormal(6, 1, n), 2).tolist()


def ours(y: list[int], p: list[float], clv: list[float]) -> dict[str, float | None]:
    """Return churnml's values, in empulse's units; how the parameters map stands in the functions' docstrings."""
    from churnml.metrics.profit import area_under_profit_curve, expected_maximum_profit, maximum_profit

    rate = ALPHA / (ALPHA + BETA)
    empc = expected_maximum_profit(
        y,
        p,
        EMPC["clv"],
        contact_cost=EMPC["contact_cost"],
        offer_cost=EMPC["incentive_cost"],
        save_rate=rate,
        certainty=ALPHA + BETA,
    )
    offer = EMPB["incentive_fraction"] * np.asarray(clv) + EMPB["contact_cost"]
    empb = maximum_profit(y, p, clv, contact_cost=0.0, offer_cost=offer, save_rate=rate)
    return {
        "empc": empc.profit_per_account,
        "empc_share": empc.contact_share,
        "empb": empb.profit_per_account * len(y),
        "empb_share": empb.contact_share,
        "auepc": area_under_profit_curve(y, p, clv, contact_cost=0.0, offer_cost=offer, save_rate=rate),
    }


_THEIRS = """
import json, sys
import empulse
from empulse.metrics import auepc_score, empb, empc

asked = json.load(sys.stdin)
beta = {"alpha": asked["alpha"], "beta": asked["beta"]}
found = []
for y, p, clv in asked["samples"]:
    c, b = empc(y, p, **beta, **asked["empc"]), empb(y, p, clv=clv, **beta, **asked["empb"])
    area = auepc_score(y, p, clv=clv, **beta, **asked["empb"])
    values = zip(("empc", "empc_share", "empb", "empb_share", "auepc"), (*c, *b, area))
    found.append({name: float(value) for name, value in values})
print(json.dumps({"version": empulse.__version__, "values": found}))
"""


def theirs(samples: list[Any]) -> dict[str, Any]:
    """Return what empulse computes in an environment of its own."""
    with tempfile.TemporaryDirectory(prefix="empulse-") as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / ("Scripts" if sys.platform == "win32" else "bin") / "python")
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"empulse=={EMPULSE}"]
        subprocess.run([python, *install], check=True, stdout=sys.stderr)
        asked = {"samples": samples, "alpha": ALPHA, "beta": BETA, "empc": EMPC, "empb": EMPB}
        done = subprocess.run(
            [python, "-c", _THEIRS], input=json.dumps(asked), capture_output=True, text=True, check=True
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print both sides; leave with 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {FIXTURE.name}")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    samples = [sample(seed) for seed in SEEDS]
    reference = theirs(samples)
    mine = [ours(*one) for one in samples]
    gaps = [abs(one[name] - other[name]) for one, other in zip(mine, reference["values"], strict=True) for name in one]
    rows = [
        {"seed": seed, "metric": name, "empulse": other[name], "churnml": one[name]}
        for seed, one, other in zip(SEEDS, mine, reference["values"], strict=True)
        for name in one
    ]
    if given.json:
        print(json.dumps({"empulse": reference["version"], "rows": rows, "largest_gap": max(gaps)}, indent=1))
    else:
        print(f"empulse {reference['version']}\nseed  metric      {'empulse':>18}  {'churnml':>18}")
        for row in rows:
            print(f"{row['seed']:>4}  {row['metric']:<10}  {row['empulse']:>18.12f}  {row['churnml']:>18.12f}")
        print(f"largest difference {max(gaps):.2e}")
    if given.write:
        provenance = f"empulse=={reference['version']} (MIT), printed by benchmarks/empulse_check.py --write"
        held = [
            {"seed": seed, "y": y, "p": p, "clv": clv, **values}
            for seed, (y, p, clv), values in zip(SEEDS, samples, reference["values"], strict=True)
        ]
        asked = {"alpha": ALPHA, "beta": BETA, "empc": EMPC, "empb": EMPB}
        FIXTURE.write_text(json.dumps({"provenance": provenance, "asked": asked, "samples": held}) + "\n")
    sys.exit(0 if max(gaps) < 1e-8 else 1)


if __name__ == "__main__":
    main()
