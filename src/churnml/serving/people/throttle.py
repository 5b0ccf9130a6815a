"""Slows down who guesses at signing in: by their address, never by the name of who they would be.

What is right is never refused, so nobody is locked out by what others do, not even behind one address.
"""

from __future__ import annotations

import ipaddress

from fastapi import Request

from churnml.serving.http.buckets import Buckets
from churnml.serving.http.problems import Problem
from churnml.serving.settings import Settings
from churnml.serving.workers import MAILS, WRONG_SIGN_INS

__all__ = ["Throttle", "throttle_of"]

_WRONG_A_MINUTE = 20
_MAILS_A_MINUTE = 10


class Throttle:
    """Counts wrong links and requests for mails, over all processes of a service together."""

    def __init__(self, settings: Settings) -> None:
        shared = settings.shared
        self._wrong = Buckets(_WRONG_A_MINUTE, shared and shared / WRONG_SIGN_INS)
        self._mails = Buckets(_MAILS_A_MINUTE, shared and shared / MAILS)

    def wrong(self, request: Request, problem: Problem) -> Problem:
        """Count something wrong; return the problem to answer with, which after too many says to wait."""
        return self._throttled() if self._wrong.take(_source(request)).wait_seconds else problem

    def ask(self, request: Request) -> None:
        """Count a request for a mail.

        Raises
        ------
        Problem
            ``auth.throttled``
        """
        if self._mails.take(_source(request)).wait_seconds:
            raise self._throttled()

    @staticmethod
    def _throttled() -> Problem:
        return Problem("auth.throttled", "Too many tries from this address", headers={"Retry-After": "60"})


def throttle_of(request: Request) -> Throttle:
    """Return the service's throttle."""
    throttle: Throttle = request.app.state.throttle
    return throttle


def _source(request: Request) -> str:
    """Return the address of a caller; of IPv6 the network, of which one household has very many addresses."""
    host = request.client.host if request.client else ""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else host
