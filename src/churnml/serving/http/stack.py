"""The middleware of the service, from the outermost to the innermost."""

from __future__ import annotations

from starlette.types import ASGIApp

from churnml.serving.http.access_log import AccessLogMiddleware
from churnml.serving.http.authentication import AuthenticationMiddleware, KeyRing
from churnml.serving.http.body import BodyMiddleware
from churnml.serving.http.faults import FaultsMiddleware, PageOfProblem
from churnml.serving.http.headers import HeadersMiddleware
from churnml.serving.http.peer import PeerMiddleware
from churnml.serving.http.rate_limit import RateLimitMiddleware
from churnml.serving.http.request_id import RequestIdMiddleware
from churnml.serving.http.timeout import TimeoutMiddleware
from churnml.serving.people.cookies import CookiesMiddleware
from churnml.serving.people.sessions import People
from churnml.serving.state import ServingState
from churnml.serving.workers import REQUESTS

__all__ = ["with_middleware"]


def with_middleware(app: ASGIApp, state: ServingState, page: PageOfProblem = lambda _scope, _problem: None) -> ASGIApp:
    """Return the application behind its middleware.

    Parameters
    ----------
    app : ASGI app
        The API.
    state : ServingState
        What is served, with its settings.
    page : callable
        Returns the page that tells a person of a problem; None where a program asks.
    """
    settings = state.settings
    app = BodyMiddleware(app, settings.limits.max_body_bytes)
    app = RateLimitMiddleware(app, settings.limits.requests_per_minute, settings.shared and settings.shared / REQUESTS)
    app = AuthenticationMiddleware(app, KeyRing(state), People(state))
    app = TimeoutMiddleware(app, settings.timeout_seconds)
    app = FaultsMiddleware(app, page, settings.language)
    app = AccessLogMiddleware(app)
    app = CookiesMiddleware(app, https=(settings.sign_in.url or "").startswith("https://"))
    app = HeadersMiddleware(app)
    app = RequestIdMiddleware(app)
    proxy = settings.sign_in.proxy
    return PeerMiddleware(app, settings.proxies + (proxy.addresses if proxy else ()))
