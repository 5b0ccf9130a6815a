"""The store: publish scored snapshots, and reach what was published, keys, judgements, work and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

from churnml.config import RetentionConfig
from churnml.store.alerts import Alerts
from churnml.store.database import PATIENCE_SECONDS, open_engine
from churnml.store.deliveries import Deliveries
from churnml.store.erasure import Erasure, Traces
from churnml.store.evaluations import Evaluations
from churnml.store.judgements import Judgements
from churnml.store.key_figures import KeyFigures
from churnml.store.keys import Keys
from churnml.store.listing import Lists
from churnml.store.notes import Notes
from churnml.store.outlooks import Outlooks
from churnml.store.oversight import Oversight, changes
from churnml.store.owners import Owners
from churnml.store.published import PublishedScores
from churnml.store.publishing import drop_features, publish
from churnml.store.records import AuditEntry, SnapshotInfo
from churnml.store.renewal_calls import RenewalCalls
from churnml.store.retention import Plan, thin
from churnml.store.runs import Runs
from churnml.store.sessions import Sessions
from churnml.store.snapshot import Snapshot
from churnml.store.tasks import Calendar, Tasks
from churnml.store.team import OwnerWork, team
from churnml.store.users import Users
from churnml.store.views import Views

if TYPE_CHECKING:
    from churnml.store.monitoring import Monitoring
    from churnml.store.rankings import Rankings

__all__ = ["Store"]


class Store(PublishedScores):
    """The operational store on one database.

    Parameters
    ----------
    url : str
        SQLAlchemy URL: ``sqlite:///path/store.db`` or ``postgresql://user:password@host/database``. The schema is
        made, or brought up to date, when the store opens.
    patience_seconds : float
        How long a write waits for other writers before it fails as busy.

    Raises
    ------
    StoreError
        The database cannot be opened, or a newer churnml made it.

    Examples
    --------
    >>> from datetime import UTC, date, datetime
    >>> import pandas as pd
    >>> store = Store("sqlite://")
    >>> scores = pd.DataFrame({"account_id": ["a", "b"], "churn_probability": [0.2, 0.7],
    ...                        "health_score": [55.0, 20.0], "band": ["yellow", "red"], "coverage": [1.0, 0.8]})
    >>> made = store.publish(
    ...     Snapshot("acme", date(2024, 1, 1), datetime(2024, 1, 2, tzinfo=UTC), "3", "0f0f", scores))
    >>> store.latest("acme").id == made
    True
    >>> [account.account_id for account in store.accounts(made).accounts]
    ['b', 'a']
    """

    def __init__(self, url: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._engine = open_engine(url, patience_seconds)
        self.keys = Keys(self._engine)
        self.users = Users(self._engine)
        self.sessions = Sessions(self._engine)

    def alerts(self, config: str, *, deadline: float | None = None) -> Alerts:
        """Return the alerts on the accounts of one config."""
        return Alerts(self._engine, config, deadline)

    def evaluations(self, config: str) -> Evaluations:
        """Return the evaluations of the alert rules of one config."""
        return Evaluations(self._engine, config)

    def rankings(self, config: str) -> Rankings:
        """Return the decisions by what the alert budget of one config ranks."""
        from churnml.store.rankings import Rankings

        return Rankings(self._engine, config)

    def key_figures(self, config: str) -> KeyFigures:
        """Return the KPIs of a config."""
        return KeyFigures(self._engine, config)

    def monitoring(self, config: str) -> Monitoring:
        """Return what monitoring keeps of one config: outcomes, alarms, realised performance, retrainings."""
        from churnml.store.monitoring import Monitoring

        return Monitoring(self._engine, config)

    def renewal_calls(self, config: str, *, deadline: float | None = None) -> RenewalCalls:
        """Return what CSMs expect of the renewals of a config's accounts."""
        return RenewalCalls(self._engine, config, deadline)

    def team(self, config: str, snapshot: SnapshotInfo | None, now: datetime) -> list[OwnerWork]:
        """Return what each owner of accounts has at hand, the most ARR at risk first."""
        return team(self._engine, config, snapshot.id if snapshot else None, snapshot.as_of if snapshot else None, now)

    def outlooks(self, config: str) -> Outlooks:
        """Return what was predicted when, by a config's snapshots."""
        return Outlooks(self._engine, config)

    def lists(self, config: str) -> Lists:
        """Return the accounts of one config as lists for people, see `Lists`."""
        return Lists(self._engine, config)

    def views(self, config: str, *, deadline: float | None = None) -> Views:
        """Return the lists that people have put together and named."""
        return Views(self._engine, config, deadline)

    def owners(self, config: str, *, deadline: float | None = None) -> Owners:
        """Return who was chosen by hand to have accounts of one config."""
        return Owners(self._engine, config, deadline)

    def notes(self, config: str, *, deadline: float | None = None) -> Notes:
        """Return the notes on the accounts of one config."""
        return Notes(self._engine, config, deadline)

    def tasks(self, config: str, calendar: Calendar, *, deadline: float | None = None) -> Tasks:
        """Return the tasks on the accounts of one config; `calendar` counts working days, see `Tasks`."""
        return Tasks(self._engine, config, calendar, deadline)

    def runs(self, config: str) -> Runs:
        """Return the runs of one config that are on record."""
        return Runs(self._engine, config)

    def erasure(self, config: str, traces: Traces) -> Erasure:
        """Return what is held of an account or a person of one config."""
        return Erasure(self._engine, config, traces)

    def deliveries(self, config: str) -> Deliveries:
        """Return the deliveries of one config."""
        return Deliveries(self._engine, config)

    def oversight(self, config: str) -> Oversight:
        """Return what whoever looks after the service asks of one config."""
        return Oversight(self._engine, config)

    def judgements(self, config: str, *, deadline: float | None = None) -> Judgements:
        """Return the overrides and feedback on the accounts of one config, see `Judgements`."""
        return Judgements(self._engine, config, deadline)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(
        self, snapshot: Snapshot, *, now: datetime | None = None, retention: RetentionConfig | None = None
    ) -> int:
        """Publish a snapshot: readers see it whole or not at all, with its explanations.

        It is written in short transactions, between which other writers get their turn, and becomes visible in the
        last one. What a publisher that died has left is never seen, and removed by a later one.

        Parameters
        ----------
        snapshot : Snapshot
            Of its explanations no more than a few hundred are in memory at once.
        now : datetime, optional
            Time of publishing; the snapshot's `scored_at` by default.
        retention : RetentionConfig, optional
            What of older snapshots is forgotten then; by default the features of all but the newest two.

        Returns
        -------
        int
            The snapshot's id.

        Raises
        ------
        StoreError
            The database refused; nothing is kept.
        """
        moment = now or snapshot.scored_at
        made = publish(self._engine, snapshot, moment)
        if retention is None:
            drop_features(self._engine, snapshot.config, RetentionConfig().features)
        else:
            thin(self._engine, snapshot.config, retention, moment)
        return made

    def thin(self, config: str, retention: RetentionConfig, now: datetime) -> Plan:
        """Forget what is older than the rules say; `publish` does so too. Returns what was forgotten."""
        return thin(self._engine, config, retention, now)

    def audit(self, limit: int = 100) -> list[AuditEntry]:
        """Return the last changes, newest first."""
        return changes(self._engine, limit)
