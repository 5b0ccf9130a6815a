"""Documents of many accounts, each held as a few bytes: what is too much to be held as Python's objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from churnml.store.packing import document_text, pack_text, unpack_document

__all__ = ["Documents"]


class Documents(Mapping[str, dict[str, Any]]):
    """JSON-ready documents by account, in the order in which they were added; each is unpacked where it is read.

    Examples
    --------
    >>> documents = Documents()
    >>> documents.add("a", {"account_id": "a", "weekly": {"events": [3.0]}})
    '{"account_id":"a","weekly":{"events":[3.0]}}'
    >>> documents["a"]["weekly"], len(documents)
    ({'events': [3.0]}, 1)
    """

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}

    def add(self, account_id: str, document: Mapping[str, Any]) -> str:
        """Add one, or put it in the place of the account's other one; returns it as JSON."""
        text = document_text(document)
        self._packed[account_id] = pack_text(text)
        return text

    def packed(self) -> Iterator[tuple[str, bytes]]:
        """Give each account and its document as the store keeps it, see `churnml.store.packing.pack_document`."""
        return iter(self._packed.items())

    def __getitem__(self, account_id: str) -> dict[str, Any]:
        return unpack_document(self._packed[account_id])

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)
