"""Accounts: every account of the snapshot, searched, filtered, sorted and paged in the store; as CSV too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.language import Text, phrases
from churnml.serving.http.problems import Problem
from churnml.serving.pages.acting import act, back_to, text_of
from churnml.serving.pages.csv_answers import csv_answer, csv_bytes
from churnml.serving.pages.frame import Frame, frame_of
from churnml.serving.pages.notices import notice
from churnml.serving.pages.visibility import lines_seen, owner_seen, unknown
from churnml.serving.people import CheckedForm, needs
from churnml.serving.routes.operation import ScopedRoute
from churnml.store import BANDS, SORTS, AccountLine, Actor, ListFilter, SnapshotInfo

__all__ = ["COLUMNS", "Asked", "choices_of", "router"]

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)
COLUMNS = ("band", "health", "change", "why", "risk", "arr", "loss", "owner", "segment", "plan", "phase", "ends")
"""What a list can show of an account beside its name, in order; those that can be sorted by are in `SORTS`."""
_USUAL = ("band", "health", "change", "why", "arr", "loss", "owner", "ends")
_PAGE = 50
_MOST_CSV = 100_000
_ENDS = (30, 60, 90, 180)


@dataclass(frozen=True)
class Asked:
    """What an address asks for: which accounts, in which order, with which columns, and which page.

    Parameters
    ----------
    where : ListFilter
    sort : str
    descending : bool or None
        None: the order that is natural to the column.
    columns : tuple of str
    page : int
        1, 2, …
    """

    where: ListFilter
    sort: str
    descending: bool | None
    columns: tuple[str, ...]
    page: int

    @classmethod
    def of(cls, frame: Frame) -> Asked:
        """Read an address; what it does not know it leaves out."""
        query = frame.request.query_params

        def several(name: str) -> tuple[str, ...]:
            # A form without JavaScript sends what was left open as an empty word; nobody is asked for by `~`.
            given = [one[:255].replace("\0", "") for one in query.getlist(name) if one]
            return tuple("" if one == "~" else one for one in given)

        sort, ends = query.get("sort", "loss"), query.get("ends", "")
        wanted = tuple(name for name in COLUMNS if name in query.getlist("col"))
        return cls(
            ListFilter(
                text=query.get("q", "")[:200].replace("\0", ""),
                bands=tuple(band for band in several("band") if band in BANDS),
                owners=several("owner"),
                segments=several("segment"),
                plans=several("plan"),
                phases=several("phase"),
                ends_within=int(ends) if ends.isascii() and ends.isdigit() and len(ends) < 5 else None,
                seen_by=owner_seen(frame),
            ),
            sort if sort in SORTS else "loss",
            {"up": False, "down": True}.get(query.get("way", "")),
            wanted or _USUAL,
            frame.page,
        )

    @property
    def down(self) -> bool:
        """The largest comes first."""
        return self.sort in ("risk", "arr", "loss") if self.descending is None else self.descending

    @property
    def filtered(self) -> bool:
        """The address asks for some accounts only."""
        where = self.where
        return (
            bool(where.text or where.bands or where.owners or where.segments or where.plans or where.phases)
            or where.ends_within is not None
        )


@router.get("/accounts", dependencies=[needs("read")])
async def get_accounts(request: Request) -> Response:
    """Return a page of the list that the address asks for."""
    frame, snapshot = _begun(request)
    return await to_thread.run_sync(_accounts, frame, snapshot)


def _begun(request: Request) -> tuple[Frame, SnapshotInfo]:
    frame = frame_of(request)
    return frame, frame.scored


def _accounts(frame: Frame, snapshot: SnapshotInfo) -> Response:
    asked, state, say = Asked.of(frame), frame.state, phrases(frame.language)
    lists = state.store.lists(state.settings.name)
    listed = lists.accounts(
        snapshot.id, snapshot.as_of, asked.where, frame.now, sort=asked.sort, descending=asked.descending,
        offset=(asked.page - 1) * _PAGE, limit=_PAGE,
    )  # fmt: skip
    display = state.settings.display
    return frame.answer(
        "accounts.html.j2",
        here="accounts",
        title=say("nav-accounts"),
        asked=asked,
        found=listed,
        first=(asked.page - 1) * _PAGE + 1,
        last=(asked.page - 1) * _PAGE + len(listed.lines),
        pages=max(1, -(-listed.total // _PAGE)),
        why=lambda line: _why(line, frame),
        all_columns=COLUMNS,
        sorts=SORTS,
        bands=BANDS,
        ends=_ENDS,
        choices=choices_of(frame, snapshot),
        views=state.store.views(state.settings.name).of(frame.viewer.user_id, "accounts"),
        spoken=lambda what, raw: display.spoken(what, raw, frame.language),
        phase=lambda raw: say.or_plain(f"phase-{raw}", raw) if raw else "–",
        here_query=_view_query(frame),
        notice=notice(frame),
    )


def choices_of(frame: Frame, snapshot: SnapshotInfo) -> dict[str, list[str]]:
    """Return what can be filtered by; ``people`` are all to whom an account can be given.

    What the snapshot says is read once. Who sees their own accounts only filters by no other owner.
    """
    state, viewer = frame.state, frame.viewer
    known = state.view.choices
    if not known:
        known.update(state.store.lists(state.settings.name).choices(snapshot.id))
    by_hand = {owner for _, owner in state.store.owners(state.settings.name).chosen().values()}
    people = sorted({*known["owners"], *by_hand})
    mine = [viewer.owner_id] if viewer.owner_id else []
    return {**known, "owners": people if viewer.sees_all else mine, "people": people}


def _view_query(frame: Frame) -> str:
    """Return the query of the address as a view keeps it: without the page."""
    gone = {name: None for name in frame.request.query_params if name in ("page", "lang")}
    return frame.with_query(**gone).partition("?")[2]


def _why(line: AccountLine, frame: Frame) -> str:
    return phrases(frame.language).stored(line.account.details.get("why"))


@router.get("/accounts.csv", dependencies=[needs("read")])
async def get_accounts_csv(request: Request) -> Response:
    """Return the whole list that the address asks for as CSV, with every column."""
    frame, snapshot = _begun(request)

    def made() -> bytes:
        asked, state = Asked.of(frame), frame.state
        lines = (
            state.store.lists(state.settings.name)
            .accounts(
                snapshot.id, snapshot.as_of, asked.where, frame.now, sort=asked.sort, descending=asked.descending,
                limit=_MOST_CSV,
            )
            .lines
        )  # fmt: skip
        return csv_bytes(_rows(frame, lines))

    return csv_answer(request, await to_thread.run_sync(made), f"accounts-{snapshot.as_of.isoformat()}")


def _rows(frame: Frame, lines: tuple[AccountLine, ...]) -> Iterator[list[Any]]:
    yield [
        "account_id", "name", "band", "health_score", "change_30d", "churn_probability", "arr", "expected_loss",
        "owner", "segment", "plan", "phase", "contract_ends_on", "renewal", "why",
    ]  # fmt: skip
    for line in lines:
        one = line.account
        cells = [
            one.account_id, one.name, one.band, one.health_score, line.change_30d, one.churn_probability, one.arr,
            one.expected_loss, one.owner, one.segment, line.plan, line.phase, line.contract_ends_on, line.renewal,
            _why(line, frame),
        ]  # fmt: skip
        yield cells


@router.post("/actions/assign", dependencies=[needs("assign")])
async def post_assign(request: Request, form: CheckedForm) -> Response:
    """Give the accounts that are ticked to somebody, with the alerts that are open on them."""
    frame, snapshot = _begun(request)
    owner = text_of(form, "owner", most=255, required=True)
    ids = [str(one) for one in form.getlist("account")][:500]
    if not ids:
        tick = Text.of("form-tick_accounts")
        raise Problem("request.invalid", "account: tick the accounts to assign first", said=tick)
    state, viewer = frame.state, frame.viewer

    def change(actor: Actor, deadline: float) -> int:
        name = state.settings.name
        # Whoever was only given work on an account cannot give the account away.
        lines = lines_seen(frame, snapshot, ids)
        mine = {key: line.source_owner for key, line in lines.items() if viewer.sees(line.account.owner)}
        if not mine:
            raise unknown(ids[0])
        assert owner is not None
        alerts = state.store.alerts(name, deadline=deadline)
        for alert in state.store.owners(name, deadline=deadline).choose(owner, mine, actor):
            alerts.change(alert, actor, owner=owner, author=viewer.name)
        return len(mine)

    await act(frame, "assign", change)
    return back_to(form, done="assigned")


@router.post("/actions/views", dependencies=[needs("read")])
async def post_view(request: Request, form: CheckedForm) -> Response:
    """Keep the list that is shown under a name, or forget one."""
    frame = frame_of(request)
    state = frame.state
    drop = str(form.get("drop") or "")
    if drop.isdigit() and len(drop) < 10:
        await act(
            frame,
            "read",
            lambda actor, deadline: state.store.views(state.settings.name, deadline=deadline).drop(int(drop), actor),
        )
        return back_to(form, done="view_dropped")
    name = text_of(form, "name", most=60, required=True)
    query = str(form.get("query") or "")[:2000]
    assert name is not None
    await act(
        frame,
        "read",
        lambda actor, deadline: state.store.views(state.settings.name, deadline=deadline).keep(
            "accounts", name, query, actor
        ),
    )
    return back_to(form, done="view_kept")
