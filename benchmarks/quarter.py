"""A quarter lived day by day by the daily run, with all that may happen to a company, beside a twin that is spared it.

Each day of a simulated company is one daily run at four in the morning, on the data that is known by then. Within the
quarter the events stop for four days and come back with what was missed, an event is renamed and mapped four days
later, prices rise, a night is lost, a run is killed in the middle, and an account asks to be erased. The twin has the
renamed event and the prices, too, and is spared the rest but for the erasure. Run with
``python benchmarks/quarter.py --days 91``; fewer days hold the same in less time. Told are the seconds and what is
wrong; exits with 1 where

- an alarm that has to come does not, or a day is published although its events have stopped,
- scores, explanations or open alerts at the end are not those of the twin, or
- what was erased stands in a file of the workspace.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import time_machine
import yaml

from churnml.config import Config, load_config
from churnml.pipeline.daily import run_daily
from churnml.pipeline.privacy import Subject, erase
from churnml.pipeline.privacy.files import left_in
from churnml.pipeline.training import train
from churnml.store import Run, Store
from small_company import churnml

_TABLES = ("accounts", "subscriptions", "events", "tickets", "invoices")
_SHARES = {"stops": 0.2, "back": 0.3, "renamed": 0.4, "mapped": 0.5, "dearer": 0.6, "lost": 0.7, "killed": 0.75,
           "erased": 0.9}  # fmt: skip
"""When in the quarter something happens."""


class Company:
    """A company of which more is known every day."""

    def __init__(self, folder: Path, whole: dict[str, pd.DataFrame], days: int, *, spared: bool) -> None:
        self.folder, self.whole, self.spared = folder, whole, spared
        end = whole["events"]["occurred_at"].max().normalize()
        self.first = end - pd.Timedelta(days=days)
        self.days = {name: self.first + pd.Timedelta(days=round(share * days)) for name, share in _SHARES.items()}
        self.gone = str(whole["events"]["account_id"].iloc[-1])
        self.path = folder / "company.yaml"
        (folder / "raw").mkdir(parents=True, exist_ok=True)

    def know(self, day: pd.Timestamp) -> Config:
        """Lay out the raw data as it is known on the morning of a day, and return the config of that day."""
        for name, frame in self.whole.items():
            known = frame[frame["known_at"] < day]
            if name == "events":
                known = self._events(known, day)
            if name == "invoices":
                dear = known["known_at"] >= self.days["dearer"]
                known = known.assign(amount=known["amount"].where(~dear, known["amount"] * 1.1))
            known.to_parquet(self.folder / "raw" / f"{name}.parquet", index=False)
        self.path.write_text(yaml.safe_dump(self._settings(day)), encoding="utf-8")
        return load_config(self.path)

    def _events(self, known: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
        if not self.spared and self.days["stops"] < day <= self.days["back"]:
            known = known[known["known_at"] < self.days["stops"]]
        word = known["event_type"].value_counts().index[1]
        renamed = (known["event_type"] == word) & (known["known_at"] >= self.days["renamed"])
        return known.assign(event_type=known["event_type"].mask(renamed, f"{word}_v2"))

    def _settings(self, day: pd.Timestamp) -> dict[str, Any]:
        tables: dict[str, Any] = {name: {"from": f"{name}.parquet"} for name in _TABLES}
        if day >= self.days["mapped"]:
            tables["events"]["columns"] = {"event_type": {"expr": "regexp_replace(event_type, '_v2$', '')"}}
        return {
            "name": "company",
            "source": {"folder": "raw"},
            "tables": tables,
            "label": {"churn": "contractual", "horizon_days": 30},
            "splits": {"folds": 1, "test_snapshots": 2},
            "features": {"windows_days": [28], "max_event_types": 2},
            "model": {"kind": "logistic", "seeds": 1, "min_churners": 2},
            "monitoring": {"publish_if": "no_severe_alarm"},
        }


@contextmanager
def _morning(day: pd.Timestamp) -> Iterator[datetime]:
    now = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    with time_machine.travel(now):
        yield now


def begin(company: Company) -> None:
    """Train the first model, and live the days in which nothing happens."""
    with _morning(company.first):
        config = company.know(company.first)
        if not list(config.bundles_dir.rglob("champion.json")):
            train(config, promote_because="It is the first.")
    live(company, company.days["stops"] - pd.Timedelta(days=1))


def live(company: Company, until: pd.Timestamp) -> None:
    """Live the days from the one after the last run on."""
    ended = lived(company)
    since = company.first if not ended else ended[-1][0] + pd.Timedelta(days=1)
    for day in pd.date_range(since, until):
        config = company.know(day)
        if day == company.days["lost"] and not company.spared:
            continue
        with _morning(day) as now:
            if day == company.days["erased"]:
                erase(config, Subject("account", company.gone))
            if day == company.days["killed"] and not company.spared:
                _killed(company, config, now)
            run = run_daily(config).run
        told = (f"{one.name}:{one.outcome}" for one in run.stages)
        print(f"{company.folder.name} {day:%Y-%m-%d}", *told, file=sys.stderr, flush=True)


def lived(company: Company) -> list[tuple[pd.Timestamp, Run]]:
    """Return the runs that ended, each with its day, the oldest first."""
    if not company.path.exists():
        return []
    config = load_config(company.path)
    with Store(config.store_url) as store:
        runs = store.runs(config.name).find(limit=1000)
    ended = [(pd.Timestamp(run.started_at.date()), run) for run in runs if run.ended_at is not None]
    return sorted(ended, key=lambda one: one[0])


_RUN = """
import sys
from datetime import datetime
import time_machine
from churnml.config import load_config
from churnml.pipeline.daily import run_daily

with time_machine.travel(datetime.fromisoformat(sys.argv[2])):
    run_daily(load_config(sys.argv[1]))
"""


def _killed(company: Company, config: Config, now: datetime) -> None:
    """Start the day's run in a process of its own, and kill it while it scores."""
    process = subprocess.Popen([sys.executable, "-c", _RUN, str(company.path), now.isoformat()])
    with Store(config.store_url) as store:
        while process.poll() is None:
            run = store.runs(config.name).last("daily")
            if run is not None and run.outcome == "running" and run.stage("score") is not None:
                break
            time.sleep(0.05)
    if process.poll() is not None:
        raise SystemExit("The run had ended before it could be killed")
    process.kill()
    process.wait()


def end_of(company: Company) -> dict[str, Any]:
    """Return what a user could tell of a company at the end.

    A fall is told against the best score of thirty days. Where that was one of the days on which nothing was published,
    there is nothing to have fallen from: such alerts are left out.
    """
    config = load_config(company.path)
    since, until = company.days["stops"].date(), (company.days["back"] + timedelta(days=31)).date()
    with Store(config.store_url) as store:
        newest = store.latest(config.name)
        assert newest is not None
        accounts = store.accounts(newest.id, limit=10_000).accounts
        open_ = [alert for alert, _ in store.alerts(config.name).find(limit=10_000) if alert.state == "open"]
        return {
            "as_of": newest.as_of,
            "scores": {one.account_id: (one.churn_probability, one.band) for one in accounts},
            "reasons": {
                one.account_id: (store.explanation(newest.id, one.account_id) or {}).get("raising") for one in accounts
            },
            "alerts": sorted(
                (alert.account_id, alert.kind)
                for alert in open_
                if alert.kind != "score_fall" or not since <= alert.opened_on <= until
            ),
        }


def faults(company: Company, config: Config, runs: list[tuple[pd.Timestamp, Run]], twin: dict[str, Any]) -> list[str]:
    """Return what is not as it has to be."""
    found = []
    by_day = dict(runs)
    for day, run in runs:
        dead = company.days["stops"] + timedelta(days=2) < day <= company.days["back"]
        scored = run.stage("score")
        if dead and scored is not None and scored.outcome != "skipped":
            found.append(f"{day:%Y-%m-%d} is published although its events stopped two days ago")
        if (
            not dead
            and day not in (company.days["stops"] + timedelta(days=n) for n in (1, 2))
            and run.outcome != "done"
        ):
            found.append(f"{day:%Y-%m-%d}: {[(one.name, one.error) for one in run.stages if one.error]}")
    assert by_day
    with Store(config.store_url) as store:
        episodes = store.monitoring(config.name).alarms()
    for code, name in (("MON101", "stops"), ("MON104", "renamed"), ("MON108", "dearer")):
        since = company.days[name].date()
        if not any(one.alarm.code == code and one.opened_on >= since for one in episodes):
            found.append(f"{code} never came")
    ours = end_of(company)
    found += [f"{name} differ from the twin's" for name in twin if ours[name] != twin[name]]
    found += [f"{path} names the erased" for path in left_in(config.workspace_dir, [company.gone])]
    return found


def quarter(folder: Path, accounts: int, days: int) -> tuple[list[tuple[pd.Timestamp, Run]], list[str]]:
    """Live a quarter, and the twin's; return all runs and what is not as it has to be."""
    months = 14 + days // 30
    if not (folder / "whole").exists():
        churnml("simulate", str(folder / "part"), "--accounts", str(accounts), "--months", str(months), "--seed", "5")
        (folder / "part").rename(folder / "whole")
    whole = {name: pd.read_parquet(folder / "whole" / f"{name}.parquet") for name in _TABLES}
    spared = Company(folder / "spared", whole, days, spared=True)
    # Until the events stop both live the same days.
    if not (folder / "company").exists():
        begin(spared)
        shutil.copytree(spared.folder, folder / "copy")
        (folder / "copy").rename(folder / "company")
    company = Company(folder / "company", whole, days, spared=False)
    last = company.first + pd.Timedelta(days=days)
    for each in (company, spared):
        live(each, last)
    twin = end_of(spared)
    runs = lived(company)
    return [*lived(spared), *runs], faults(company, load_config(company.path), runs, twin)


def main() -> None:
    """Print what came of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=91)
    parser.add_argument("--accounts", type=int, default=60)
    parser.add_argument("--folder", type=Path, help="where both companies stay, and go on after a cut")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="churnml-quarter-"))
    began = time.monotonic()
    try:
        runs, wrong = quarter(folder, given.accounts, given.days)
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    outcomes = Counter(f"{one.name}: {one.outcome}" for _, run in runs for one in run.stages)
    told = {"days": given.days, "seconds": round(time.monotonic() - began), "stages": dict(outcomes), "wrong": wrong}
    print(json.dumps(told, indent=1))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
