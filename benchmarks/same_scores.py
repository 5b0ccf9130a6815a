"""Do two versions of the code give the same scores? Write what one gives, hold the other against it.

Usage, in a checkout of the old code, then in one of the new::

    python benchmarks/same_scores.py --write before.json [--configs demo crm5 git_b2b]
    python benchmarks/same_scores.py --against before.json

Each config runs in an empty workspace: check, train, score. What is kept and compared to the last digit: every
account's probability, health score, band and coverage, and every number of the backtest report. ``small`` is the demo's
company with 300 accounts, for a quick look. Exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

_ROOT = Path(__file__).resolve().parents[1]
_COLUMNS = ["account_id", "churn_probability", "health_score", "band", "coverage"]
_TIMES = ("created_at", "scored_at", "seconds")


def scores_of(name: str) -> dict[str, Any]:
    """Run a config in a workspace of its own and return its scores by account and its backtest, numbers as text."""
    with tempfile.TemporaryDirectory() as folder:
        workspace, raw = Path(folder) / "workspace", Path(folder) / "raw"
        source = "demo" if name == "small" else name
        config = yaml.safe_load((_ROOT / "configs" / f"{source}.yaml").read_text(encoding="utf-8"))
        if source == "demo":
            accounts = 300 if name == "small" else 1500
            _churnml("simulate", str(raw), "--accounts", str(accounts), "--months", "24", "--seed", "7")
            config["source"]["folder"] = str(raw)
        else:
            config["source"]["folder"] = str((_ROOT / "configs" / config["source"]["folder"]).resolve())
        config.update(workspace=str(workspace), models_dir=str(Path(folder) / "models"))
        if config.get("playbooks"):
            config["playbooks"] = str((_ROOT / "configs" / config["playbooks"]).resolve())
        path = Path(folder) / "config.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        printed = _churnml("run", str(path), "--json")
        report = json.loads(printed[printed.index("{") :])
        table = pd.read_parquet(workspace / "scores.parquet")[_COLUMNS].sort_values("account_id")
        rows = {row.pop("account_id"): {key: repr(value) for key, value in row.items()} for row in _records(table)}
        return {"scores": rows, "backtest": dict(_leaves(report["backtest"]))}


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Name every value that the second lacks or tells otherwise; what only the second has is no difference."""
    told = []
    for part in ("scores", "backtest"):
        for key, value in before[part].items():
            if after[part].get(key) != value:
                told.append(f"{part} {key}: {value} → {after[part].get(key)}")
    return told


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _leaves(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() if key not in _TIMES for leaf in _leaves(item, f"{path}.{key}")]
    if isinstance(value, list):
        return [leaf for at, item in enumerate(value) for leaf in _leaves(item, f"{path}[{at}]")]
    return [(path, repr(value))] if isinstance(value, int | float) else []


def _churnml(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from churnml.cli import main; main()", *arguments], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"churnml {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def main() -> int:
    """Write, or compare and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="file to write")
    parser.add_argument("--against", type=Path, help="file to compare with")
    parser.add_argument("--configs", nargs="+", default=["demo", "crm5", "git_b2b"])
    arguments = parser.parse_args()
    if arguments.write is not None:
        arguments.write.write_text(json.dumps({name: scores_of(name) for name in arguments.configs}), encoding="utf-8")
        return 0
    before = json.loads(arguments.against.read_text(encoding="utf-8"))
    failed = 0
    for name in [name for name in arguments.configs if name in before] or list(before):
        told = differences(before[name], scores_of(name))
        numbers = sum(len(part) for part in before[name].values())
        print(f"{name}: {numbers} values compared, {len(told)} differ", *told[:20], sep="\n  ")
        failed += bool(told)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
