"""A new champion and a new snapshot are taken up without a restart; a broken bundle is refused."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

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
        _until(lambda: "model" in api.state.faults)
        after = api.post("/v1/predict", json={"features": {"events_28d": 3}}).json()
        assert after["model_version"] == first
        assert after["churn_probability"] == good["churn_probability"]
        ready = api.get("/v1/readyz").json()
        assert ready["status"] == "ready"
        assert ready["warnings"][-1]["code"] == "bundle_refused"
        assert "bundle.broken" in ready["warnings"][-1]["message"]
        assert str(own_company.folder) not in str(ready)
        assert "churnml_bundle_refused 1.0" in api.get("/v1/metrics").text
        set_champion(own_company.config.bundles_dir, "acme", second)
        _until(lambda: not api.state.faults and api.state.view.scorer.version == second)


def _champion_file(company: Any) -> Path:
    return Path(company.config.bundles_dir, "acme", "champion.json")


def _emptied(path: Path) -> None:
    path.write_text("")


def _half_written(path: Path) -> None:
    path.write_text(path.read_text()[:5])


def _of_another_shape(path: Path) -> None:
    path.write_text("[]")


def _not_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize("damage", [_emptied, _half_written, _of_another_shape, _not_text])
def test_the_look_out_outlives_a_broken_pointer(own_company: Any, serve: Any, damage: Callable[[Path], None]) -> None:
    first, second = own_company.train(seed=7), own_company.train(seed=8)
    set_champion(own_company.config.bundles_dir, "acme", first)
    pointer = _champion_file(own_company)
    with serve(own_company.settings.model_copy(update={"insecure": True})) as api:
        damage(pointer)
        _until(lambda: api.state.faults)
        ready = api.get("/v1/readyz").json()
        # A pointer that cannot be read is a bundle that was refused: the old one stays in use, and readiness says so.
        assert [warning["code"] for warning in ready["warnings"]][-1] == "bundle_refused"
        assert str(own_company.folder) not in str(ready)
        assert "churnml_bundle_refused 1.0" in api.get("/v1/metrics").text
        assert api.post("/v1/predict", json={"features": {}}).json()["model_version"] == first
        set_champion(own_company.config.bundles_dir, "acme", second)
        _until(lambda: api.state.view.scorer.version == second)
        assert not api.state.faults


def test_the_look_out_outlives_the_want_of_file_handles(own_company: Any, serve: Any, monkeypatch: Any) -> None:
    own_company.publish(own_company.champion)

    def none_left(*_: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files", str(own_company.folder))

    with serve(own_company.settings.model_copy(update={"insecure": True})) as api:
        before = api.state.view.snapshot.id
        with monkeypatch.context() as patched:
            patched.setattr(registry, "champion_bundle", none_left)
            patched.setattr(api.state.store, "latest", none_left)
            _until(lambda: len(api.state.faults) == 2)
            ready = api.get("/v1/readyz")
            assert ready.status_code == 200
            assert str(own_company.folder) not in ready.text
        own_company.publish(own_company.champion, days_ago=1)
        _until(lambda: api.state.view.snapshot.id != before)
        _until(lambda: not api.state.faults)


def test_readiness_tells_strangers_no_paths(own_company: Any, serve: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret-folder"
    settings = own_company.settings.model_copy(update={"bundles_dir": secret, "store_url": f"sqlite:///{tmp_path}"})
    with serve(settings) as api:
        answer = api.get("/v1/readyz")
        assert answer.status_code == 503
        assert str(tmp_path) not in answer.text
        assert "secret-folder" not in answer.text


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
