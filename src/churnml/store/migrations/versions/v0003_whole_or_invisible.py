"""Snapshots are written in chunks and visible when complete; departed accounts have a table; features are packed."""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa
from alembic import op

from churnml.errors import StoreError
from churnml.language import Text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table, and take departed accounts out of each snapshot's `info`."""
    op.add_column("snapshots", sa.Column("complete", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("snapshots", sa.Column("feature_names", sa.JSON(), nullable=True))
    op.add_column("features", sa.Column("numbers", sa.LargeBinary(), nullable=True))
    op.add_column("explanations", sa.Column("packed", sa.LargeBinary(), nullable=True))
    departures = op.create_table(
        "departures",
        sa.Column("config", sa.String(length=255), nullable=False),
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("last_as_of", sa.Date(), nullable=False),
        sa.Column("why", sa.String(length=255), nullable=False),
        sa.Column("since", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("config", "account_id", name=op.f("pk_departures")),
    )
    _take_departures_out(op.get_bind(), departures)


def downgrade() -> None:
    """Refuse: a schema is never taken back."""
    raise StoreError(
        Text.of("fault-never_back"),
        code="store.downgrade",
    )


def _take_departures_out(connection: sa.Connection, departures: sa.Table) -> None:
    snapshots = sa.table(
        "snapshots", sa.column("id"), sa.column("config"), sa.column("as_of"), sa.column("info", sa.JSON())
    )
    newest_first = sa.select(snapshots.c.id, snapshots.c.config).order_by(
        snapshots.c.config, snapshots.c.as_of.desc(), snapshots.c.id.desc()
    )
    done: set[str] = set()
    for snapshot_id, config in connection.execute(newest_first).all():
        one = snapshots.c.id == snapshot_id
        info = dict(connection.execute(sa.select(snapshots.c.info).where(one)).scalar_one())
        left: dict[str, dict[str, Any]] = info.pop("left", None) or {}
        if left:
            connection.execute(sa.update(snapshots).where(one).values(info=info))
        if config not in done and left:
            rows = [
                {
                    "config": config,
                    "account_id": account,
                    "last_as_of": date.fromisoformat(str(item["last"])[:10]),
                    "why": item["why"],
                    "since": date.fromisoformat(str(item["on"])[:10]) if item.get("on") else None,
                }
                for account, item in left.items()
            ]
            connection.execute(sa.insert(departures), rows)
        done.add(config)
