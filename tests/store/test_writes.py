"""Keys, overrides, feedback, idempotent writes and the audit log."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert, text

from churnml.errors import StoreError, UsageError
from churnml.store import Actor, IdempotencyKey, Store
from churnml.store.schema import AuditRow
from churnml.store.writes import write


def test_a_key_is_found_by_its_secret_and_only_its_hash_is_kept(store: Store, actor: Actor) -> None:
    secret, record = store.keys.create("crm", ["read", "write"], actor)
    found = store.keys.find(secret)
    assert found == record
    assert found.may("read")
    assert not found.may("admin")
    with store._engine.connect() as connection:
        kept = connection.execute(text("SELECT * FROM api_keys")).all()
    assert secret not in repr(kept)
    assert secret.split("_", 2)[2] not in repr(kept)


@pytest.mark.parametrize("wrong", ["", "x", "churnml_", "churnml_0_0", "churnml_" + "é" * 300])
def test_a_wrong_secret_finds_nothing(store: Store, actor: Actor, wrong: str) -> None:
    secret, _ = store.keys.create("crm", ["read"], actor)
    assert store.keys.find(wrong) is None
    assert store.keys.find(secret[:-1] + ("a" if secret[-1] != "a" else "b")) is None


def test_keys_expire_and_are_revoked(store: Store, actor: Actor, now: datetime) -> None:
    _, record = store.keys.create("crm", ["admin"], actor, valid_for=timedelta(days=1))
    assert record.usable(now)
    assert not record.usable(now + timedelta(days=1))
    assert record.may("write")
    revoked = store.keys.revoke(record.id, actor)
    assert not revoked.usable(now)
    assert store.keys.list() == [revoked]
    with pytest.raises(StoreError, match="no API key"):
        store.keys.revoke("nothere", actor)


@pytest.mark.parametrize(("scopes", "days"), [(["reed"], 1), ([], 1), (["read"], 0)])
def test_a_senseless_key_is_refused(store: Store, actor: Actor, scopes: list[str], days: int) -> None:
    with pytest.raises(UsageError):
        store.keys.create("crm", scopes, actor, valid_for=timedelta(days=days))
    assert store.keys.list() == []


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
def test_a_key_has_a_name(store: Store, actor: Actor, name: str) -> None:
    with pytest.raises(UsageError, match="name that says who uses it"):
        store.keys.create(name, ["read"], actor)
    assert store.keys.create("  crm ", ["read"], actor)[1].name == "crm"


def test_a_new_override_ends_the_one_before(store: Store, actor: Actor, now: datetime) -> None:
    judgements = store.judgements("acme")
    judgements.override("a1", "red", "Silent sponsor.", "ann", actor, system_band="green", system_score=81.5)
    judgements.override("a1", "yellow", "They answered.", "bob", actor)
    current = judgements.override_of("a1", now)
    assert current is not None
    assert (current.band, current.author) == ("yellow", "bob")
    older = judgements.override_history("a1")[1]
    assert (older.band, older.system_band, older.system_score, older.ended_by) == ("red", "green", 81.5, "bob")
    assert judgements.override_of("a1", now + timedelta(days=30)) is None
    assert store.judgements("other").override_of("a1", now) is None
    assert list(judgements.overrides(now)) == ["a1"]
    ended, _ = judgements.end_override("a1", "cyd", actor, idempotency=IdempotencyKey("k1", "f1"))
    assert ended.ended_by == "cyd"
    assert judgements.end_override("a1", "cyd", actor, idempotency=IdempotencyKey("k1", "f1")) == (ended, True)
    assert judgements.override_of("a1", now) is None
    with pytest.raises(StoreError, match="No override"):
        judgements.end_override("a1", "cyd", actor)


def test_feedback_is_kept(store: Store, actor: Actor) -> None:
    judgements = store.judgements("acme")
    judgements.give_feedback("a1", "false_alarm", "They are on leave.", "ann", actor)
    judgements.give_feedback("a2", "useful", None, "ann", actor)
    assert [(item.account_id, item.kind, item.comment) for item in judgements.feedback()] == [
        ("a2", "useful", None),
        ("a1", "false_alarm", "They are on leave."),
    ]
    assert len(judgements.feedback("a1")) == 1


def test_the_same_idempotency_key_changes_once(store: Store, actor: Actor, now: datetime) -> None:
    judgements = store.judgements("acme")
    first = judgements.give_feedback("a1", "useful", None, "ann", actor, idempotency=IdempotencyKey("k1", "f1"))
    again = judgements.give_feedback("a1", "useful", None, "ann", actor, idempotency=IdempotencyKey("k1", "f1"))
    assert first[1] is False
    assert again == (first[0], True)
    assert len(judgements.feedback()) == 1
    with pytest.raises(StoreError) as caught:
        judgements.give_feedback("a1", "useful", "else", "ann", actor, idempotency=IdempotencyKey("k1", "f2"))
    assert caught.value.code == "store.once_mismatch"
    other = Actor("other", now)
    assert (
        judgements.give_feedback("a1", "useful", None, "ann", other, idempotency=IdempotencyKey("k1", "f2"))[1] is False
    )
    later = Actor("tester", now + timedelta(hours=25))
    assert (
        judgements.give_feedback("a1", "useful", None, "ann", later, idempotency=IdempotencyKey("k1", "f2"))[1] is False
    )


def test_every_change_is_in_the_audit_log(store: Store, now: datetime) -> None:
    actor = Actor("key1", now, "req-1")
    store.keys.create("crm", ["read"], actor)
    store.judgements("acme").override("a1", "red", "Silent sponsor.", "ann", actor)
    entries = store.audit()
    assert [(entry.action, entry.actor, entry.request_id) for entry in entries] == [
        ("overrides.create", "key1", "req-1"),
        ("keys.create", "key1", "req-1"),
    ]
    assert entries[0].subject == "a1"


def test_waiting_in_vain_for_a_connection_is_the_stores_failure(url: str) -> None:
    with Store(url) as store:
        store._engine.dispose()
        store._engine = create_engine(store._engine.url, pool_size=1, max_overflow=0, pool_timeout=0.05)
        with store._engine.connect(), pytest.raises(StoreError) as caught:
            store.latest("acme")
        assert caught.value.code == "store.failed"


def test_one_override_is_in_force_whatever_the_race(url: str, now: datetime) -> None:
    with Store(url) as store:
        judgements = store.judgements("acme")
        for number in range(30):
            account, barrier = f"a{number}", threading.Barrier(2)

            def judge(band: str, account: str = account, barrier: threading.Barrier = barrier) -> None:
                barrier.wait()
                judgements.override(account, band, "As I see it.", band, Actor(band, now))

            threads = [threading.Thread(target=judge, args=(band,)) for band in ("red", "green")]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            in_force = [item for item in judgements.override_history(account) if item.ended_at is None]
            assert len(in_force) == 1, account
            assert judgements.override_of(account, now) == in_force[0]


def test_a_write_that_others_keep_out_is_busy_and_not_kept(url: str, actor: Actor) -> None:
    with Store(url) as one, Store(url, patience_seconds=0.2) as other:
        with one._engine.execution_options(write=True).begin() as connection:
            connection.execute(insert(AuditRow), [_audit(actor)])
            if one._engine.dialect.name == "postgresql":
                connection.execute(text("LOCK TABLE overrides IN EXCLUSIVE MODE"))
            began = time.monotonic()
            with pytest.raises(StoreError) as caught:
                other.judgements("acme").override("a1", "red", "Silent sponsor.", "ann", actor)
            assert caught.value.code == "store.busy"
            assert 0.1 < time.monotonic() - began < 2.0
        assert other.judgements("acme").override_history("a1") == []


def test_nothing_is_kept_after_the_deadline(store: Store, actor: Actor) -> None:
    late = store.judgements("acme", deadline=time.monotonic() - 0.1)
    with pytest.raises(StoreError) as caught:
        late.override("a1", "red", "Silent sponsor.", "ann", actor)
    assert caught.value.code == "store.busy"

    def slow(connection: Connection) -> tuple[str, dict[str, Any]]:
        connection.execute(insert(AuditRow), [_audit(actor)])
        time.sleep(0.2)
        return "a1", {}

    with pytest.raises(StoreError):
        write(store._engine, actor, "slow", slow, deadline=time.monotonic() + 0.1)
    assert store.judgements("acme").override_history("a1") == []
    assert store.audit() == []


def _audit(actor: Actor) -> dict[str, Any]:
    return {"at": actor.now, "actor": "x", "action": "x", "subject": "x", "detail": {}}
