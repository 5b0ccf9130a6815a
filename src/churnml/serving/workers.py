"""How many processes serve, and the folder in which they count together."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from churnml.errors import ConfigError
from churnml.language import Text
from churnml.serving.http.buckets import Buckets

__all__ = [
    "MAILS",
    "METRICS",
    "REQUESTS",
    "SHARED",
    "WORKERS",
    "WRONG_KEYS",
    "WRONG_SIGN_INS",
    "shared_folder",
    "workers",
]

WORKERS = "CHURNML_WORKERS"
"""Environment variable: number of service processes."""
SHARED = "CHURNML_SHARED"
"""Environment variable: the folder that the processes of one service share; the first process sets it."""
REQUESTS, WRONG_KEYS, METRICS = "requests.db", "wrong-keys.db", "metrics"
WRONG_SIGN_INS, MAILS = "wrong-sign-ins.db", "mails.db"
"""In the shared folder: requests by key; wrong keys, wrong sign-ins and wanted mails by address; Prometheus's files."""


def workers() -> int:
    """Return the number of service processes, 1 unless ``CHURNML_WORKERS`` says otherwise.

    Raises
    ------
    ConfigError
        The variable is not a number from 1 on.
    """
    text = os.environ.get(WORKERS, "1")
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(Text.of("fault-workers"), where=WORKERS, got=text, expected="1, 2, …")
    return int(text)


def shared_folder() -> Path | None:
    """Return the folder that the worker processes of one service share; None when there is one worker.

    The process that starts the workers makes it and removes it at its end; the others find it in the environment.
    """
    if workers() == 1:
        return None
    held = os.environ.get(SHARED)
    if held is not None:
        return Path(held)
    folder = Path(tempfile.mkdtemp(prefix="churnml-workers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in (REQUESTS, WRONG_KEYS, WRONG_SIGN_INS, MAILS):
        Buckets(1, folder / name).close()
    (folder / METRICS).mkdir()
    os.environ[SHARED] = str(folder)
    return folder
