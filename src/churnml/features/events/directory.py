"""Who and what there is in the events: accounts and users, kinds, and what lies before the first cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churnml.features.events.planes import Layout
from churnml.features.events.rollup import midnight, slug
from churnml.features.keys import Ints

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["Directory", "Members"]


@dataclass(frozen=True)
class Members:
    """The members of some accounts, numbered: an account or, where users are wanted, an account and a user.

    Parameters
    ----------
    table : arrow table
        ``account_id, member_account``; where users are wanted also ``user_id`` (null included) and ``member_user``. A
        member without a user (events by nobody known) has the number after the last user's.
    users : ndarray of int, shape (u,)
        Account of each user.
    user_ids : arrow array of str, shape (u,)
        Name of each user.
    one_account_each : bool
        Every event says who acted, and nobody acted for two accounts.
    """

    table: pa.Table
    users: Ints
    user_ids: pa.Array
    one_account_each: bool


class Directory:
    """Who and what there is in the events, each read when first asked for: scans of few groups.

    Parameters
    ----------
    events : ibis table
        The events to be laid out.
    layout : Layout
        What is wanted of them.
    first : int
        The first cut.
    """

    def __init__(self, events: ir.Table, layout: Layout, first: int) -> None:
        self._events = events
        self._layout = layout
        self._first = first

    @property
    def accounts(self) -> npt.NDArray[np.object_]:
        """All accounts with events, ascending."""
        names = pc.unique(self._pairs.column("account_id"))
        return np.sort(np.asarray(names.to_pylist(), dtype=object))

    @cached_property
    def types(self) -> pd.DataFrame:
        """Every event type: ``word, slug, kind`` (empty where not counted by itself), ``login, class, slug_number``."""
        words = sorted(str(word) for word in self._events.select("event_type").distinct().to_pandas()["event_type"])
        types = pd.DataFrame({"word": words, "slug": [slug(word) for word in words]}, dtype=object)
        types["kind"] = types["slug"].where(types["slug"].isin(self._layout.kinds), "")
        types["login"] = types["word"].isin(self._layout.logins)
        classes = types[["kind", "login"]].drop_duplicates(ignore_index=True)
        types["class"] = types.merge(classes.reset_index(), on=["kind", "login"], how="left")["index"].to_numpy()
        types["slug_number"] = types["slug"].rank(method="dense").astype(np.int64) - 1 if len(types) else []
        return types

    @property
    def classes(self) -> pd.DataFrame:
        """What types have in common: ``kind, login``, by the number of the class."""
        return self.types[["kind", "login"]].drop_duplicates(ignore_index=True)

    @cached_property
    def _pairs(self) -> pa.Table:
        by = ["account_id", "user_id"] if self._layout.users else ["account_id"]
        return self._events.select(by).distinct().to_pyarrow().cast(pa.schema([(name, pa.string()) for name in by]))

    @cached_property
    def _accounts_of_pairs(self) -> tuple[Ints, pd.Index]:
        """The account of each pair by its number, and the accounts by theirs."""
        names = self._pairs.column("account_id").combine_chunks().dictionary_encode()
        return names.indices.to_numpy(zero_copy_only=False), pd.Index(names.dictionary.to_pylist(), dtype=object)

    @cached_property
    def _one_account_each(self) -> bool:
        """Every event says who acted, and nobody acted for two accounts."""
        users = self._pairs.column("user_id") if self._layout.users else None
        return users is not None and users.null_count == 0 and pc.count_distinct(users).as_py() == len(users)

    def members(self, accounts: npt.NDArray[np.object_]) -> Members:
        """Return the members of some accounts, which ascend."""
        members, (number_of, names) = self._pairs, self._accounts_of_pairs
        known = pd.Index(accounts).get_indexer(names).astype(np.int64)
        code = known[number_of] if len(known) else np.zeros(0, dtype=np.int64)
        if (code < 0).any():
            members, code = members.filter(pa.array(code >= 0)), code[code >= 0]
        members = members.append_column("member_account", pa.array(code))
        if not self._layout.users:
            return Members(members, np.zeros(0, dtype=np.int64), pa.array([], pa.string()), one_account_each=False)
        label = members.column("user_id").combine_chunks()
        named = np.asarray(label.is_valid())
        number = np.where(named, np.cumsum(named) - 1, np.count_nonzero(named)).astype(np.int64)
        members = members.append_column("member_user", pa.array(number))
        return Members(members, code[named], label.drop_null(), one_account_each=self._one_account_each)

    def long_ago(self, accounts: npt.NDArray[np.object_]) -> pd.DataFrame:
        """Return what is known of some accounts from before the first day that has a row of its own.

        ``first_day, last_before, last_login_before`` are day numbers, −1 for nothing; ``days`` counts the active days,
        ``squares`` sums the squared days from each to the next.
        """
        nothing = {name: 0 if name in ("days", "squares") else -1 for name in self._long_ago}
        return self._long_ago.reindex(pd.Index(accounts, dtype=object)).fillna(nothing).astype(np.int64)

    @cached_property
    def _long_ago(self) -> pd.DataFrame:
        import ibis

        events = self._events
        earlier = events.filter(events.occurred_at < ibis.timestamp(midnight(self._first).isoformat()))
        sums = earlier.group_by("account_id").agg(
            first_day=earlier.occurred_at.min(),
            last_before=earlier.occurred_at.max(),
            last_login_before=earlier.occurred_at.max(where=earlier.event_type.isin(self._layout.logins)),
        )
        frame: pd.DataFrame = sums.to_pandas().set_index("account_id")
        for name in frame:
            day = pd.to_datetime(frame[name]).to_numpy().astype("datetime64[D]")
            frame[name] = np.where(np.isnat(day), -1, day.astype(np.int64))
        if not self._layout.past:
            return frame.assign(days=0, squares=0)
        active = earlier.select("account_id", day=earlier.occurred_at.date().epoch_days().cast("int64")).distinct()
        gap = active.day - active.day.lag().over(ibis.window(group_by="account_id", order_by=active.day))
        gaps = active.mutate(gap=gap)
        past = gaps.group_by("account_id").agg(days=gaps.count(), squares=(gaps.gap * gaps.gap).sum())
        known = past.to_pandas().set_index("account_id")[["days", "squares"]].fillna(0).astype(np.int64)
        return frame.join(known)
