"""Run Schemathesis over the whole OpenAPI of a real service: ``python benchmarks/fuzz.py [CONFIG]``.

Every check is on: no 5xx, no undocumented status, content type or field, no key ignored. Exit code 0 means no finding.
Needs the extra `fuzz`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from local_service import local_service


def main() -> int:
    """Start the service, fuzz it, and return Schemathesis's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, nargs="?", default=Path("configs/demo.yaml"))
    parser.add_argument("--examples", type=int, default=50, help="examples per operation")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--schemathesis", default=str(Path(sys.executable).with_name("schemathesis")))
    options = parser.parse_args()
    program = shutil.which(options.schemathesis)
    if program is None:
        sys.exit("Schemathesis is not installed: pip install 'churnml[fuzz]'")
    with local_service(options.config) as service:
        command = [
            program,
            "run",
            f"{service.url}/v1/openapi.json",
            "--checks=all",
            f"--max-examples={options.examples}",
            f"--seed={options.seed}",
            "--generation-deterministic",
            f"--header=Authorization: Bearer {service.key}",
            "--request-timeout=20",
        ]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
