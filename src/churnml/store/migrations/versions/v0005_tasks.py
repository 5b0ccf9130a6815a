"""Tasks, notes, experiments, and which snapshots the alert rules went over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnml.errors import StoreError
from churnml.language import Text
from churnml.store.schema import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.add_column("alerts", sa.Column("held_out", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "alert_evaluations",
        _word("config"),
        sa.Column("as_of", sa.Date(), nullable=False),
        _time("at"),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("config", "as_of", name=op.f("pk_alert_evaluations")),
    )
    op.create_table(
        "tasks",
        _number(),
        _word("config"),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        *(_word(name) for name in ("account_id", "playbook", "step", "owner", "state")),
        sa.Column("due_on", sa.Date(), nullable=False),
        _time("changed_at"),
        sa.Column("body", sa.JSON(), nullable=False),
        _belongs("tasks", "alert_id", "alerts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    _index("tasks", "alert_id", "step", unique=True)
    _index("tasks", "config", "state", "owner")
    _index("tasks", "config", "account_id")
    _index("tasks", "config", "changed_at")
    op.create_table(
        "task_events",
        _number(),
        sa.Column("task_id", sa.Integer(), nullable=False),
        _time("at"),
        _word("actor"),
        _word("action"),
        sa.Column("detail", sa.JSON(), nullable=False),
        _belongs("task_events", "task_id", "tasks"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_events")),
    )
    _index("task_events", "task_id")
    op.create_table(
        "notes",
        _number(),
        _word("config"),
        _word("account_id"),
        sa.Column("alert_id", sa.Integer(), nullable=True),
        sa.Column("task_id", sa.Integer(), nullable=True),
        _word("author"),
        sa.Column("text", sa.Text(), nullable=False),
        _time("at"),
        _belongs("notes", "alert_id", "alerts"),
        _belongs("notes", "task_id", "tasks"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    _index("notes", "config", "account_id", "at")
    _index("notes", "config", "at")
    op.create_table(
        "experiment_assignments",
        _number(),
        *(_word(name) for name in ("config", "experiment", "account_id")),
        sa.Column("episode", sa.Integer(), nullable=False),
        _word("arm"),
        sa.Column("assigned_on", sa.Date(), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment_assignments")),
    )
    _index("experiment_assignments", "config", "experiment", "account_id", "episode", unique=True)


def downgrade() -> None:
    """Refuse: a schema is never taken back."""
    raise StoreError(
        Text.of("fault-never_back"),
        code="store.downgrade",
    )


def _number() -> sa.Column[int]:
    return sa.Column("id", sa.Integer(), autoincrement=True, nullable=False)


def _word(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=255), nullable=False)


def _time(name: str) -> sa.Column[sa.DateTime]:
    return sa.Column(name, UtcDateTime(timezone=True), nullable=False)


def _belongs(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"), ondelete="CASCADE")


def _index(table: str, *columns: str, unique: bool = False) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), unique=unique)
