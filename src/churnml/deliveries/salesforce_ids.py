"""Salesforce's record ids: fifteen characters whose case counts, or eighteen with a checksum of the case."""

from __future__ import annotations

__all__ = ["full_id"]

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def full_id(text: str) -> str:
    """Return a record id in its eighteen characters; what is no id of fifteen stays as it is.

    The three that are added say which letters are capital: one for each five characters, read as a binary number.

    Examples
    --------
    >>> full_id("0018c00002abcdE"), full_id("acc-1")
    ('0018c00002abcdEAAQ', 'acc-1')
    """
    if len(text) != 15 or not text.isascii() or not text.isalnum():
        return text
    sums = (
        sum(1 << place for place, letter in enumerate(text[start : start + 5]) if letter.isupper())
        for start in (0, 5, 10)
    )
    return text + "".join(_ALPHABET[value] for value in sums)
