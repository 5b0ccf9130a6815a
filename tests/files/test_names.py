"""Names of files that are made of the names of accounts."""

from __future__ import annotations

import unicodedata

from churnml.files import file_stem, sqlite_path, sqlite_url
from churnml.pipeline.reports import _PAGES

ACCOUNTS = [
    "株式会社東京",
    "株式会社大阪",
    "a/b",
    "a b",
    "a_b",
    "..",
    ".",
    "",
    "../../etc/passwd",
    "portfolio",
    "Portfolio",
    "overall",
    "x" * 300,
    "x" * 301,
    unicodedata.normalize("NFD", "가"),
    "가",
    "a\x00b",
    "a\nb",
    "\ud800",
    "%s",
    "{id}",
    "CON",
    "A-1.x",
]


def test_every_account_has_a_file_of_its_own_and_none_is_a_path(tmp_path):
    stems = [file_stem(account, taken=_PAGES) for account in ACCOUNTS]
    assert len(set(stems)) == len(ACCOUNTS)
    for stem in stems:
        path = tmp_path / f"{stem}.en.html"
        path.write_text("x", encoding="utf-8")
        assert path.parent == tmp_path
        assert not path.name.startswith(".")
    assert not {stem.casefold() for stem in stems} & set(_PAGES)


def test_a_name_that_can_stay_stays():
    for account in ("株式会社東京", "A-1.x", "acc_0001", "café"):
        assert file_stem(account, taken=_PAGES) == account


def test_a_sqlite_url_finds_its_file_again(tmp_path):
    for name in ("a b", "会社", "why?", "100%", "c#1", "%3F"):
        assert sqlite_path(sqlite_url(tmp_path / name / "store.db")) == tmp_path / name / "store.db"
