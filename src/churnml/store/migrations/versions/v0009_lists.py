"""What lists of accounts are filtered by, views, and owners chosen by hand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnml.errors import StoreError
from churnml.language import Text
from churnml.store.schema import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and make the tables."""
    for name, kind in (
        ("plan", sa.Text()),
        ("phase", sa.String(255)),
        ("contract_ends_on", sa.Date()),
        ("renewal", sa.String(255)),
        ("change_30d", sa.Float(53)),
        ("searched", sa.Text()),
    ):
        op.add_column("scores", sa.Column(name, kind, nullable=True))
    op.create_table(
        "account_owners",
        sa.Column("config", sa.String(255), nullable=False),
        sa.Column("account_id", sa.String(255), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("source_owner", sa.String(255), nullable=True),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("config", "account_id", name=op.f("pk_account_owners")),
    )
    op.create_table(
        "views",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("config", sa.String(255), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("page", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_views")),
    )
    op.create_index(op.f("ix_views_config_user_page_name"), "views", ["config", "user", "page", "name"], unique=True)


def downgrade() -> None:
    """Refuse: a schema is never taken back."""
    raise StoreError(
        Text.of("fault-never_back"),
        code="store.downgrade",
    )
