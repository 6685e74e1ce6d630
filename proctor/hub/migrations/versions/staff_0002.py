"""Extra second looks: what is drawn, how such a flag shows itself, and which statements change nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "staff_0002"
down_revision = "staff_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("flags", sa.Column("drawn", sa.Boolean(), nullable=True))
    op.add_column(
        "flags", sa.Column("extra", sa.String(length=20), nullable=False, server_default="")
    )
    op.add_column("flags", sa.Column("extra_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_flags_extra"), "flags", ["extra", "extra_until"], unique=False)
    op.add_column(
        "decisions",
        sa.Column("extra", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
