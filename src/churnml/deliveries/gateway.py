"""The one way out: every request passes here, is counted against the day's budget, and has its answer's signs read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from churnml.api.pauses import pause_named
from churnml.config import mask_text
from churnml.config.secrets import MASK, forms_of_secret, reveal
from churnml.deliveries.faults import Fault, Lost, NotSent, Pause, Shown
from churnml.store import TargetState

__all__ = ["Gateway", "Request", "Signs", "reveal", "until_midnight"]

_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_MAX_BYTES = 20_000_000
_SAID = 300


@dataclass(frozen=True)
class Request:
    """A request as a dry run shows it, secrets masked."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True)
class Signs:
    """How a target says what it wants, where it has ways of its own.

    Parameters
    ----------
    stop : callable
        Raises `Pause`, `Lost` or `Fault` for answers that mean one; called before the common rules.
    left : callable
        Calls that are left of the target's allowance, or None where the answer does not tell.
    """

    stop: Callable[[httpx.Response], None] = lambda answer: None
    left: Callable[[httpx.Response], int | None] = lambda answer: None


class Gateway:
    """Sends the requests of one target.

    Parameters
    ----------
    name : str
        The target, for messages.
    state : TargetState
        How it stands with the target; goes on in `state`.
    clock : callable
        Returns the time, UTC.
    daily_calls : int
    allowance_share : float
        Share of what the target has left that may be used a day.
    timeout_seconds : float
    secrets : sequence of str
        What must not be shown.
    transport : httpx.BaseTransport, optional
        Another way to send, for tests and for guarded addresses.
    shown : list of Request, optional
        A dry run: requests are put here, and nothing leaves.
    """

    def __init__(
        self,
        name: str,
        state: TargetState,
        clock: Callable[[], datetime],
        *,
        daily_calls: int,
        allowance_share: float = 1.0,
        timeout_seconds: float = 30.0,
        secrets: Sequence[str] = (),
        transport: httpx.BaseTransport | None = None,
        shown: list[Request] | None = None,
    ) -> None:
        self.name = name
        self.clock = clock
        self.shown = shown
        self.signs = Signs()
        today = clock().date()
        self.state = state if state.day == today else replace(state, day=today, calls=0, allowed=None)
        self._daily_calls = daily_calls
        self._share = allowance_share
        self._urls = [secret for secret in secrets if "://" in secret]
        written = {form for secret in secrets if len(secret) >= 4 for form in _forms(secret)}
        self._secrets = sorted(written, key=len, reverse=True)
        self._client = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(timeout_seconds, connect=min(10.0, timeout_seconds)),
            follow_redirects=False,
            headers={"User-Agent": "churnml"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request and return its answer; one that means no answer is raised.

        Raises
        ------
        NotSent, Lost, Pause, Fault, Shown
            See `churnml.deliveries.faults`.
        """
        try:
            request = self._client.build_request(
                method, url, json=json, data=form, content=content, params=params, headers=headers
            )
        except httpx.InvalidURL as error:
            raise Fault("address", f"{self.masked(url)}: {error}") from None
        if self.shown is not None:
            self.shown.append(self._as_shown(request))
            raise Shown("dry_run", "shown, not sent")
        self.spend()
        try:
            answer = self._client.send(request)
        except _NEVER_LEFT as error:
            raise NotSent("unreachable", self.masked(str(error)) or type(error).__name__) from None
        except httpx.HTTPError as error:
            raise Lost("no_answer", self.masked(str(error)) or type(error).__name__) from None
        self._read(answer)
        return answer

    def show(self, request: Request) -> None:
        """Show what leaves by another way than HTTP, in a dry run; else count it against the budget."""
        if self.shown is None:
            self.spend()
            return
        self.shown.append(replace(request, url=self.masked(request.url)))
        raise Shown("dry_run", "shown, not sent")

    @property
    def most(self) -> int:
        """Most calls of the day: the budget, or less where the target's allowance is nearly used up."""
        return self._daily_calls if self.state.allowed is None else min(self._daily_calls, self.state.allowed)

    def spend(self) -> None:
        """Count a call against the day's budget.

        Raises
        ------
        Pause
            There is nothing left of it.
        """
        most = self.most
        if self.state.calls >= most:
            raise Pause("budget", f"{self.state.calls} calls today, the budget is {most}", until_midnight(self.clock()))
        self.state = replace(self.state, calls=self.state.calls + 1)

    def masked(self, text: str) -> str:
        """Return a text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return mask_text(text, self._urls)

    def said(self, answer: httpx.Response) -> str:
        """Return the beginning of an answer as it may be shown."""
        text = " ".join(answer.text.split())
        return self.masked(f"{answer.status_code} {text}"[:_SAID].rstrip())

    def json(self, answer: httpx.Response) -> Any:
        """Return the JSON of an answer; one that is none, such as a proxy's page, says nothing of what happened."""
        try:
            return json.loads(answer.content)
        except ValueError:
            raise Lost("unreadable", f"the answer is no JSON: {self.said(answer)}") from None

    def _read(self, answer: httpx.Response) -> None:
        """Read what an answer says of the target itself."""
        if len(answer.content) > _MAX_BYTES:
            raise Lost("unreadable", f"an answer of {len(answer.content)} bytes")
        left = self.signs.left(answer)
        if left is not None and self.state.allowed is None:
            allowed = self.state.calls + math.floor(max(left, 0) * self._share)
            self.state = replace(self.state, allowed=allowed)
        self.signs.stop(answer)
        status = answer.status_code
        if answer.is_redirect:
            host = urlsplit(answer.headers.get("location", "")).hostname or "another address"
            raise Fault("redirect", f"it sends us on to {host}; nothing is followed, as the login would go there too")
        if status == 401:
            raise Fault("login", f"reconnect: the login is not accepted ({self.said(answer)})")
        if status == 429:
            raise Pause("rate_limit", self.said(answer), pause_named(answer, self.clock()))
        if status == 503:
            raise Pause("unavailable", self.said(answer), pause_named(answer, self.clock()), is_failure=True)
        if status >= 500:
            raise Lost("server_error", self.said(answer))

    def _as_shown(self, request: httpx.Request) -> Request:
        shown = ("content-type", "authorization", "webhook-id", "webhook-timestamp", "webhook-signature", "accesskey")
        headers = {
            name: MASK if name in ("authorization", "accesskey", "webhook-signature") else value
            for name, value in request.headers.items()
            if name in shown or name.startswith("x-")
        }
        text = self.masked(request.content.decode("utf-8", "replace"))
        try:
            body: Any = json.loads(text)
        except ValueError:
            body = text or None
        return Request(request.method, self.masked(str(request.url)), headers, body)


def _forms(secret: str) -> set[str]:
    """Return how a secret may be written in a message; httpx writes an address in a way of its own."""
    forms = forms_of_secret(secret)
    if "://" in secret:
        with suppress(httpx.InvalidURL):
            forms.add(str(httpx.URL(secret)))
    return forms


def until_midnight(now: datetime) -> float:
    """Return the seconds until the next day begins, UTC."""
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (tomorrow - now).total_seconds()
