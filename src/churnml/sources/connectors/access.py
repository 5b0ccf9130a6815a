"""The one way to a tool: counts calls, waits where it is asked to, renews a login once, and never shows a secret."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from churnml.api.pauses import pause_named
from churnml.config import mask_text
from churnml.config.secrets import MASK, forms_of_secret
from churnml.language import Text
from churnml.progress import Progress
from churnml.sources.connectors.budget import Budget
from churnml.sources.connectors.faults import Stopped

__all__ = ["Access", "Manners", "Request"]

_ATTEMPTS = 6
_LONGEST_WAIT = 900.0
_SAID = 300
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Request:
    """A request as a dry run shows it, secrets masked."""

    method: str
    url: str
    body: Any = None


@dataclass(frozen=True)
class Manners:
    """How a tool wants to be spoken to, where it has ways of its own.

    Parameters
    ----------
    login : callable
        Returns the headers of a fresh login.
    renewable : bool
        Whether another login helps where one is refused.
    left : callable
        Calls that are left of the tool's own daily allowance, or None where an answer does not tell.
    stop : callable
        Returns when to try again where an answer says that a daily limit is used up, else None.
    """

    login: Callable[[], Mapping[str, str]] = dict
    renewable: bool = False
    left: Callable[[httpx.Response], int | None] = lambda answer: None
    stop: Callable[[httpx.Response, datetime], datetime | None] = lambda answer, now: None


class Access:
    """Speaks to one tool.

    Parameters
    ----------
    budget : Budget
    clock : callable
        Returns the time, UTC.
    wait : callable
        Waits so many seconds.
    timeout_seconds : float
    secrets : sequence of str
        What must not be shown.
    transport : httpx.BaseTransport, optional
        Another way to send, for tests.
    say : callable
        Told of waiting.
    """

    def __init__(
        self,
        budget: Budget,
        clock: Callable[[], datetime],
        wait: Callable[[float], None],
        *,
        timeout_seconds: float = 60.0,
        secrets: Sequence[str] = (),
        transport: httpx.BaseTransport | None = None,
        say: Progress = lambda text: None,
    ) -> None:
        self.budget = budget
        self.clock = clock
        self.manners = Manners()
        self._wait = wait
        self._say = say
        self._headers: Mapping[str, str] | None = None
        self._secrets = list(secrets)
        self._client = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(timeout_seconds, connect=min(10.0, timeout_seconds)),
            follow_redirects=False,
            headers={"User-Agent": "churnml"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self.budget.keep()

    def json(self, method: str, url: str, **request: Any) -> Any:
        """Send a request and return the JSON of its answer; see `call`."""
        answer = self.call(method, url, **request)
        return self.document(answer)

    def document(self, answer: httpx.Response) -> Any:
        """Return the JSON of an answer.

        Raises
        ------
        Stopped
            It is none, e.g. a proxy's page.
        """
        try:
            return json.loads(answer.content)
        except ValueError:
            raise Stopped(Text.of("pull-stopped-unreadable", said=self.said(answer)), failed=True) from None

    def call(self, method: str, url: str, *, login: bool = True, **request: Any) -> httpx.Response:
        """Send a request and return its answer, refusals (4xx) of other kinds than login and limits included.

        Parameters
        ----------
        method, url : str
        login : bool
            Whether the login's headers go along.
        **request
            As `httpx.Client.request`.

        Raises
        ------
        Stopped
            Budget, limit, login, or nobody answers.
        """
        with self._answered(method, url, login=login, whole=True, **request) as answer:
            return answer

    def lines(self, method: str, url: str, **request: Any) -> Iterator[str]:
        """Send a request and yield the lines of its answer as they arrive; a refusal stops the pull."""
        with self._answered(method, url, login=True, whole=False, **request) as answer:
            if not answer.is_success:
                raise Stopped(Text.of("pull-stopped-refused", said=self.said(answer)), failed=True)
            try:
                yield from answer.iter_lines()
            except httpx.HTTPError as error:  # the day is fetched again by the next pull
                said = self.masked(str(error)) or type(error).__name__
                raise Stopped(Text.of("pull-stopped-silent", said=said), self.clock()) from None

    def said(self, answer: httpx.Response) -> str:
        """Return the beginning of an answer as it may be shown."""
        return self.masked(f"{answer.status_code} {' '.join(answer.text.split())}")[:_SAID].rstrip()

    def masked(self, text: str) -> str:
        """Return a text without secrets."""
        forms = {form for secret in self._secrets if len(secret) >= 4 for form in forms_of_secret(secret)}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return mask_text(text)

    @contextmanager
    def _answered(self, method: str, url: str, *, login: bool, whole: bool, **request: Any) -> Iterator[httpx.Response]:
        """Send until there is an answer that says something of the request."""
        _require_tls(url)
        renewed = False
        waited = 0.0
        for attempt in range(_ATTEMPTS):
            headers = {**(self._login() if login else {}), **(request.get("headers") or {})}
            built = self._client.build_request(method, url, **{**request, "headers": headers})
            self.budget.spend()
            try:
                answer = self._client.send(built, stream=True)
                if whole or answer.status_code >= 400:
                    answer.read()
            except httpx.HTTPError as error:  # an answer that breaks off is none
                trouble = Text.of("pull-stopped-silent", said=self.masked(str(error)) or type(error).__name__)
                pause: float | None = None
            else:
                try:
                    left = self.manners.left(answer)
                    if left is not None:
                        self.budget.note_left(left)
                    if answer.status_code < 400:
                        if answer.has_redirect_location:
                            raise Stopped(Text.of("pull-stopped-redirect", said=_host(answer)), failed=True)
                        yield answer
                        return
                    later = self.manners.stop(answer, self.clock())
                    if later is not None:
                        raise Stopped(Text.of("pull-stopped-limit", said=self.said(answer)), later)
                    if answer.status_code == 401 and login:
                        if renewed or not self.manners.renewable:
                            raise Stopped(Text.of("pull-stopped-login", said=self.said(answer)), failed=True)
                        renewed, self._headers = True, None
                        continue
                    if answer.status_code != 429 and answer.status_code < 500:
                        yield answer
                        return
                    trouble = Text.of("pull-stopped-busy", said=self.said(answer))
                    pause = pause_named(answer, self.clock())
                finally:
                    answer.close()
            seconds = pause if pause is not None else min(2.0**attempt, 60.0) * (1 + random.random() / 4)
            waited += seconds
            if attempt == _ATTEMPTS - 1 or waited > _LONGEST_WAIT:
                raise Stopped(trouble, self.clock() + timedelta(seconds=seconds))
            self._say(Text.of("progress-wait", seconds=round(seconds)))
            self._wait(seconds)
        raise AssertionError("every last attempt returns or raises")  # pragma: no cover

    def _login(self) -> Mapping[str, str]:
        if self._headers is None:
            self._headers = self.manners.login()
            # A token that the tool has just given is as secret as what it was asked with.
            self._secrets += [part for value in self._headers.values() for part in value.split() if len(part) >= 8]
        return self._headers


def _require_tls(url: str) -> None:
    """Refuse to send a login in the clear, other than to this machine."""
    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.hostname or "") not in _LOOPBACK:
        raise Stopped(Text.of("pull-stopped-clear", said=parts.hostname or url), failed=True)


def _host(answer: httpx.Response) -> str:
    return urlsplit(answer.headers.get("location", "")).hostname or "?"
