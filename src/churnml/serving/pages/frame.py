"""The frame of every page: who looks, in which language, where they may go, and what must be said of the data first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, cached_property, partial
from typing import Any
from urllib.parse import quote

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import URL
from starlette.responses import Response

from churnml.language import Language, Section, amount, day, number, percent, phrases
from churnml.language.numbers import money
from churnml.reports import charts
from churnml.serving.http.problems import Problem
from churnml.serving.last_run import left_over
from churnml.serving.mappers import freshness
from churnml.serving.pages.compression import compressed
from churnml.serving.pages.places import places_of
from churnml.serving.pages.static import address_of
from churnml.serving.people import PageContext, Viewer, context_of, viewer_of
from churnml.serving.state import ServingState
from churnml.store import SnapshotInfo
from churnml.training.publication import Publication

__all__ = ["Frame", "compile_templates", "environment", "frame_of"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@dataclass(frozen=True)
class Frame:
    """One request for a page: who asks, in which language, and how its answer is made.

    Parameters
    ----------
    request : Request
    state : ServingState
    context : PageContext
        Who looks, in which language, and the hidden field of every form.
    now : datetime
        The time of the request, UTC; the whole page goes by it.
    """

    request: Request
    state: ServingState
    context: PageContext
    now: datetime

    @property
    def language(self) -> Language:
        """Language of the page."""
        return self.context.language

    @property
    def viewer(self) -> Viewer:
        """Who looks.

        Raises
        ------
        Problem
            Nobody is signed in.
        """
        return viewer_of(self.request)

    @property
    def today(self) -> date:
        """The day of the request, UTC."""
        return self.now.date()

    @cached_property
    def url(self) -> URL:
        """Address of the page as it was asked for, without the host."""
        query = self.request.url.query
        return URL(self.request.url.path + (f"?{query}" if query else ""))

    @property
    def page(self) -> int:
        """Which page of a list the address asks for: 1, 2, …; the first where it names none that can be."""
        asked = self.request.query_params.get("page", "1")
        return int(asked) if asked.isascii() and asked.isdigit() and 0 < len(asked) < 6 else 1

    @property
    def scored(self) -> SnapshotInfo:
        """The snapshot in force.

        Raises
        ------
        Problem
            ``service.no_snapshot``: nothing has been scored yet.
        """
        snapshot = self.state.view.snapshot
        if snapshot is None:
            raise Problem("service.no_snapshot", "Nothing has been scored yet", headers={"Retry-After": "30"})
        return snapshot

    def with_query(self, **changes: Any) -> str:
        """Return the address of this page with other query parameters; None takes one away, and what was done goes.

        Parameters that were given several times stay as they are unless they are named.
        """
        others = [
            (name, value)
            for name, value in self.request.query_params.multi_items()
            if name not in changes and not name.startswith("done")
        ]
        given: list[tuple[str, str]] = []
        for name, value in changes.items():
            several = value if isinstance(value, list | tuple) else [value]
            given += [(name, str(one)) for one in several if one is not None and one != ""]
        query = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in [*others, *given])
        return self.request.url.path + (f"?{query}" if query else "")

    def banners(self) -> list[str]:
        """Return what must be said of the data before anybody works with it: that it is old, partial, by rules only."""
        say, view = phrases(self.language), self.state.view
        if view.snapshot is None:
            return []
        snapshot, said = view.snapshot, []
        fresh = freshness(snapshot.as_of, snapshot.scored_at, self.now)
        if fresh.state != "fresh":
            on = day(snapshot.as_of.isoformat(), self.language)
            said.append(say("frame-stale", on=on, days=int(fresh.age_days)))
        old = left_over(view.run, snapshot, self.now, self.state.settings.late_after_hours)
        if old is not None:
            said.append(say.text(old))
        if "snapshot" in self.state.faults:
            said.append(say("frame-unreachable"))
        if snapshot.coverage is not None and snapshot.coverage < 0.5:
            said.append(say("frame-partial", share=percent(snapshot.coverage, self.language)))
        if snapshot.info.get("verdict") == Publication.RULES_ONLY:
            said.append(say("frame-rules"))
        return said

    def answer(self, template: str, *, here: str, title: str, status: int = 200, **given: Any) -> Response:
        """Return a page.

        Parameters
        ----------
        template : str
            Name of the template; it extends ``base.html.j2``.
        here : str
            Name of the place in the navigation that the page belongs to.
        title : str
            Title of the page.
        status : int
            HTTP status.
        **given
            What the template speaks of.
        """
        text = self.render(template, here=here, title=title, **given)
        response = compressed(self.request, text.encode(), "text/html; charset=utf-8", status)
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    def render(self, template: str, *, here: str, title: str, **given: Any) -> str:
        """Return a page as text, see `answer`."""
        say, lang, viewer = phrases(self.language), self.language, self.context.viewer
        snapshot, currency = self.state.view.snapshot, self.state.settings.currency
        served: frozenset[str] = self.request.app.state.paths
        known: dict[str, Any] = {
            "frame": self,
            "context": self.context,
            "viewer": viewer,
            "form_field": self.context.form_field,
            "language": lang,
            "say": say,
            "t": partial(Section, say),
            "here": here,
            "title": title,
            "company": self.state.settings.name,
            "places": places_of(viewer, served) if viewer else [],
            "banners": self.banners() if viewer else [],
            "as_of": day(snapshot.as_of.isoformat(), lang) if snapshot and viewer else None,
            "money": _or_dash(lambda value: money(round(value), currency, lang)),
            "number": _or_dash(lambda value, digits=0: number(value, lang, digits)),
            "percent": _or_dash(lambda value, digits=None: percent(value, lang, digits)),
            "amount": _or_dash(lambda value, unit: amount(value, unit, lang, currency=currency)),
            "day": _or_dash(lambda value: day(str(value)[:10], lang)),
            "q": lambda value: quote(str(value), safe=""),
        }
        return environment().get_template(template).render(**{**known, **given})


def _or_dash(write: Callable[..., str]) -> Callable[..., str]:
    """Return a function that writes a value, and a dash where there is none."""

    def written(value: Any, *rest: Any, **named: Any) -> str:
        return "–" if value is None or value != value else write(value, *rest, **named)

    return written


def frame_of(request: Request) -> Frame:
    """Return the frame of a request for a page."""
    return Frame(request, request.app.state.serving, context_of(request), datetime.now(UTC))


@cache
def environment() -> Environment:
    """Return the environment of the pages' templates: everything is escaped, nothing undefined."""
    templates = Environment(
        loader=PackageLoader("churnml.serving.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["static"] = address_of
    templates.globals["charts"] = charts
    # A number and its percent sign stay on one line.
    templates.filters["unbroken"] = lambda text: str(text).replace(" %", "\u00a0%")
    return templates


def compile_templates() -> None:
    """Compile every template, so that nobody who asks for the first page waits for it.

    Examples
    --------
    >>> compile_templates()
    >>> len(environment().cache) == len(environment().list_templates())
    True
    """
    for name in environment().list_templates():
        environment().get_template(name)
