"""Events laid out earlier, kept on disk: scoring the next day then reads the news only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import feather

from churnml.config.needs import EventSections
from churnml.features import FeatureSet, Planes, lay_out_events
from churnml.features.events.planes import Layout
from churnml.files import folder_beside, remove_folder
from churnml.tables import Tables

__all__ = ["events_until", "keep_events", "cached_events"]

_FORMAT = 4
_MOST_NEWS_DAYS = 31
"""After so many days the events are laid out anew: the news would take as long to add."""


def events_until(config: EventSections, tables: Tables, feature_set: FeatureSet, as_of: date) -> Planes | None:
    """Return events kept in the workspace that serve an ``as_of``, laying them out when none or too old ones are."""
    folder = config.workspace_dir / "events"
    planes = cached_events(folder, config, as_of)
    if planes is None or (np.datetime64(as_of, "D").astype(np.int64) - planes.until) > _MOST_NEWS_DAYS:
        planes = keep_events(folder, tables, feature_set, config, as_of)
    return planes


def keep_events(
    folder: Path, tables: Tables, feature_set: FeatureSet, config: EventSections, until: date
) -> Planes | None:
    """Lay out the events known before a date and keep them in a folder of that date.

    Parameters
    ----------
    folder : Path
        Of one config; older layouts in it are removed.
    tables : Tables
        The company's tables, on DuckDB.
    feature_set : FeatureSet
        What will be computed.
    config : Config
        Any object with the section `features`; the sources and the mapping tell where the events come from.
    until : date
        Midnight before which a fact must have been known.

    Returns
    -------
    Planes or None
        None where events cannot be laid out, see `lay_out_events`.
    """
    planes = lay_out_events(tables, feature_set, config.features, until)
    if planes is None:
        return None
    numbers, words = planes.parts()
    target = folder / until.isoformat()
    with folder_beside(target) as part:
        for name, array in numbers.items():
            np.save(part / f"{name}.npy", array)
        for name, array in words.items():
            feather.write_feather(pa.table({"word": array}), part / f"{name}.arrow", compression="uncompressed")
        about = {"format": _FORMAT, "origin": _origin(config), "layout": asdict(planes.layout)}
        (part / "about.json").write_text(json.dumps(about), encoding="utf-8")
    for other in folder.glob("????-??-??"):  # not the half-written one of another process
        if other != target:
            remove_folder(other)
    return planes


def cached_events(folder: Path, config: EventSections, as_of: date) -> Planes | None:
    """Return the newest events kept for a config that serve an `as_of`, mapped into memory; None where none do."""
    dates = sorted((path for path in folder.glob("????-??-??") if path.name <= as_of.isoformat()), reverse=True)
    for path in dates:
        try:
            about: Mapping[str, Any] = json.loads((path / "about.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # removed or replaced at this moment, or damaged: it is only a cache
        if about["format"] == _FORMAT and about["origin"] == _origin(config):
            numbers = {file.stem: np.load(file, mmap_mode="r") for file in path.glob("*.npy")}
            words = {
                file.stem: feather.read_table(file, memory_map=True).column("word").combine_chunks()
                for file in path.glob("*.arrow")
            }
            return Planes.of_parts(Layout.from_dict(about["layout"]), numbers, words)
    return None


def _origin(config: EventSections) -> str:
    """Return a digest of what says where the events come from and what they are called."""
    sections = config.as_dict()
    chosen = {name: sections[name] for name in ("source", "sources", "tables", "features") if sections.get(name)}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]
