"""Kill -9 at random moments, again and again, and look whether anything has to be repaired by hand.

Usage::

    python benchmarks/kill_windows.py --kills 100 --commands score train promote keep --json

A small company is simulated and run once. Then each command is started and killed at a random moment of the time it
takes, so many times. After every kill the bundle of the champion loads, the pointer to it and the record of promotions
agree, ``scores.parquet`` and ``explanations.json`` are of one scoring, and the newest snapshot of the store has scores
and explanations of the same accounts. At the end the commands run once more unharmed, and no temporary file is left.
Exit code 1 where anything is not so.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml

from churnml.config import Config, load_config
from churnml.registry import load_champion
from churnml.registry.promotion import promotions, versions
from churnml.store import Store


def company(folder: Path, accounts: int) -> Path:
    """Simulate a small company and return its config, with events kept."""
    run("simulate", str(folder / "raw"), "--accounts", str(accounts), "--months", "16", "--seed", "3")
    config = {
        "name": "small",
        "source": {"folder": "raw"},
        "tables": {name: {"from": f"{name}.parquet"} for name in ("accounts", "subscriptions", "events", "tickets")},
        "label": {"churn": "contractual", "horizon_days": 60},
        "splits": {"folds": 1, "test_snapshots": 2},
        "features": {"windows_days": [28], "max_event_types": 2},
        "model": {"kind": "logistic", "seeds": 1},
        "engine": {"keep_events": True},
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    run("run", str(path))
    return path


def run(*arguments: str) -> float:
    """Run a command to its end; return the seconds it took."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", "from churnml.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return time.perf_counter() - started


def killed(arguments: list[str], after: float) -> bool:
    """Start a command and kill it after so many seconds; return whether it was still at work."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from churnml.cli import main; main()", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(timeout=after)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


def faults(config: Config) -> list[str]:
    """Return what does not hold in the workspace."""
    found = []
    champion = load_champion(config.bundles_dir, config.registered_model)
    record = promotions(config.bundles_dir, config.registered_model)
    versions(config.bundles_dir, config.registered_model)
    if record[-1].version != champion.version:
        found.append(f"the record says {record[-1].version}, the pointer {champion.version}")
    scores = pd.read_parquet(config.workspace_dir / "scores.parquet")
    reasons = json.loads((config.workspace_dir / "explanations.json").read_text(encoding="utf-8"))
    pairs = {(item["account_id"], item["churn_probability"]) for item in reasons}
    if pairs != set(zip(scores["account_id"], scores["churn_probability"], strict=True)):
        found.append("scores and explanations are of different scorings")
    with Store(config.store_url) as store:
        snapshot = store.latest(config.name)
        if snapshot is None:
            return [*found, "the store has lost its snapshot"]
        accounts = [account.account_id for account in store.accounts(snapshot.id, limit=snapshot.accounts + 1).accounts]
        missing = [account for account in accounts if store.explanation(snapshot.id, account) is None]
        if missing or len(accounts) != snapshot.accounts:
            found.append(f"the snapshot has {len(accounts)} accounts, {len(missing)} of them without explanation")
    return found


def main() -> int:
    """Kill, look, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="of each command")
    parser.add_argument("--accounts", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", default=["score", "train", "promote", "keep"])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    draw, report = random.Random(given.seed), {}
    with tempfile.TemporaryDirectory() as folder:
        path = company(Path(folder), given.accounts)
        config = load_config(path)
        first = load_champion(config.bundles_dir, config.registered_model).version
        commands = {
            "score": ["score", str(path)],
            "train": ["train", str(path)],
            "promote": ["models", "promote", str(path), first, "--force", "--reason", "a try"],
            # As of an earlier day than the events kept, so that they are laid out anew.
            "keep": ["score", str(path), "--as-of", f"{_earlier(config)}"],
        }
        for name in given.commands:
            seconds, cut, found = run(*commands[name]), 0, []
            for _ in range(given.kills):
                cut += killed(commands[name], draw.uniform(0.0, seconds))
                found += faults(config)
            took = run(*commands[name])
            left = [str(part.relative_to(config.workspace_dir)) for part in config.workspace_dir.rglob(".*.part")]
            report[name] = {"kills": cut, "faults": found, "left": left, "seconds": round(took, 1)}
            print(
                f"{name}: {cut} of {given.kills} killed at work, {len(found)} faults, {len(left)} files left",
                file=sys.stderr,
            )
    if given.json:
        print(json.dumps(report, indent=1))
    return int(any(one["faults"] or one["left"] for one in report.values()))


def _earlier(config: Config) -> object:
    scores = pd.read_parquet(config.workspace_dir / "scores.parquet", columns=["as_of"])
    return (scores["as_of"].iloc[0] - pd.Timedelta(days=40)).date()


if __name__ == "__main__":
    sys.exit(main())
