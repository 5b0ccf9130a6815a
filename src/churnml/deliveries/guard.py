"""Keeps webhooks out of our own network: an address is resolved once, judged, and connected to as it was judged."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

import httpx

from churnml.config.deliveries import WebhookTarget
from churnml.deliveries.faults import Fault, NotSent

__all__ = ["Guarded", "guarded"]


def _resolved(host: str, port: int) -> list[str]:
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Guarded(httpx.BaseTransport):
    """Sends to public addresses alone; a name that resolves to a private one, now or the next time, is refused.

    Parameters
    ----------
    inner : httpx.BaseTransport
        Sends for real.
    resolve : callable
        ``(host, port) -> addresses``.
    """

    def __init__(self, inner: httpx.BaseTransport, resolve: Callable[[str, int], Sequence[str]] = _resolved) -> None:
        self._inner = inner
        self._resolve = resolve

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the address that was judged; the certificate is checked against the name."""
        url = request.url
        if url.scheme != "https":
            raise Fault("address", "a webhook goes over HTTPS; `allow_private` allows HTTP inside your own network")
        host = url.host
        try:
            addresses = self._resolve(host, url.port or 443)
        except OSError as error:
            raise NotSent("unreachable", f"{host}: {error}") from None
        private = [address for address in addresses if not ipaddress.ip_address(address.partition("%")[0]).is_global]
        if private or not addresses:
            where = f"{host} is {', '.join(private)}" if private else f"{host} has no address"
            raise Fault("address", f"{where}, which is not public; see `allow_private`")
        request.url = url.copy_with(host=addresses[0])
        request.extensions = {**request.extensions, "sni_hostname": host}
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def guarded(section: WebhookTarget) -> httpx.BaseTransport | None:
    """Return how to send to a receiver: guarded, unless the config allows private addresses."""
    return None if section.allow_private else Guarded(httpx.HTTPTransport(trust_env=False))
