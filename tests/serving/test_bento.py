"""A bento serves from another folder, without the company's own files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from churnml.serving.bento import settle, write_context
from churnml.serving.settings import SETTINGS
from churnml.store import Actor, Store


def test_a_bento_reports_nothing_to_bentomls_maker(own_company: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from bentoml._internal.utils.analytics import usage_stats

    write_context(own_company.config, tmp_path / "context")
    monkeypatch.setenv(SETTINGS, "")
    monkeypatch.delenv("BENTOML_DO_NOT_TRACK", raising=False)
    usage_stats.do_not_track.cache_clear()
    assert not usage_stats.do_not_track()
    settle(tmp_path / "context")
    assert usage_stats.do_not_track()


@pytest.mark.slow
def test_a_bento_serves_elsewhere(own_company: Any, tmp_path: Path, start_command: Any) -> None:
    environment = {**os.environ, "BENTOML_HOME": str(tmp_path / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    built = subprocess.run(
        [sys.executable, "-m", "churnml.serving.bento", str(own_company.path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr[-3000:]
    tag = built.stdout.strip().splitlines()[-1]
    assert tag.startswith("churnml:acme-")
    made = tmp_path / "bentoml" / "bentos" / tag.replace(":", "/")
    assert "libgomp1" in (made / "env" / "docker" / "Dockerfile").read_text()
    assert "ENV BENTOML_DO_NOT_TRACK" in (made / "env" / "docker" / "Dockerfile").read_text()
    needed = (made / "env" / "python" / "requirements.txt").read_text()
    assert "psycopg[binary]==" in needed
    assert "lightgbm==" in needed
    assert "pytest" not in needed
    expected = own_company.config.bundles_dir.joinpath("acme").glob("*/manifest.json")
    version = next(expected).parent.name
    shutil.rmtree(own_company.folder / "workspace")
    own_company.path.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment["CHURNML_STORE_URL"] = f"sqlite:///{elsewhere / 'store.db'}"
    with Store(environment["CHURNML_STORE_URL"]) as store:
        key, _ = store.keys.create("test", ["read", "score"], Actor("tester", datetime.now(UTC)))
    command = [sys.executable, "-m", "bentoml", "serve", tag, "--host", "127.0.0.1"]
    with start_command(command, elsewhere, environment) as running:
        with httpx.Client(base_url=running.url, headers={"Authorization": f"Bearer {key}"}, timeout=20) as http:
            answer = http.post("/v1/predict", json={"features": {"events_28d": 3}})
            assert answer.status_code == 200
            assert answer.json()["model_version"] == version
            assert http.post("/v1/explain", json={"features": {"events_28d": 3}}).status_code == 200
            assert http.get("/readyz").status_code == 200
        assert httpx.post(f"{running.url}/predict", json={"features": {}}).status_code == 401
