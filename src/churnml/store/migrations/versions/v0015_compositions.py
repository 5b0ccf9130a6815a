"""What each health score is made of, so that its whole history can be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnml.errors import StoreError
from churnml.language import Text

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("scores", sa.Column("composition", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Refuse: a schema is never taken back."""
    raise StoreError(
        Text.of("fault-never_back"),
        code="store.downgrade",
    )
