"""The tables of what is live: alerts, heartbeats, commands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "live_0001"
down_revision = "core_0001"
branch_labels = None
depends_on = None

_RISING = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", _RISING, autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("exam", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_alerts_at"), "alerts", ["at"], unique=False)
    op.create_table(
        "heartbeats",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("heard", sa.Double(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("delivery", sa.String(length=16), nullable=False),
        sa.Column("help", sa.Integer(), nullable=False),
        sa.Column("skew", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("attempt", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "commands",
        sa.Column("id", _RISING, autoincrement=True, nullable=False),
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("minutes", sa.Double(), nullable=False),
        sa.Column("person", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("signed", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.Column("handed", sa.Double(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("outcome_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_commands_attempt_outcome"), "commands", ["attempt", "outcome"], unique=False
    )


def downgrade() -> None:
    op.drop_table("commands")
    op.drop_table("heartbeats")
    op.drop_table("alerts")
