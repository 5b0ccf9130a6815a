"""Run Schemathesis over the whole OpenAPI of a real service: ``python benchmarks/fuzz.py [CONFIG]``.

Without a config a small company is simulated and trained for it. The service runs on a copy of the config's store.
Every check is on: no 5xx, no undocumented status, content type or field, no key ignored. It runs once a seed; exit
code 0 means that none of the runs found anything. Needs the extra `fuzz`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from local_service import Local, local_service
from small_company import small_company

_FEATURES = 12
"""Features named to Schemathesis: it tries each named one in many ways, and a model has more than a hundred."""


def _schema(service: Local) -> dict[str, Any]:
    """Return the service's own OpenAPI document with fewer features named."""
    answer = httpx.get(f"{service.url}/v1/openapi.json", headers={"Authorization": f"Bearer {service.key}"}, timeout=60)
    schema: dict[str, Any] = answer.raise_for_status().json()
    for model, field in (("PredictRequest", "features"), ("ExplainRequest", "features"), ("WhatIfRequest", "changes")):
        described = schema["components"]["schemas"][model]["properties"][field]
        for part in (described, *described.get("anyOf", ())):
            if part.get("type") == "object":
                named = part["properties"]
                words = [name for name in named if "string" in named[name]["type"]][:2]
                part["properties"] = {name: named[name] for name in [*words, *named][:_FEATURES]}
    return schema


def main() -> int:
    """Start the service, fuzz it, and return Schemathesis's highest exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, nargs="?", help="a scored company; by default a small one is made")
    parser.add_argument("--examples", type=int, default=50, help="examples per operation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9], help="one run over the whole API each")
    parser.add_argument("--schemathesis", default=str(Path(sys.executable).with_name("schemathesis")))
    options = parser.parse_args()
    program = shutil.which(options.schemathesis)
    if program is None:
        sys.exit("Schemathesis is not installed: pip install 'churnml[fuzz]'")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        service = stack.enter_context(local_service(options.config or small_company(Path(folder, "company"))))
        schema = Path(folder, "openapi.json")
        schema.write_text(json.dumps(_schema(service)), encoding="utf-8")
        command = [
            program,
            "run",
            str(schema),
            f"--url={service.url}",
            "--checks=all",
            f"--max-examples={options.examples}",
            f"--header=Authorization: Bearer {service.key}",
            "--request-timeout=20",
        ]
        codes = [subprocess.run([*command, f"--seed={seed}"], check=False).returncode for seed in options.seeds]
        return max(codes)


if __name__ == "__main__":
    sys.exit(main())
