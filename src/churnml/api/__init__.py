"""What the HTTP API takes and answers, and a client of it; nothing of the server is imported."""

from churnml.api.client import ApiError, Client

__all__ = ["ApiError", "Client"]
