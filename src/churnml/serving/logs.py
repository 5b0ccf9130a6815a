"""The service's log: one JSON object a line on stdout."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

__all__ = ["JsonLines", "log_as_json"]


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON; entries come from the record's ``fields``.

    Examples
    --------
    >>> record = logging.makeLogRecord({"name": "churnml", "levelname": "INFO", "msg": "request", "created": 0.0,
    ...                                 "fields": {"status": 200}})
    >>> JsonLines().format(record)
    '{"time": "1970-01-01T00:00:00.000Z", "level": "INFO", "logger": "churnml", "message": "request", "status": 200}'
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_as_json() -> None:
    """Send what this package logs to stdout, past the server's own handlers."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    package = logging.getLogger("churnml")
    package.handlers = [handler]
    package.propagate = False
    package.setLevel(logging.INFO)
