"""Context 属性: account attributes as they were known at each as_of; a changing one needs its history."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from churnml.errors import ConfigError, near_name
from churnml.features.family import Family
from churnml.features.inputs import Inputs
from churnml.features.measures import Direct, Measure, Scope
from churnml.language import Text, one_of, words
from churnml.tables import TABLES, Tables

__all__ = ["CONTEXT", "attribute", "check_attribute"]

CONTEXT = Family("context")

_KEYS = ("account_id", "known_at", "name")


@CONTEXT.each
def attributes(scope: Scope) -> Iterator[Measure]:
    """Declare one measure per attribute that the config names."""
    for name in scope.config.attributes:
        own = Text.of(f"attribute-{name}|words", words=words(name.replace("_", " ")))
        yield Measure(
            name=f"attr_{name}", family="context", unit="",
            missing="account_attribute_not",
            label=own, meaning=Text.of("m-attribute.meaning", name=own),
            make=Direct(partial(_attribute, name), from_events=False), table="accounts", needs=(("accounts", ()),),
            windowed=False, kind="category", actionable=False, categorical=True,
            risk_direction=0,
        )  # fmt: skip


def _attribute(name: str, inputs: Inputs, _: None) -> np.ndarray:
    return attribute(inputs, name)


def check_attribute(tables: Tables, name: str, where: str) -> None:
    """Refuse an attribute that does not exist, or that changes over time and carries no history.

    Parameters
    ----------
    tables : Tables
        The company's tables.
    name : str
        Column of `accounts`.
    where : str
        Config key that names it, for the message.

    Raises
    ------
    ConfigError
        Code ``features.unknown_attribute`` or ``CHK110``.
    """
    known = [column for column in tables["accounts"].columns if column not in _KEYS] if "accounts" in tables else []
    canonical = TABLES["accounts"].column_names
    if name not in known or (name in canonical and not tables.has("accounts", name)):
        near = near_name(name, known)
        raise ConfigError(
            Text.of("fault-no_attribute", name=repr(name), where=where),
            where=where,
            expected=one_of(known, near if near and near != name else None),
            code="features.unknown_attribute",
        )
    if name in canonical and TABLES["accounts"][name].mutable and not tables.has("accounts", "known_at"):
        raise ConfigError(Text.of("fault-attribute_leaks", name=repr(name), where=where), where=where, code="CHK110")


def attribute(inputs: Inputs, name: str) -> np.ndarray:
    """Return an attribute's words at each `as_of`, None where unknown; the version known last counts."""
    import ibis

    rows = inputs.known("accounts")
    rows = rows.select("key_code", "known_at", word=rows[name].cast("string"))
    oldest = ibis.timestamp("1900-01-01")
    newest_first = ibis.window(
        group_by="key_code", order_by=[rows.known_at.fill_null(oldest).desc(), rows.word.fill_null("")]
    )
    newest = rows.mutate(place=ibis.row_number().over(newest_first)).filter(lambda t: t.place == 0)
    words = inputs.aligned(newest.select("key_code", "word").to_pandas())["word"]
    return np.asarray(words.astype("object").where(words.notna(), None).to_numpy(dtype=object))
