"""Many who write at once: readers go on, and what is refused is not stored."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import Any

import pytest

from churnml.serving.routes import writes


def _body(account: str) -> dict[str, Any]:
    return {"account_id": account, "band": "red", "reason": "Silent sponsor.", "author": "ann"}


@pytest.mark.slow
def test_writers_who_wait_for_the_store_keep_no_reader_waiting(own_company: Any, serve: Any) -> None:
    own_company.publish(own_company.champion)
    key = own_company.key("read", "write")
    # As long as a publish in one transaction would hold the store.
    held = sqlite3.connect(own_company.config.store_url.removeprefix("sqlite:///"), isolation_level=None)
    with serve(own_company.settings.model_copy(update={"timeout_seconds": 20.0})) as api:
        api.headers["Authorization"] = f"Bearer {key}"
        assert api.get("/v1/accounts").status_code == 200
        held.execute("BEGIN IMMEDIATE")
        answers: list[Any] = []
        threads = [
            threading.Thread(target=lambda n=n: answers.append(api.post("/v1/overrides", json=_body(f"acc-{n:04d}"))))
            for n in range(60)
        ]
        for thread in threads:
            thread.start()
        waits = []
        for number in range(60, 80):
            began = time.perf_counter()
            assert api.get(f"/v1/accounts/acc-{number:04d}/history").status_code == 200
            waits.append(time.perf_counter() - began)
        for thread in threads:
            thread.join()
        held.execute("ROLLBACK")
        assert max(waits) < 1.5, "a read waited for the writers"
        codes = {answer.json()["code"] for answer in answers}
        assert "service.busy" in codes
        assert codes <= {"service.busy", "service.timeout"}, "the latter on a machine that is very busy itself"
        assert api.get("/v1/overrides").json()["overrides"] == []
        assert api.post("/v1/overrides", json=_body("acc-0001")).status_code == 201
    held.close()


def test_a_write_that_was_given_up_is_not_stored(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is up while the change is being made: the caller got a 504, and nothing may appear afterwards."""
    done = threading.Event()

    def slow(self: Any, connection: Any, account_id: str) -> None:
        time.sleep(1.5)
        done.set()

    monkeypatch.setattr("churnml.store.judgements.Judgements._one_at_a_time", slow)
    monkeypatch.setattr(own.timeout, "_seconds", 1.0)
    answer = own.post("/v1/overrides", json=_body("acc-0001"), headers={"Idempotency-Key": "k1"})
    assert (answer.status_code, answer.json()["code"]) == (504, "service.timeout")
    assert "Idempotency-Key" in answer.json()["detail"]
    done.wait(10)  # not reached at all where the time was up before
    monkeypatch.undo()
    time.sleep(0.3)
    assert own.get("/v1/overrides?account_id=acc-0001").json()["overrides"] == []
    again = own.post("/v1/overrides", json=_body("acc-0001"), headers={"Idempotency-Key": "k1"})
    assert again.status_code == 201
    assert "idempotency-replayed" not in again.headers


def test_too_many_writes_in_the_queue_are_refused_at_once(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "_MOST_WAITING", 0)
    answer = own.post("/v1/feedback", json={"account_id": "acc-0001", "kind": "useful", "author": "ann"})
    assert (answer.status_code, answer.json()["code"]) == (503, "service.busy")
