"""Write a simulated company to a folder, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from churnml.errors import UsageError
from churnml.language import Text
from churnml.simulate.company import Company
from churnml.tables.schema import TABLES

__all__ = ["write"]

_ARROW_TYPE = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}

_README = """# A simulated company

Made by `churnml simulate` with {parameters}. Every account, person and number is invented.

- `<table>.parquet`: the canonical tables, covering {start} to {end} (exclusive).
- `truth/`: what the simulator knows and no table says: churn dates and causes, weekly hazards, contract decisions.
  Never train on it; it is there to judge predictions and explanations by.
- `company.json`: the parameters and the rows per table.
"""


def write(company: Company, folder: str | Path) -> Path:
    """Write a company's tables as Parquet to a folder and its truth to ``truth/`` in it.

    Everything is written beside the folder first and then put in its place in one step, so that a reader sees the
    old company or the new one. An earlier company in the folder is replaced; a folder that holds anything else is
    refused.

    Parameters
    ----------
    company : Company
    folder : str or Path

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UsageError
        The folder exists and is not a simulated company.
    """
    target = Path(folder)
    if target.exists() and not (target / "company.json").is_file() and any(target.iterdir()):
        raise UsageError(Text.of("fault-simulate_other"), where=str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        _write_all(company, beside)
        beside.chmod(0o755)
        old = None
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
            os.replace(target, old / "company")
        os.replace(beside, target)
        if old is not None:
            shutil.rmtree(old)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return target


def _write_all(company: Company, folder: Path) -> None:
    for name, frame in company.tables.items():
        schema = pa.schema([(column.name, _ARROW_TYPE[column.dtype]) for column in TABLES[name].columns])
        pq.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False), folder / f"{name}.parquet")
    (folder / "truth").mkdir()
    for name, frame in company.truth.items():
        _write_truth(frame, folder / "truth" / f"{name}.parquet")
    facts = {
        "parameters": company.parameters,
        "start": company.start.isoformat(),
        "end": company.end.isoformat(),
        "rows": {name: len(frame) for name, frame in company.tables.items()},
    }
    (folder / "company.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    text = ", ".join(f"{name} {value}" for name, value in company.parameters.items())
    readme = _README.format(parameters=text, start=company.start, end=company.end)
    (folder / "README.md").write_text(readme, encoding="utf-8")


def _write_truth(frame: pd.DataFrame, path: Path) -> None:
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
