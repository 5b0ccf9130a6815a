"""Snapshots say what has been forgotten of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnml.errors import StoreError
from churnml.language import Text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("snapshots", sa.Column("thinned", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Refuse: a schema is never taken back."""
    raise StoreError(
        Text.of("fault-never_back"),
        code="store.downgrade",
    )
