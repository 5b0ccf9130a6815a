"""When accounts will be lost: numbers beside each score, and the curve that they are of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnml.errors import StoreError
from churnml.language import Text

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and make the table."""
    for name, kind in (
        ("next_decision_on", sa.Date()),
        ("renewal_risk", sa.Float(53)),
        ("lost_by_decision", sa.Float(53)),
        ("expected_end", sa.Date()),
        ("residual_value", sa.Float(53)),
        ("avoidable_loss", sa.Float(53)),
    ):
        op.add_column("scores", sa.Column(name, kind, nullable=True))
    op.create_table(
        "curves",
        sa.Column("snapshot_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(255), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["snapshots.id"],
            name=op.f("fk_curves_snapshot_id_snapshots"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("snapshot_id", "account_id", name=op.f("pk_curves")),
    )


def downgrade() -> None:
    """Refuse: a schema is never taken back."""
    raise StoreError(
        Text.of("fault-never_back"),
        code="store.downgrade",
    )
