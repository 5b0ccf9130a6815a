"""Several worker processes: limits and metrics count over all of them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from churnml.errors import ConfigError
from churnml.serving.http.buckets import Buckets
from churnml.serving.workers import METRICS, SHARED, WORKERS, shared_folder, workers


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that two workers share."""
    monkeypatch.setenv(WORKERS, "2")
    monkeypatch.setenv(SHARED, "")
    monkeypatch.delenv(SHARED)
    found = shared_folder()
    assert found is not None
    return found


def test_one_worker_shares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WORKERS, raising=False)
    assert shared_folder() is None


@pytest.mark.parametrize("wrong", ["0", "-1", "two", ""])
def test_a_number_of_workers_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv(WORKERS, wrong)
    with pytest.raises(ConfigError, match="number of workers"):
        workers()


def test_the_folder_is_made_once_and_is_nobody_elses(folder: Path) -> None:
    assert shared_folder() == folder
    assert folder.stat().st_mode & 0o077 == 0


def test_buckets_on_one_file_are_one_bucket(tmp_path: Path) -> None:
    path = tmp_path / "requests.db"
    Buckets(1, path).close()
    allowed: list[bool] = []

    def take() -> None:
        buckets = Buckets(50, path, clock=lambda: 100.0)
        allowed.extend(not buckets.take("key").wait_seconds for _ in range(40))
        buckets.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(allowed), sum(allowed)) == (160, 50)


def test_a_key_has_its_requests_over_all_workers(company: Any, serve: Any, folder: Path) -> None:
    settings = company.settings
    limits = settings.limits.model_copy(update={"requests_per_minute": 5})
    settings = settings.model_copy(update={"limits": limits, "shared": folder})
    with serve(settings) as one, serve(settings) as other:
        headers = {"Authorization": f"Bearer {company.key('read')}"}
        answers = [worker.get("/v1/model", headers=headers) for worker in (one, other) * 3]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers[:5]] == ["4", "3", "2", "1", "0"]


def test_metrics_of_several_workers_can_be_read(api: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder / METRICS))
    assert api.get("/v1/metrics").status_code == 200
