"""Words as they are compared: what somebody types finds a name however either was written."""

from __future__ import annotations

import unicodedata

__all__ = ["normal", "words_of"]

_TO_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}


def normal(text: str) -> str:
    """Return a text without its width, its case and the difference between katakana and hiragana.

    Examples
    --------
    >>> normal("ＡＣＭＥ ﾃｸﾉ") == normal("acme テクノ") == normal("Acme てくの")
    True
    """
    if text.isascii():
        return text.casefold()  # most are, and nothing else changes in them
    return unicodedata.normalize("NFKC", text).casefold().translate(_TO_HIRAGANA)


def words_of(text: str) -> list[str]:
    """Return the words to look for, in normal form; a wide space parts them like any other.

    Examples
    --------
    >>> words_of("Acme　東京")
    ['acme', '東京']
    """
    return normal(text).split()[:8]
