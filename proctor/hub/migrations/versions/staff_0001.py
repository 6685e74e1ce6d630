"""The tables of staff: accounts, log-ins, flags, assignments, statements, looks and proposals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "staff_0001"
down_revision = "core_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "staff",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("roles", sa.String(length=200), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("totp", sa.LargeBinary(), nullable=True),
        sa.Column("totp_step", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("name", name=op.f("uq_staff_name")),
        sa.UniqueConstraint("subject", name=op.f("uq_staff_subject")),
    )
    op.create_table(
        "staff_failures",
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("last", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_staff_failures")),
    )
    op.create_table(
        "assignments",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("flag", sa.String(length=100), nullable=False),
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["staff.id"], name=op.f("fk_assignments_person")),
        sa.PrimaryKeyConstraint("attempt", "flag", name=op.f("pk_assignments")),
    )
    op.create_index(op.f("ix_assignments_person"), "assignments", ["person"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("flag", sa.String(length=100), nullable=False),
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["staff.id"], name=op.f("fk_decisions_person")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_decisions")),
        sa.UniqueConstraint("id", name=op.f("uq_decisions_id")),
    )
    op.create_index(
        op.f("ix_decisions_attempt_flag"), "decisions", ["attempt", "flag"], unique=False
    )
    op.create_table(
        "looks",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("flag", sa.String(length=100), nullable=False),
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["staff.id"], name=op.f("fk_looks_person")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_looks")),
        sa.UniqueConstraint("id", name=op.f("uq_looks_id")),
    )
    op.create_index(op.f("ix_looks_attempt"), "looks", ["attempt"], unique=False)
    op.create_table(
        "proposals",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proposer", sa.String(length=32), nullable=False),
        sa.Column("proposed", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approver", sa.String(length=32), nullable=True),
        sa.Column("approved", sa.DateTime(timezone=True), nullable=True),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["approver"], ["staff.id"], name=op.f("fk_proposals_approver")),
        sa.ForeignKeyConstraint(["proposer"], ["staff.id"], name=op.f("fk_proposals_proposer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
        sa.UniqueConstraint("payload_sha256", name=op.f("uq_proposals_payload_sha256")),
    )
    op.create_index(op.f("ix_proposals_attempt"), "proposals", ["attempt"], unique=False)
    op.create_table(
        "staff_keys",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["staff.id"], name=op.f("fk_staff_keys_person")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_staff_keys")),
    )
    op.create_index(op.f("ix_staff_keys_person"), "staff_keys", ["person"], unique=False)
    op.create_table(
        "staff_recovery",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["staff.id"], name=op.f("fk_staff_recovery_person")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_staff_recovery")),
    )
    op.create_index(op.f("ix_staff_recovery_person"), "staff_recovery", ["person"], unique=False)
    op.create_table(
        "staff_tickets",
        sa.Column("ticket", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("challenge", sa.String(length=43), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["staff.id"], name=op.f("fk_staff_tickets_person")),
        sa.PrimaryKeyConstraint("ticket", name=op.f("pk_staff_tickets")),
    )
    op.create_table(
        "staff_tokens",
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("limited", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["staff.id"], name=op.f("fk_staff_tokens_person")),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_staff_tokens")),
    )
    op.create_index(op.f("ix_staff_tokens_person"), "staff_tokens", ["person"], unique=False)
    op.create_table(
        "flags",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("flag", sa.String(length=100), nullable=False),
        sa.Column("exam", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("start", sa.Double(), nullable=False),
        sa.Column("end", sa.Double(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("commented", sa.DateTime(timezone=True), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("look", sa.String(length=10), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verdict", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.attempt"], name=op.f("fk_flags_attempt")),
        sa.PrimaryKeyConstraint("attempt", "flag", name=op.f("pk_flags")),
    )
    op.create_index(op.f("ix_flags_exam_state"), "flags", ["exam", "state"], unique=False)
    op.create_index(op.f("ix_flags_state_deadline"), "flags", ["state", "deadline"], unique=False)
