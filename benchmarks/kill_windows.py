"""Kill -9 at random moments, again and again, and look whether anything has to be repaired by hand.

Usage::

    python benchmarks/kill_windows.py --kills 100 --commands score train promote keep --json

A small company is simulated and run once. Then each command is started and killed at a random moment of the time it
takes, so many times. After every kill the bundle of the champion loads, the pointer to it and the record of promotions
agree, ``scores.parquet`` and ``explanations.json`` are of one scoring, the newest snapshot of the store has scores and
explanations of the same accounts, and the databases are whole. At the end the commands run once more unharmed, give
the scores that they gave before the first kill, and leave no temporary file. Exit code 1 where anything is not so.

The commands are children of a process that has imported what they need, so that a kill meets their work and not an
import.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import pkgutil
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd

from churnml.config import Config, load_config
from churnml.registry import load_champion
from churnml.registry.promotion import promotions, versions
from churnml.store import Store
from small_company import small_company

_ROOMS = ("cli", "pipeline", "sources", "features", "training", "evaluation", "explain", "store", "reports")
_OTHERS = (
    "alembic.command",
    "ibis.backends.duckdb",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "pyarrow.parquet",
    "shap",
    "sklearn.linear_model",
    "sqlalchemy.dialects.sqlite",
)
"""What the commands import while they work."""


class Commands:
    """Starts churnml commands in forks of a process that has imported everything and started no thread."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def run(self, *arguments: str) -> float:
        """Run a command to its end; return the seconds it took."""
        started = time.perf_counter()
        code = self.code_of(arguments)
        if code:
            raise SystemExit(f"churnml {' '.join(arguments)} failed with {code}")
        return time.perf_counter() - started

    def code_of(self, arguments: Sequence[str], told: Path | None = None) -> int:
        """Run a command to its end; return its exit code. What it says on stderr is written to `told`."""
        self._start(arguments, told)
        return int(self._pipe.recv())

    def killed(self, arguments: list[str], after: float) -> bool:
        """Start a command and kill it after so many seconds; return whether it was still at work."""
        process = self._start(arguments)
        ended = self._pipe.poll(after)
        if not ended:
            os.kill(process, signal.SIGKILL)
        return bool(self._pipe.recv() == -signal.SIGKILL)

    def _start(self, arguments: Sequence[str], told: Path | None = None) -> int:
        self._pipe.send((list(arguments), os.devnull if told is None else str(told)))
        return int(self._pipe.recv())


def _serve_commands(pipe: Connection) -> None:
    for room in _ROOMS:
        package = importlib.import_module(f"churnml.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"churnml.{room}."):
            if not module.name.endswith(("spark", "migrations.env")) and ".versions." not in module.name:
                importlib.import_module(module.name)
    for name in _OTHERS:
        importlib.import_module(name)
    from churnml.cli import main

    while command := pipe.recv():
        arguments, told = command
        child = os.fork()
        if child == 0:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            if "CHURNML_KILLS_LOUD" not in os.environ:
                os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            sys.argv = ["churnml", *arguments]
            try:
                main()
            except SystemExit as end:
                os._exit(int(end.code or 0))
            os._exit(0)
        pipe.send(child)
        _, status = os.waitpid(child, 0)
        pipe.send(os.waitstatus_to_exitcode(status))


@contextmanager
def commands() -> Iterator[Commands]:
    """Give what starts commands, and end it at the end."""
    spawn = multiprocessing.get_context("spawn")
    mine, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve_commands, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Commands(mine)
    finally:
        mine.send(None)
        process.join(10)


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
    for file in config.workspace_dir.glob("*.db"):
        with closing(sqlite3.connect(file)) as database:
            if (told := database.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
                found.append(f"{file.name}: {told}")
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
    parser.add_argument("--folder", type=Path, help="where the company is kept, and taken from the next time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", default=["score", "train", "promote", "keep"])
    parser.add_argument("--minutes", type=float, help="stop killing a command after so long")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    draw, report = random.Random(given.seed), {}
    with tempfile.TemporaryDirectory() as temporary, commands() as churnml:
        folder = given.folder or Path(temporary)
        path = folder / "small.yaml"
        if not path.exists():
            small_company(folder, given.accounts)
        config = load_config(path)
        for name in given.commands:
            report[name] = _kill(config, path, name, churnml, draw, given.kills, given.minutes)
    if given.json:
        print(json.dumps(report, indent=1))
    return int(any(one["faults"] or one["left"] for one in report.values()))


def _kill(
    config: Config,
    path: Path,
    name: str,
    churnml: Commands,
    draw: random.Random,
    kills: int,
    minutes: float | None,
) -> dict[str, object]:
    """Kill one command so many times, and report."""
    command = command_of(config, path, name)
    churnml.run(*command)
    seconds, before = churnml.run(*command), probabilities(config)
    cut, done, found = 0, 0, []
    end = time.monotonic() + minutes * 60 if minutes is not None else float("inf")
    while done < kills and time.monotonic() < end:
        done += 1
        cut += churnml.killed(command, draw.uniform(0.0, seconds))
        try:
            found += faults(config)
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    took = churnml.run(*command)
    if name != "train" and not probabilities(config).equals(before):
        found.append("the scores are not those of before the first kill")
    left = [str(part.relative_to(config.workspace_dir)) for part in config.workspace_dir.rglob(".*.part")]
    told = f"{name}: {cut} of {done} killed at work, {len(found)} faults, {len(left)} files left"
    print(f"{told}; it takes {seconds:.1f} s", file=sys.stderr, flush=True)
    return {
        "started": done,
        "kills": cut,
        "faults": found,
        "left": left,
        "seconds": [round(seconds, 1), round(took, 1)],
    }


def command_of(config: Config, path: Path, name: str) -> list[str]:
    """Return the arguments of a command on a company."""
    first = load_champion(config.bundles_dir, config.registered_model).version
    return {
        "score": ["score", str(path)],
        "train": ["train", str(path)],
        "daily": ["daily", str(path)],
        "promote": ["models", "promote", str(path), first, "--force", "--reason", "a try"],
        # As of an earlier day than the events kept, so that they are laid out anew.
        "keep": ["score", str(path), "--as-of", f"{_earlier(config)}"],
    }[name]


def probabilities(config: Config) -> pd.Series:
    """Return the scores of the file, by account."""
    scores = pd.read_parquet(config.workspace_dir / "scores.parquet")
    return scores.set_index("account_id")["churn_probability"].sort_index()


def _earlier(config: Config) -> object:
    scores = pd.read_parquet(config.workspace_dir / "scores.parquet", columns=["as_of"])
    return (scores["as_of"].iloc[0] - pd.Timedelta(days=40)).date()


if __name__ == "__main__":
    sys.exit(main())
