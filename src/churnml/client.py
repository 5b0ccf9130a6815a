"""The client of the HTTP API by its short name; it lives in `churnml.api`."""

from churnml.api.client import ApiError, Client

__all__ = ["ApiError", "Client"]
