"""What keeps a million runs quick to count, and receipts within a size."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_HAS_ENDED = sa.text("ended_at IS NOT NULL")


def upgrade() -> None:
    """Makes indexes that answer by themselves, and a column for the size of a receipt."""
    op.drop_index("ix_runs_ended", table_name="runs")
    op.create_index(
        "ix_runs_ended",
        "runs",
        [
            "ended_at",
            "workspace_id",
            "connection_id",
            "status",
            "started_at",
            "rows_committed",
            "bytes_committed",
        ],
        sqlite_where=_HAS_ENDED,
        postgresql_where=_HAS_ENDED,
    )
    op.add_column(
        "receipts", sa.Column("size", sa.BigInteger(), nullable=False, server_default="0")
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("UPDATE receipts SET size = length(CAST(receipt AS BLOB))")
    else:
        op.execute("UPDATE receipts SET size = octet_length(receipt)")
    op.drop_index("ix_receipts_ended_at", table_name="receipts")
    op.create_index("ix_receipts_age", "receipts", ["ended_at", "size"])
