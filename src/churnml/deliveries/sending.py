"""Sends what is due to one target: settles what was lost, retries what may be retried, and knows when to stop."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from churnml.config.deliveries import TargetConfig
from churnml.deliveries.adapter import Adapter, Manner, Record, RemoteRecord, deleted_there, ended, mark
from churnml.deliveries.faults import Fault, Interruption, Lost, NotSent, Pause
from churnml.deliveries.gateway import Gateway
from churnml.deliveries.sent import Sending
from churnml.store import Deliveries, Delivery, DeliveryOutcome

__all__ = ["send"]

_BREAKER = 5
"""Failures in a row after which a target gets a rest."""
_REST_SECONDS, _LONGEST_REST = 60.0, 3600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 20.0, 6 * 3600.0
_PATIENCE = 30.0
"""A pause that is not longer is waited for; a longer one is left to the next run."""
_PATIENCE_IN_ALL = 120.0
_NEVER = timedelta(days=36500)
_CONFIRM_AFTER, _CONFIRM_FOR = 60.0, 24 * 3600.0


class _Stop(Exception):  # noqa: N818
    """Nothing more is sent in this run."""


def send(
    deliveries: Deliveries,
    adapter: Adapter,
    settings: TargetConfig,
    *,
    config: str,
    clock: Callable[[], datetime],
    wait: Callable[[float], None],
) -> Sending:
    """Send what is due to a target.

    Parameters
    ----------
    deliveries : Deliveries
    adapter : Adapter
    settings : TargetConfig
    config : str
        The config's name.
    clock : callable
        Returns the time, UTC.
    wait : callable
        Waits for so many seconds.
    """
    return _Run(deliveries, adapter, settings, config, clock, wait).run()


class _Run:
    def __init__(
        self,
        deliveries: Deliveries,
        adapter: Adapter,
        settings: TargetConfig,
        config: str,
        clock: Callable[[], datetime],
        wait: Callable[[float], None],
    ) -> None:
        self.deliveries, self.adapter, self.settings = deliveries, adapter, settings
        self.config, self.clock, self.wait = config, clock, wait
        self.gateway: Gateway = adapter.gateway
        self.name = adapter.name
        self.result = Sending(self.name)
        self.patience = _PATIENCE_IN_ALL
        self.accounts: dict[str, str] = {}

    def run(self) -> Sending:
        """Settle, send, and wait for short pauses, until nothing is due or the target must be left alone."""
        before = self.gateway.state.calls
        state = self.gateway.state
        if state.until is not None and state.until > self.clock():
            return replace(self.result, stopped=state.why, next_at=state.until)
        self.gateway.state = replace(state, until=None, why=None)
        try:
            while True:
                for topic, manner in self.adapter.topics.items():
                    self._settle(topic, manner)
                    self._send_due(topic, manner)
                if not self._wait_for_more():
                    break
        except _Stop as stop:
            self.result = replace(self.result, stopped=str(stop))
        next_at = self.gateway.state.until or self.deliveries.next_due(self.name)
        if next_at is not None and next_at > self.clock() + _NEVER / 2:
            next_at = None
        return replace(self.result, calls=self.gateway.state.calls - before, next_at=next_at)

    def _send_due(self, topic: str, manner: Manner) -> None:
        while batch := self._batch(topic, manner):
            self._send(topic, manner, batch)

    def _batch(self, topic: str, manner: Manner) -> list[Delivery]:
        """Return what goes into one call: records that the target has, or records that it has not."""
        due = self.deliveries.due(self.name, topic, self.clock(), manner.batch)
        return [one for one in due if (one.remote_id is None) == (due[0].remote_id is None)]

    def _send(self, topic: str, manner: Manner, batch: Sequence[Delivery]) -> None:
        begun = self.deliveries.begin(batch, self.clock())
        records = [self._record(one) for one in begun]
        try:
            records = self._with_accounts(records) if manner.needs_account else records
            if manner.must_exist and records and records[0].remote_id is None:
                records = self._looked_up(topic, records)
            elif manner.looks_first and records and records[0].remote_id is not None:
                records = self._not_answered_there(topic, records)
        except Interruption as stop:
            # Only questions were asked so far.
            quiet = NotSent(stop.reason, stop.said) if isinstance(stop, Lost) else stop
            self._interrupted(manner, records, quiet)
            return
        if not records:
            return
        try:
            outcomes = self.adapter.write(topic, records)
        except Interruption as stop:
            self._interrupted(manner, records, stop)
            return
        self._succeeded()
        self._end(
            [(record.delivery, self._limited(record, one)) for record, one in zip(records, outcomes, strict=True)]
        )

    def _record(self, one: Delivery) -> Record:
        return Record(one, mark(self.config, self.name, one.key), one.remote_id)

    # -- what the target knows already -------------------------------------------------------------------------------

    def _looked_up(self, topic: str, records: Sequence[Record]) -> list[Record]:
        """Look records up before they are written; those that are not there to be written end here."""
        outcomes = self.adapter.find(topic, records)
        ready, absent = [], []
        for record in records:
            at = outcomes.get(record.delivery.id, RemoteRecord("missing"))
            outcome = None if at.state == "there" else self._not_there(record, at)
            if outcome is None:
                ready.append(replace(record, remote_id=at.remote_id))
            else:
                absent.append((record.delivery, outcome))
        if absent:
            self._end(absent)
        return ready

    def _not_answered_there(self, topic: str, records: Sequence[Record]) -> list[Record]:
        """Leave alone what a person has closed or deleted in the target since it was written."""
        known = self.adapter.find(topic, records)
        ready, left = [], []
        for record in records:
            one, state = record.delivery, known.get(record.delivery.id, RemoteRecord("missing")).state
            if state == "deleted":
                left.append((one, deleted_there()))
            elif state == "closed" and not ended(one.held) and not ended(one.wanted):
                said = "it was closed there and is open here; it is not opened again: answer it here too"
                left.append((one, DeliveryOutcome("refused", "closed_there", said)))
            else:
                # What is missing altogether is for the target to refuse, in its own words.
                ready.append(record)
        if left:
            self._end(left)
        return ready

    def _not_there(self, record: Record, at: RemoteRecord) -> DeliveryOutcome | None:
        if at.state == "merged" and at.remote_id is not None:
            return DeliveryOutcome("refused", "merged", f"merged into {at.remote_id}, which has its own score")
        said = {
            "missing": f"the target knows no account {record.account_id!r}",
            "deleted": "the record was deleted there; it is left alone",
            "merged": "the record was merged into another one",
            "ambiguous": f"several records carry the id {record.account_id!r}",
        }
        reason = {"missing": "unknown_record", "deleted": "deleted"}.get(at.state, at.state)
        return DeliveryOutcome("refused", reason, said[at.state])

    def _with_accounts(self, records: Sequence[Record]) -> list[Record]:
        """Add the target's id of the account that each record belongs to."""
        missing = [one for one in records if one.account_id not in self.accounts]
        known = self.deliveries.under(self.name, [f"score:{one.account_id}" for one in missing])
        self.accounts |= {one.account_id: one.remote_id for one in known.values() if one.account_id and one.remote_id}
        missing = [one for one in missing if one.account_id not in self.accounts]
        if missing:
            accounts = self.adapter.find("score", missing)
            for one in missing:
                at = accounts.get(one.delivery.id, RemoteRecord("missing"))
                if at.state in ("there", "merged") and at.remote_id is not None:
                    self.accounts[one.account_id] = at.remote_id
                else:
                    outcome = self._not_there(one, at)
                    assert outcome is not None
                    self._end([(one.delivery, outcome)])
        return [
            replace(one, account=self.accounts[one.account_id]) for one in records if one.account_id in self.accounts
        ]

    # -- what was lost -----------------------------------------------------------------------------------------------

    def _settle(self, topic: str, manner: Manner) -> None:
        """Find out what became of requests whose answer was lost, or whose sender died; then of what was taken."""
        while lost := self.deliveries.due(self.name, topic, self.clock(), max(manner.batch, 1), states=("sending",)):
            self._orphaned(manner, lost)
        if manner.repeat == "find":
            while unknown := self.deliveries.due(
                self.name, topic, self.clock(), max(manner.batch, 1), states=("unknown",)
            ):
                self._read_back(topic, manner, unknown)
        while taken := self.deliveries.due(self.name, topic, self.clock(), max(manner.batch, 1), states=("sent",)):
            records = [self._record(one) for one in taken]
            try:
                outcomes = self.adapter.confirm(topic, records)
            except Interruption as stop:
                self._trouble(stop)
                later = self.clock() + timedelta(seconds=_FIRST_PAUSE * 10)
                self._end([(one, DeliveryOutcome("sent", due_at=later)) for one in taken])
                return
            self._end([(one, self._confirmed(one, outcome)) for one, outcome in zip(taken, outcomes, strict=True)])

    def _confirmed(self, one: Delivery, outcome: DeliveryOutcome) -> DeliveryOutcome:
        """Go on asking for a day; what can never be proved is asked for no more."""
        if outcome.state != "sent":
            return outcome
        now = self.clock()
        if outcome.reason == "unproved":
            return replace(outcome, due_at=now + _NEVER)
        if one.held_at is not None and now - one.held_at > timedelta(seconds=_CONFIRM_FOR):
            return DeliveryOutcome("refused", "not_seen", "it was taken, and a day later it is not there")
        return replace(outcome, due_at=now + timedelta(seconds=_CONFIRM_AFTER * 10))

    def _orphaned(self, manner: Manner, lost: Sequence[Delivery]) -> None:
        now = self.clock()
        said = "the process ended while it was being sent"
        outcomes = []
        for one in lost:
            if _harmless(manner, one.remote_id):
                outcomes.append((one, DeliveryOutcome("waiting", due_at=now)))
                continue
            due_at = _found_at(manner, one.tried_at or now)
            outcomes.append((one, DeliveryOutcome("unknown", "no_answer", said, due_at=due_at)))
        self._end(outcomes)

    def _read_back(self, topic: str, manner: Manner, unknown: Sequence[Delivery]) -> None:
        records = [self._record(one) for one in unknown]
        try:
            records = self._with_accounts(records) if manner.needs_account else records
            outcomes = self.adapter.find(topic, records) if records else {}
        except Interruption as stop:
            self._trouble(stop)
            later = self.clock() + timedelta(seconds=_FIRST_PAUSE)
            self._end([(r.delivery, DeliveryOutcome("unknown", stop.reason, stop.said, due_at=later)) for r in records])
            return
        self._succeeded()
        settled = []
        for record in records:
            one, at = record.delivery, outcomes.get(record.delivery.id, RemoteRecord("missing"))
            if at.state == "deleted":
                outcome = DeliveryOutcome("refused", "deleted", "it was deleted there", remote_id=at.remote_id)
            elif at.state not in ("there", "closed"):
                outcome = DeliveryOutcome("waiting", due_at=self.clock())
            elif one.tried_version == one.version:
                outcome = DeliveryOutcome("accepted", remote_id=at.remote_id)
            else:
                outcome = DeliveryOutcome("waiting", remote_id=at.remote_id, due_at=self.clock())
            settled.append((one, outcome))
        if settled:
            self._end(settled)

    # -- what came between -------------------------------------------------------------------------------------------

    def _interrupted(self, manner: Manner, batch: Sequence[Record], stop: Interruption) -> None:
        """Note what an interruption means for the records of a call, and for the target."""
        now = self.clock()
        noted = []
        # All at once again, as one call; single records that were refused come apart, each after a pause of its own.
        later = now + timedelta(seconds=self._pause(manner, batch[0].delivery))
        for record in batch:
            one = record.delivery
            if isinstance(stop, Pause | Fault):
                seconds = stop.seconds if isinstance(stop, Pause) else None
                due = now + timedelta(seconds=_FIRST_PAUSE if seconds is None else seconds)
                outcome = DeliveryOutcome("waiting", stop.reason, stop.said, due_at=due, counts=False)
            elif isinstance(stop, Lost) and not _harmless(manner, record.remote_id):
                due = _found_at(manner, now)
                outcome = DeliveryOutcome("unknown", stop.reason, stop.said, due_at=due)
            else:
                outcome = DeliveryOutcome("waiting", stop.reason, stop.said, due_at=later)
            # What was looked up is known from now on.
            noted.append((one, self._worn_out(one, replace(outcome, remote_id=record.remote_id))))
        trouble = self._trouble_of(stop)
        self._end(noted)
        if trouble is not None:
            raise _Stop(trouble)

    def _trouble(self, stop: Interruption) -> None:
        trouble = self._trouble_of(stop)
        if trouble is not None:
            self._end([])
            raise _Stop(trouble)

    def _trouble_of(self, stop: Interruption) -> str | None:
        """Note what an interruption says of the target; returns why nothing more is sent, or None."""
        now, state = self.clock(), self.gateway.state
        seconds: float | None = None
        why = f"{stop.reason}: {stop.said}"
        if isinstance(stop, Fault):
            # Whoever mends it runs again, and that run must be let through.
            self.gateway.state = replace(state, why=why)
            return why
        if isinstance(stop, Pause) and not stop.is_failure:
            seconds = _FIRST_PAUSE if stop.seconds is None else stop.seconds
        else:
            state = replace(state, failures=state.failures + 1)
            named = stop.seconds if isinstance(stop, Pause) else None
            if state.failures >= _BREAKER:
                rest = min(_REST_SECONDS * 2 ** (state.failures - _BREAKER), _LONGEST_REST)
                seconds = max(rest, named or 0.0)
            elif named is not None:
                seconds = named
        self.gateway.state = state
        if seconds is None or self._waited(seconds):
            return None
        self.gateway.state = replace(state, until=now + timedelta(seconds=seconds), why=why)
        return why

    def _waited(self, seconds: float) -> bool:
        """Wait for a short pause; returns False for one that is left to the next run."""
        if seconds > min(_PATIENCE, self.patience):
            return False
        self.patience -= seconds
        self.wait(seconds)
        return True

    def _wait_for_more(self) -> bool:
        """Wait for what is due within moments; returns whether there is anything."""
        next_at = self.deliveries.next_due(self.name)
        if next_at is None or next_at > self.clock() + _NEVER / 2:
            return False
        seconds = max((next_at - self.clock()).total_seconds(), 0.05)
        return self._waited(seconds)

    def _succeeded(self) -> None:
        self.gateway.state = replace(self.gateway.state, failures=0)

    def _pause(self, manner: Manner, one: Delivery) -> float:
        """Return the pause before the next attempt: the convention's, else one that doubles; never all at once."""
        number = max(one.attempts - 1, 0)
        if manner.pauses:
            seconds = manner.pauses[min(number, len(manner.pauses) - 1)]
        else:
            seconds = min(_FIRST_PAUSE * 2**number, _LONGEST_PAUSE)
        return seconds * (1.0 + 0.2 * (zlib.crc32(one.key.encode()) % 1000) / 1000)

    def _limited(self, record: Record, outcome: DeliveryOutcome) -> DeliveryOutcome:
        """Give a record that may be tried again its pause, and one that was tried too often up."""
        if outcome.state == "waiting" and outcome.due_at is None:
            manner = self.adapter.topics[record.delivery.topic]
            outcome = replace(outcome, due_at=self.clock() + timedelta(seconds=self._pause(manner, record.delivery)))
        if outcome.state == "sent" and outcome.due_at is None:
            outcome = replace(outcome, due_at=self.clock() + timedelta(seconds=_CONFIRM_AFTER))
        if outcome.remote_id is None and record.remote_id is not None:
            outcome = replace(outcome, remote_id=record.remote_id)
        return self._worn_out(record.delivery, outcome)

    def _worn_out(self, one: Delivery, outcome: DeliveryOutcome) -> DeliveryOutcome:
        if outcome.state != "waiting" or not outcome.counts or one.attempts < self.settings.max_attempts:
            return outcome
        said = f"tried {one.attempts} times; the last answer: {outcome.reason}: {outcome.said}"
        return DeliveryOutcome("refused", "gave_up", said, outcome.remote_id)

    def _end(self, outcomes: Sequence[tuple[Delivery, DeliveryOutcome]]) -> None:
        self.deliveries.end(outcomes, self.name, self.gateway.state, self.clock())
        names = {"waiting": "retried"}
        for _, outcome in outcomes:
            name = names.get(outcome.state, outcome.state)
            self.result = replace(self.result, **{name: getattr(self.result, name) + 1})


def _harmless(manner: Manner, remote_id: str | None) -> bool:
    """Tell whether sending again changes nothing: also where a record that the target has is written by its id."""
    return manner.repeat == "harmless" or (manner.repeat == "find" and remote_id is not None)


def _found_at(manner: Manner, tried_at: datetime) -> datetime:
    """Return when it can be read back whether a request arrived; a late one may still be under way before."""
    return tried_at + (_NEVER if manner.repeat == "never" else timedelta(seconds=manner.found_after))
