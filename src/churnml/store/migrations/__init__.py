"""Schema migrations of the operational store, run by Alembic."""
