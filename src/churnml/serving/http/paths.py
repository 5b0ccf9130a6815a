"""Which paths are pages that people look at, and which the API."""

from __future__ import annotations

__all__ = ["is_form_media", "is_page"]

_API = frozenset({"/v1", "/healthz", "/livez", "/readyz", "/metrics", "/openapi.json", "/predict", "/explain"})


def is_page(path: str) -> bool:
    """Tell whether a path is a page: everything but the API, its short names and the probes.

    Examples
    --------
    >>> is_page("/"), is_page("/accounts/v1/x"), is_page("/v1/accounts"), is_page("/healthz")
    (True, True, False, False)
    """
    return not path.startswith("/v1/") and path not in _API


def is_form_media(media: str) -> bool:
    """Tell whether a body is a form of a page."""
    return media == "application/x-www-form-urlencoded"
