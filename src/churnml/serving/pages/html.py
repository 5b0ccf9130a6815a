"""A page as an answer: it may run the scripts it was made with, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import re

from starlette.responses import Response

__all__ = ["html_response"]

_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def html_response(page: str) -> Response:
    """Return a page that may run the scripts it was made with, and nothing else from anywhere."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in _SCRIPT.findall(page)]
    scripts = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    policy = (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
    return Response(page, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": policy})
