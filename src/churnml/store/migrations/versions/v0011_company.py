"""The accounts behind the KPIs, and what CSMs expect of renewals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnml.errors import StoreError
from churnml.language import Text
from churnml.store.schema import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "key_figure_rows",
        sa.Column("config", sa.String(255), nullable=False),
        sa.Column("part", sa.String(255), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("config", "part", name=op.f("pk_key_figure_rows")),
    )
    op.create_table(
        "renewal_calls",
        sa.Column("config", sa.String(255), nullable=False),
        sa.Column("account_id", sa.String(255), nullable=False),
        sa.Column("renewal_on", sa.Date(), nullable=False),
        sa.Column("arr", sa.Float(53), nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("config", "account_id", name=op.f("pk_renewal_calls")),
    )


def downgrade() -> None:
    """Refuse: a schema is never taken back."""
    raise StoreError(
        Text.of("fault-never_back"),
        code="store.downgrade",
    )
