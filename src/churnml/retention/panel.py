"""Every account in every month at once: who was there, what it paid, what came due, what it did."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.memory import release
from churnml.retention.contracts import Contracts
from churnml.retention.groups import Groups, groups_of
from churnml.tables import Tables

__all__ = ["ACTIVE_DAYS", "Panel"]

NPS_DAYS = 91
ACTIVE_DAYS = 28

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]
Column = Bools | Ints | Floats


class Panel:
    """One company's accounts × months, as arrays; a month is the period between two neighbouring `edges`.

    Parameters
    ----------
    tables : Tables
        Must hold ``subscriptions``.
    grace_days : int
        A renewal this many days late is still a renewal.
    leave_out_trials : bool
        A plan of MRR 0 before the first paid one makes no customer.
    core_features : collection of str
        Event types of core use; empty = all.
    onboarding_days : int
        Days within which onboarding should be complete.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        grace_days: int = 14,
        leave_out_trials: bool = False,
        core_features: Collection[str] = (),
        onboarding_days: int = 90,
    ) -> None:
        self.tables, self.grace_days = tables, grace_days
        self._core, self._onboarding = tuple(core_features), pd.Timedelta(days=onboarding_days)
        self.contracts = Contracts(tables, grace_days, leave_out_trials=leave_out_trials)
        self.edges = self.contracts.edges
        self._grouped: dict[str, Groups] = {}
        self._midnights: Times = self.edges.to_numpy().astype("datetime64[us]")
        self._beside = {
            "surveys": _read(tables, "surveys", ["kind", "responded_at", "score"]),
            "milestones": _read(tables, "milestones", ["kind", "planned_at", "completed_at"]),
            "tickets": _read(tables, "tickets", ["opened_at", "first_response_at", "solved_at", "escalated_at"]),
            "accounts": _read(tables, "accounts", []),
        }
        frames = [
            self.contracts.lives,
            self.contracts.terms,
            *(frame for frame in self._beside.values() if frame is not None),
        ]
        release()  # what the tables were read through
        names = pd.concat([frame["account_id"].drop_duplicates() for frame in frames]).drop_duplicates()
        self.accounts: pd.Index = pd.Index(names.astype("object")).sort_values()

    @property
    def months(self) -> int:
        """How many months there are."""
        return max(len(self.edges) - 1, 0)

    def code(self, accounts: pd.Series) -> Ints:
        """Return the position of each account in `accounts`."""
        return np.asarray(self.accounts.get_indexer(pd.Index(accounts)), dtype=np.int64)

    @cached_property
    def lives(self) -> pd.DataFrame:
        """The unbroken relationships with their account's position, ``account``."""
        lives = self.contracts.lives
        return lives.assign(account=self.code(lives["account_id"])).reset_index(drop=True)

    @cached_property
    def life(self) -> Ints:
        """Edges × accounts: the row of `lives` that covers the midnight, −1 where none does."""
        started, ended = (self.lives[name].to_numpy().astype("datetime64[us]") for name in ("started_on", "ended_on"))
        first = np.searchsorted(self._midnights, started)
        rows = np.flatnonzero(first < len(self._midnights))
        grid = np.full((len(self._midnights), len(self.accounts)), -1, dtype=np.int64)
        grid[first[rows], self.lives["account"].to_numpy()[rows]] = rows
        grid = _carried(grid, grid >= 0, -1)
        over = (grid >= 0) & (ended[grid] <= self._midnights[:, None])
        grid[over] = -1
        return grid

    @cached_property
    def paid(self) -> Floats:
        """Edges × accounts: what each account pays per month, add-ons included; 0 where it is not there."""
        levels = self.contracts.mrr
        at = np.searchsorted(self._midnights, levels["day"].to_numpy().astype("datetime64[us]"))
        counts = at < len(self._midnights)
        grid = np.full((len(self._midnights), len(self.accounts)), np.nan)
        # Of several days before one midnight the last one counts: they come in the order of time.
        grid[at[counts], self.code(levels["account_id"])[counts]] = levels["level"].to_numpy()[counts]
        grid = _carried(grid, ~np.isnan(grid), 0.0)
        return np.where(self.life >= 0, grid, 0.0)

    def moved(self, start: int, end: int) -> dict[str, Column]:
        """Return what became between two edges of each account; amounts in MRR."""
        before, after = self.life[start], self.life[end]
        there, there_end, stayed = before >= 0, after >= 0, (before >= 0) & (before == after)
        paid, paid_end = self.paid[start], self.paid[end]
        change = np.where(stayed, paid_end - paid, 0.0)
        churned = there & ~stayed & self.lives["churned"].to_numpy(dtype=bool)[before]
        return {
            "there": there,
            "there_end": there_end,
            "lost": there & ~stayed,
            "churned": churned,
            "new": there_end & ~stayed,
            "grown": stayed & (paid_end > paid),
            "mrr": paid,
            "mrr_end": paid_end,
            "expansion": np.maximum(change, 0.0),
            "contraction": np.maximum(-change, 0.0),
            "churned_mrr": np.where(stayed, 0.0, paid),
            "new_mrr": np.where(stayed, 0.0, paid_end),
        }

    def month(self, number: int) -> dict[str, Column]:
        """Return what a month holds of each account: see `moved`, and what came due, was said, used, asked."""
        out = self.moved(number, number + 1)
        for name in ("due", "renewed", "mrr_due", "mrr_renewed"):
            out[name] = self._renewals[name][number]
        end = self._midnights[number + 1]
        surveys = self._answers
        if surveys is not None:
            recent = (surveys["responded_at"] >= end - np.timedelta64(NPS_DAYS, "D")) & (surveys["responded_at"] < end)
            account, score = surveys["account"][recent], surveys["score"][recent]
            for name, counted in (("answers", score > -1), ("promoters", score >= 9), ("detractors", score <= 6)):
                out[name] = self._counted(account[counted])
        if self._active is not None:
            out["active"] = self._active[number] & out["there_end"]
        if self._onboarded is not None:
            limit, complete = self._onboarded
            out["onboarding_due"] = limit <= end
            out["onboarding_done"] = (limit <= end) & complete
        if self.tickets is not None:
            tickets = self.tickets
            opened = tickets["number"] == number
            account = tickets["account"][opened]
            out["tickets"] = self._counted(account)
            for name in ("solved", "escalated"):
                out[name] = self._counted(account[tickets[name][opened]])
        return out

    @cached_property
    def tickets(self) -> Mapping[str, npt.NDArray[Any]] | None:
        """The tickets opened in the months: ``number`` (of the month), ``account``, and what was known at its end.

        ``hours`` to the first answer (NaN = none yet), ``solved``, ``escalated``.
        """
        frame = self._beside["tickets"]
        if frame is None:
            return None
        opened = _times(frame["opened_at"])
        number = np.searchsorted(self._midnights, opened, side="right") - 1
        inside = (number >= 0) & (number < self.months)
        number, opened, frame = number[inside], opened[inside], frame[inside]
        end = self._midnights[number + 1] if self.months else opened
        answered = _times(frame["first_response_at"])
        hours = (answered - opened) / np.timedelta64(1, "s") / 3600
        return {
            "number": number,
            "account": self.code(frame["account_id"]),
            "hours": np.where(answered < end, hours, np.nan),
            "solved": _times(frame["solved_at"]) < end,
            "escalated": _times(frame["escalated_at"]) < end,
        }

    @cached_property
    def _renewals(self) -> dict[str, npt.NDArray[Any]]:
        """Months × accounts: see `churnml.retention.renewals` for what is due and what is renewed."""
        terms, shape = self.contracts.terms, (self.months, len(self.accounts))
        agreed, actual = _times(terms["agreed_end"]), _times(terms["actual_end"])
        number = np.searchsorted(self._midnights, agreed) - 1
        due = (actual >= agreed) & (number >= 0) & (number < self.months)
        account, plan = self.code(terms["account_id"]), ~terms["is_addon"].to_numpy(dtype=bool)
        came = np.zeros(shape, dtype=bool)
        came[number[due & plan], account[due & plan]] = True
        failed = np.zeros(shape, dtype=bool)
        ends = np.flatnonzero(due & plan)
        covered = self._covered_until(account, _times(terms["started_on"]), actual, plan, ends, agreed)
        gone = ends[covered <= agreed[ends]]
        failed[number[gone], account[gone]] = True
        mrr = terms["mrr"].fillna(0.0).to_numpy(dtype=float)
        following = self.contracts.next_terms.to_numpy()
        mrr_due, mrr_renewed = np.zeros(shape), np.zeros(shape)
        np.add.at(mrr_due, (number[due], account[due]), mrr[due])
        # Several terms may go on as one: what it carries is held against all of them together.
        rows = np.flatnonzero(due & (following >= 0))
        pairs = pd.DataFrame({"number": number[rows], "following": following[rows], "mrr": mrr[rows]})
        carried = pairs.groupby(["number", "following"], as_index=False)["mrr"].sum()
        after = carried["following"].to_numpy(dtype=np.int64)
        renewed = np.minimum(carried["mrr"].to_numpy(), mrr[after])
        np.add.at(mrr_renewed, (carried["number"].to_numpy(), account[after]), renewed)
        return {"due": came, "renewed": came & ~failed, "mrr_due": mrr_due, "mrr_renewed": mrr_renewed}

    def _covered_until(
        self, account: Ints, started: Times, ended: Times, plan: Bools, ends: Ints, agreed: Times
    ) -> Times:
        """Return until when the plans that had begun within grace after each of some ends cover the account."""
        plans = pd.DataFrame({"account": account, "from": started, "until": ended})[plan]
        plans = plans.sort_values("from", kind="stable")
        plans["until"] = plans.groupby("account")["until"].cummax()
        asked = pd.DataFrame({"account": account[ends], "by": agreed[ends] + np.timedelta64(self.grace_days, "D")})
        asked["place"] = np.arange(len(ends))
        covering = pd.merge_asof(asked.sort_values("by"), plans, left_on="by", right_on="from", by="account")
        return _times(covering.set_index("place")["until"].sort_index())

    @cached_property
    def _answers(self) -> Mapping[str, npt.NDArray[Any]] | None:
        frame = self._beside["surveys"]
        if frame is None:
            return None
        frame = frame[(frame["kind"] == "nps") & frame["score"].notna()]
        return {
            "account": self.code(frame["account_id"]),
            "responded_at": _times(frame["responded_at"]),
            "score": frame["score"].to_numpy(dtype=float),
        }

    @cached_property
    def _active(self) -> Bools | None:
        """Months × accounts: core use in the four weeks before the month's end. Such windows never overlap."""
        if not self.tables.has("events"):
            return None
        import ibis

        events = self.tables["events"]
        month = events.occurred_at.cast("timestamp(6)").truncate("M")
        end = month + ibis.interval(months=1)
        late = events.occurred_at.cast("timestamp(6)") >= end - ibis.interval(days=ACTIVE_DAYS)
        counted = late & events.event_type.isin(self._core) if self._core else late
        months = events.filter(counted).select(account_id="account_id", month=month).distinct().to_pandas()
        number = np.searchsorted(self._midnights, _times(months["month"]))
        account = self.code(months["account_id"].astype("str"))
        inside = (number < self.months) & (account >= 0) & (_times(months["month"]) >= self._midnights[:1])
        grid = np.zeros((self.months, len(self.accounts)), dtype=bool)
        grid[number[inside], account[inside]] = True
        return grid

    @cached_property
    def _onboarded(self) -> tuple[Times, Bools] | None:
        """Until when each account should be onboarded (NaT = no plan), and whether it was."""
        frame = self._beside["milestones"]
        if frame is None:
            return None
        plan = frame[frame["kind"] != "training"]
        whole = plan.groupby("account_id").agg(
            begun=("planned_at", "min"),
            planned=("kind", "size"),
            done=("completed_at", "count"),
            last=("completed_at", "max"),
        )
        whole["limit"] = whole["begun"] + self._onboarding
        complete = (whole["done"] == whole["planned"]) & (whole["last"] <= whole["limit"])
        limit = np.full(len(self.accounts), np.datetime64("NaT"), dtype="datetime64[us]")
        done = np.zeros(len(self.accounts), dtype=bool)
        at = self.code(whole.index.to_series())
        limit[at], done[at] = _times(whole["limit"]), complete.to_numpy()
        return limit, done

    def _counted(self, account: Ints) -> Ints:
        return np.bincount(account, minlength=len(self.accounts))

    @cached_property
    def everyone(self) -> Groups:
        """All accounts as one group without a name."""
        one = np.zeros((self.months, len(self.accounts)), dtype=np.int64)
        return Groups(("",), one, one)

    def groups(self, name: str) -> Groups:
        """Return the groups by plan, cohort or an attribute of the accounts.

        See `churnml.retention.groups.groups_of`.
        """
        if name not in self._grouped:
            self._grouped[name] = groups_of(self, name)
        return self._grouped[name]


def _carried(grid: npt.NDArray[Any], given: Bools, nothing: float) -> npt.NDArray[Any]:
    """Carry each column's last given value on to the edges after it."""
    row = np.where(given, np.arange(len(grid))[:, None], -1)
    row = np.maximum.accumulate(row, axis=0)
    return np.where(row >= 0, np.take_along_axis(grid, np.maximum(row, 0), axis=0), nothing)


def _times(values: pd.Series) -> Times:
    return pd.to_datetime(values).to_numpy().astype("datetime64[us]")


def _read(tables: Tables, name: str, columns: list[str]) -> pd.DataFrame | None:
    if not tables.has(name):
        return None
    frame: pd.DataFrame = tables[name].select("account_id", *columns).to_pandas()
    return frame.assign(account_id=frame["account_id"].astype("str"))
