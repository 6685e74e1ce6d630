"""The tables of the hub's core: exams, attempts, their records and clips, holds, and the hub's log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "core_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exams",
        sa.Column("exam", sa.String(length=64), nullable=False),
        sa.Column("institution", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("exam", name=op.f("pk_exams")),
    )
    op.create_table(
        "log_head",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_log_head")),
    )
    op.create_table(
        "log_nodes",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "place", name=op.f("pk_log_nodes")),
    )
    op.create_table(
        "log_records",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("attempt", sa.String(length=32), nullable=True),
        sa.Column("flag", sa.String(length=100), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_log_records")),
    )
    op.create_index(op.f("ix_log_records_attempt"), "log_records", ["attempt"], unique=False)
    op.create_index(op.f("ix_log_records_kind"), "log_records", ["kind"], unique=False)
    op.create_table(
        "parts",
        sa.Column("upload", sa.String(length=40), nullable=False),
        sa.Column("start", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("blob", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("upload", "start", name=op.f("pk_parts")),
    )
    op.create_table(
        "policies",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("exam", sa.String(length=64), nullable=False),
        sa.Column("policy_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("published", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["exam"], ["exams.exam"], name=op.f("fk_policies_exam")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_policies")),
        sa.UniqueConstraint("exam", "version", name=op.f("uq_policies_exam_version")),
    )
    op.create_table(
        "attempts",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("exam", sa.String(length=64), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False),
        sa.Column("policy_sha256", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.LargeBinary(), nullable=True),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("signed", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("enrolled", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_line", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_heard", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["exam"], ["exams.exam"], name=op.f("fk_attempts_exam")),
        sa.ForeignKeyConstraint(
            ["policy_sha256"], ["policies.sha256"], name=op.f("fk_attempts_policy_sha256")
        ),
        sa.PrimaryKeyConstraint("attempt", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_due"), "attempts", ["due"], unique=False)
    op.create_index(op.f("ix_attempts_exam_seat"), "attempts", ["exam", "seat"], unique=False)
    op.create_table(
        "codes",
        sa.Column("code_sha256", sa.String(length=64), nullable=False),
        sa.Column("exam", sa.String(length=64), nullable=False),
        sa.Column("policy_sha256", sa.String(length=64), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column("begins", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt", sa.String(length=32), nullable=True),
        sa.Column("token_sha256", sa.String(length=64), nullable=True),
        sa.Column("bound", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["exam"], ["exams.exam"], name=op.f("fk_codes_exam")),
        sa.ForeignKeyConstraint(
            ["policy_sha256"], ["policies.sha256"], name=op.f("fk_codes_policy_sha256")
        ),
        sa.PrimaryKeyConstraint("code_sha256", name=op.f("pk_codes")),
        sa.UniqueConstraint("attempt", name=op.f("uq_codes_attempt")),
        sa.UniqueConstraint("exam", "seat", name=op.f("uq_codes_exam_seat")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_codes_token_sha256")),
    )
    op.create_table(
        "batches",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("first", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.attempt"], name=op.f("fk_batches_attempt")),
        sa.PrimaryKeyConstraint("attempt", "first", name=op.f("pk_batches")),
    )
    op.create_table(
        "checkpoints",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("size", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("countersigned", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt"], ["attempts.attempt"], name=op.f("fk_checkpoints_attempt")
        ),
        sa.PrimaryKeyConstraint("attempt", "size", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "clips",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("flag", sa.String(length=100), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("sealed", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("upload", sa.String(length=40), nullable=True),
        sa.Column("arrived", sa.Integer(), nullable=False),
        sa.Column("header_length", sa.Integer(), nullable=False),
        sa.Column("blob", sa.String(length=200), nullable=False),
        sa.Column("stored", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased", sa.DateTime(timezone=True), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.attempt"], name=op.f("fk_clips_attempt")),
        sa.PrimaryKeyConstraint("attempt", "flag", name=op.f("pk_clips")),
        sa.UniqueConstraint("upload", name=op.f("uq_clips_upload")),
    )
    op.create_index(op.f("ix_clips_state"), "clips", ["state"], unique=False)
    op.create_table(
        "events",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(length=60), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.attempt"], name=op.f("fk_events_attempt")),
        sa.PrimaryKeyConstraint("attempt", "line", name=op.f("pk_events")),
    )
    op.create_table(
        "holds",
        sa.Column("hold", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.attempt"], name=op.f("fk_holds_attempt")),
        sa.PrimaryKeyConstraint("hold", name=op.f("pk_holds")),
    )
    op.create_index(op.f("ix_holds_attempt"), "holds", ["attempt"], unique=False)
