"""What a page asks of its request: who is looking, in which language, and what its frame shows of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import Depends, Request
from markupsafe import Markup

from churnml.language import Language, catalogue, languages, phrases
from churnml.serving.http.problems import Problem
from churnml.serving.people.cookies import LANGUAGE, cookie
from churnml.serving.people.forms import VIEWER, form_field
from churnml.serving.people.viewer import Action, Viewer
from churnml.serving.state import ServingState

__all__ = [
    "CurrentViewer",
    "LanguageChoice",
    "PageContext",
    "context_of",
    "known_viewer",
    "language_of",
    "local_path",
    "needs",
    "preferred",
    "viewer_of",
]


def known_viewer(request: Request) -> Viewer | None:
    """Return who is looking, or None where a page is open to anybody and nobody has signed in."""
    viewer: Viewer | None = request.scope.get(VIEWER)
    return viewer


def viewer_of(request: Request) -> Viewer:
    """Return who is looking; a dependency of every page, see `CurrentViewer`.

    Raises
    ------
    Problem
        ``auth.missing``: nobody is signed in; a browser is led to the page for that.
    """
    viewer = known_viewer(request)
    if viewer is None:
        raise Problem("auth.missing", "Nobody is signed in")
    return viewer


CurrentViewer = Annotated[Viewer, Depends(viewer_of)]
"""Parameter of a page's route: who is looking."""


def needs(action: Action) -> Any:
    """Return a dependency that lets only those in who may do something: ``dependencies=[needs("administer")]``.

    It raises ``auth.role`` for the others.
    """

    def checked(viewer: CurrentViewer) -> None:
        if not viewer.may(action):
            raise Problem("auth.role", f"A {viewer.role} may not do this ({action})")

    return Depends(checked)


def language_of(request: Request) -> Language:
    """Return the language a page speaks.

    The first of: ``?lang=``, what this browser has just chosen, what the viewer has chosen, what the browser asks for
    (``Accept-Language``), and the config's.
    """
    known = languages()
    viewer = known_viewer(request)
    for chosen in (request.query_params.get("lang"), cookie(request.scope, LANGUAGE), viewer and viewer.language):
        if chosen in known:
            return chosen
    state: ServingState = request.app.state.serving
    return preferred(request.headers.get("accept-language", ""), known) or state.settings.language


def preferred(header: str, known: tuple[str, ...]) -> str | None:
    """Return the language that an ``Accept-Language`` header likes best of those there are; None: it names none.

    Examples
    --------
    >>> preferred("de;q=0.9, ja-JP;q=0.8, en;q=0.7", ("en", "ja")), preferred("*", ("en", "ja"))
    ('ja', None)
    """
    wanted: list[tuple[float, str]] = []
    for part in header[:500].split(","):
        tag, _, weight = part.partition(";")
        try:
            liked = float(weight.partition("=")[2] or 1)
        except ValueError:
            continue
        wanted.append((-liked, tag.strip().split("-")[0].lower()))
    wanted.sort(key=lambda item: item[0])
    return next((tag for liked, tag in wanted if tag in known and liked < 0), None)


@dataclass(frozen=True)
class LanguageChoice:
    """A language of the switch: its code, what it calls itself, and whether the page speaks it."""

    code: Language
    name: str
    chosen: bool


@dataclass(frozen=True)
class PageContext:
    """What the frame of a page shows of who is looking.

    Parameters
    ----------
    viewer : Viewer or None
        None on a page that is open to anybody.
    language : str
    languages : tuple of LanguageChoice
        For the switch: a form to ``/language`` with the fields ``language`` and ``next``.
    form_field : Markup
        The hidden field with the token, inside each form.
    here : str
        Path and query of this page, for ``next``.
    sign_out : bool
        Whether there is a session to end: a form to ``/sign-out``.
    """

    viewer: Viewer | None
    language: Language
    languages: tuple[LanguageChoice, ...]
    form_field: Markup
    here: str
    sign_out: bool


def context_of(request: Request) -> PageContext:
    """Return what the frame of a page shows of who is looking."""
    language, viewer = language_of(request), known_viewer(request)
    choices = tuple(LanguageChoice(code, _own_name(code), code == language) for code in languages())
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    here = request.url.path + (f"?{urlencode(query)}" if query else "")
    return PageContext(
        viewer=viewer,
        language=language,
        languages=choices,
        form_field=form_field(request),
        here=here if request.method in ("GET", "HEAD") else "/",
        sign_out=viewer is not None and viewer.by in ("session", "proxy"),
    )


def _own_name(code: Language) -> str:
    """Return what a language calls itself."""
    return phrases(code).or_plain("language-name", "") or str(catalogue(code).locale.get_display_name() or code)


def local_path(text: object) -> str:
    r"""Return where to go on after signing in: a path of this service, else its first page; never another site.

    Examples
    --------
    >>> local_path("/accounts?band=red"), local_path("//evil.example/x"), local_path("https://evil.example")
    ('/accounts?band=red', '/', '/')
    >>> local_path("/\\evil.example"), local_path("/sign-out"), local_path(None)
    ('/', '/', '/')
    """
    if not isinstance(text, str) or not text.startswith("/") or len(text) > 1000:
        return "/"
    if text.startswith("//") or "\\" in text or any(ord(letter) < 33 for letter in text):
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path in ("/sign-out", "/language"):
        return "/"
    return text
