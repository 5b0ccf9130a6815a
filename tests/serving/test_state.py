"""A new champion and a new snapshot are taken up without a restart; a broken bundle is refused."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import anyio

from churnml import registry
from churnml.registry import set_champion
from churnml.serving.settings import Settings
from churnml.serving.state import ServingState


def _until(holds: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_nothing_is_served_before_there_is_something(own_company: Any, serve: Any, tmp_path: Any) -> None:
    settings: Settings = own_company.settings.model_copy(
        update={"insecure": True, "bundles_dir": tmp_path / "none", "store_url": f"sqlite:///{tmp_path}/new.db"}
    )
    with serve(settings) as api:
        ready = api.get("/v1/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "service.no_snapshot")
        assert api.get("/v1/healthz").status_code == 200
        assert api.post("/v1/predict", json={"account_id": "a"}).json()["code"] == "service.no_snapshot"
        answer = api.post("/v1/predict", json={"features": {}})
        assert (answer.status_code, answer.json()["code"]) == (503, "service.no_model")
        assert answer.headers["retry-after"]


def test_a_model_without_a_snapshot_scores_features(own_company: Any, serve: Any) -> None:
    with serve(own_company.settings.model_copy(update={"insecure": True})) as api:
        assert api.get("/v1/readyz").json()["snapshot"] is False
        assert api.post("/v1/predict", json={"features": {"events_28d": 3}}).status_code == 200
        assert api.post("/v1/predict", json={"account_id": "acc-0001"}).status_code == 503


def test_a_new_champion_is_taken_up_without_a_failed_request(own_company: Any, serve: Any) -> None:
    first = own_company.train(seed=7)
    own_company.publish(first)
    second = own_company.train(seed=8)
    assert first != second
    set_champion(own_company.config.bundles_dir, "acme", first)
    with serve(own_company.settings.model_copy(update={"insecure": True})) as api:
        seen: list[tuple[int, str]] = []
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                answer = api.post("/v1/predict", json={"features": {"events_28d": 3}})
                seen.append((answer.status_code, answer.json().get("model_version")))

        asking = threading.Thread(target=ask)
        asking.start()
        _until(lambda: len(seen) > 3)
        set_champion(own_company.config.bundles_dir, "acme", second)
        _until(lambda: seen[-1][1] == second)
        done.set()
        asking.join()
        assert {status for status, _ in seen} == {200}
        versions = [version for _, version in seen]
        assert versions == sorted(versions, key=[first, second].index)
        stored = api.post("/v1/predict", json={"account_id": "acc-0001"}).json()
        assert stored["model_version"] == first
        assert "model_changed" in [warning["code"] for warning in stored["warnings"]]


def test_a_broken_bundle_is_refused_and_the_old_one_stays(own_company: Any, serve: Any) -> None:
    first = own_company.train(seed=7)
    with serve(own_company.settings.model_copy(update={"insecure": True})) as api:
        good = api.post("/v1/predict", json={"features": {"events_28d": 3}}).json()
        second = own_company.train(seed=8)
        _until(lambda: api.state.view.scorer.version == second)
        third = own_company.train(seed=9)
        booster = next((own_company.config.bundles_dir / "acme" / third / "model").glob("booster-*.txt"))
        set_champion(own_company.config.bundles_dir, "acme", first)
        _until(lambda: api.state.view.scorer.version == first)
        booster.write_text(booster.read_text().replace("leaf_value=", "leaf_value=9"))
        set_champion(own_company.config.bundles_dir, "acme", third)
        _until(lambda: api.state.fault is not None)
        after = api.post("/v1/predict", json={"features": {"events_28d": 3}}).json()
        assert after["model_version"] == first
        assert after["churn_probability"] == good["churn_probability"]
        ready = api.get("/v1/readyz").json()
        assert ready["status"] == "ready"
        assert "checksum" in ready["warnings"][-1]["message"]
        assert "churnml_bundle_refused 1.0" in api.get("/v1/metrics").text
        set_champion(own_company.config.bundles_dir, "acme", second)
        _until(lambda: api.state.fault is None and api.state.view.scorer.version == second)


def test_a_store_that_goes_away_is_said_and_what_is_known_stays(own_company: Any, tmp_path: Any) -> None:
    state = ServingState(own_company.settings.model_copy(update={"store_url": "postgresql://me@127.0.0.1:1/none"}))
    state.start()
    try:
        assert state.view.scorer is not None
        assert state.view.snapshot is None
    finally:
        state.stop()


def test_stored_scores_are_answered_while_the_model_is_loading(own_company: Any, monkeypatch: Any) -> None:
    own_company.publish(own_company.champion)
    go_on, real = threading.Event(), registry.load_bundle

    def slow(path: Path) -> Any:
        assert go_on.wait(30)
        return real(path)

    monkeypatch.setattr(registry, "load_bundle", slow)
    state = ServingState(own_company.settings)
    state.start(model_first=False)
    try:
        assert state.view.snapshot is not None
        assert state.view.scorer is None
        threading.Timer(0.2, go_on.set).start()
        assert anyio.run(state.scorer).version == state.view.snapshot.model_version
    finally:
        state.stop()
