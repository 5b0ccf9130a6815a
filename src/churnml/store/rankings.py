"""By what the alert budget ranks accounts: each decision between risk and uplift, when it was made and on what."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Engine, insert, select

from churnml.store.schema import AlertRankingRow
from churnml.store.writes import Actor, reading, write
from churnml.training.uplift_model import UpliftModel

__all__ = ["Ranking", "Rankings"]


class Ranking(BaseModel):
    """One decision.

    Parameters
    ----------
    experiment : str
        Whose lots it rests on.
    decided_at : datetime
    until : date
        The newest date that was evaluated then.
    by : {"risk", "uplift"}
    accounts, contacted_churned, held_out_churned : int
        Lots that were followed to the end of their days, and churners among them.
    gain, gain_low, gain_high : float or None
        Qini coefficient of uplift less that of risk, with its 95 % interval; None where too little was known.
    model : UpliftModel or None
        What ranks; None by risk.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: str
    decided_at: datetime
    until: date
    by: Literal["risk", "uplift"]
    accounts: int
    contacted_churned: int
    held_out_churned: int
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    model: UpliftModel | None = None

    def holds_until(self, days: int) -> date:
        """Return the last date on which the decision holds, where it holds so many days."""
        return self.until + timedelta(days=days)

    def in_force(self, as_of: date, days: int) -> UpliftModel | None:
        """Return what ranks on a date; None by risk, also where the decision is older than so many days."""
        return self.model if as_of <= self.holds_until(days) else None


class Rankings:
    """The decisions of one config, never changed: the newest of an experiment holds, for `experiments.ranking_days`."""

    def __init__(self, engine: Engine, config: str) -> None:
        self._engine = engine
        self._config = config

    def keep(self, ranking: Ranking, actor: Actor) -> None:
        """Keep a decision."""

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            row = {"config": self._config, "experiment": ranking.experiment, "at": ranking.decided_at, "by": ranking.by}
            connection.execute(insert(AlertRankingRow).values(**row, body=ranking.model_dump(mode="json")))
            return self._config, {"experiment": ranking.experiment, "by": ranking.by}

        write(self._engine, actor, "alerts.ranking", work)

    def newest(self, experiment: str) -> Ranking | None:
        """Return the decision that holds; None where none was made."""
        own = (AlertRankingRow.config == self._config, AlertRankingRow.experiment == experiment)
        query = select(AlertRankingRow.body).where(*own).order_by(AlertRankingRow.id.desc()).limit(1)
        with reading(self._engine) as connection:
            body = connection.execute(query).scalar()
        return None if body is None else Ranking.model_validate(body)
