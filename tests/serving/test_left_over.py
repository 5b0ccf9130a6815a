"""After a daily run that published nothing the last scores are served on, marked stale, until new ones come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from churnml.store import Store


def test_the_scores_of_yesterday_are_served_and_marked(own_company: Any, serve: Any) -> None:
    version = own_company.train(seed=7)
    own_company.publish(version)
    settings = own_company.settings.model_copy(update={"insecure": True, "refresh_seconds": 0.05})
    now = datetime.now(UTC) + timedelta(seconds=1)
    with serve(settings) as api, Store(settings.store_url) as store:
        assert "daily_missed" not in api.get("/v1/readyz").text
        runs = store.runs(settings.name)
        run = runs.begin("daily", "host:1", now)
        runs.begin_stage(run, "check", now)
        runs.end_stage(run, "check", "failed", seconds=1.0, error={"code": "data", "what": "The feed stopped"})
        runs.begin_stage(run, "score", now)
        runs.end_stage(run, "score", "skipped", seconds=0.0)
        runs.end(run, "failed", now)
        ready = _until(api, "daily_missed")
        assert ready["freshness"]["state"] == "stale"
        assert "check" in next(one["message"] for one in ready["warnings"] if one["code"] == "daily_missed")
        answer = api.get("/v1/accounts", params={"limit": 1})
        assert answer.status_code == 200
        assert answer.json()["freshness"]["state"] == "stale"
        assert "failed at check" in api.get("/nowhere", headers={"Accept": "text/html"}).text
        again = runs.begin("daily", "host:1", now + timedelta(minutes=5))
        runs.begin_stage(again, "score", now)
        runs.end_stage(again, "score", "done", seconds=1.0)
        runs.end(again, "done", now)
        _until(api, "daily_missed", gone=True)


def _until(api: Any, code: str, gone: bool = False) -> dict[str, Any]:
    for _ in range(400):
        ready: dict[str, Any] = api.get("/v1/readyz").json()
        if (code in [one["code"] for one in ready["warnings"]]) != gone:
            return ready
    raise AssertionError(f"{code} did not {'go' if gone else 'come'}: {ready}")
