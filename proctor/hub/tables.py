"""The hub's tables. What a clip's header needs is apart (:data:`headers`): long backups leave it out.

No table holds a name of a student: an attempt is 32 hexadecimal digits, and a seat is a number.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

# Names of constraints, so that a migration can name them on every database.
_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=_NAMES)
headers_metadata = MetaData(naming_convention=_NAMES)


class Moment(TypeDecorator[datetime]):
    """A moment with its zone; SQLite, which has none, keeps it in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Digest = String(64)
Attempt = String(32)
Flag = String(100)
# An exam's short name is that of its policy (policies.values.Identifier).
Exam = String(64)
Long = BigInteger()

exams = Table(
    "exams",
    metadata,
    Column("exam", Exam, primary_key=True),
    Column("institution", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("made", Moment, nullable=False),
)

# Every published version of an exam's policy; the envelope is the institution's, byte for byte.
policies = Table(
    "policies",
    metadata,
    Column("sha256", Digest, primary_key=True),
    Column("exam", Exam, ForeignKey("exams.exam"), nullable=False),
    Column("policy_id", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("published", Moment, nullable=False),
    UniqueConstraint("exam", "version"),
)

# One-time codes. Only their hashes are here, and what redeeming one gave.
codes = Table(
    "codes",
    metadata,
    Column("code_sha256", Digest, primary_key=True),
    Column("exam", Exam, ForeignKey("exams.exam"), nullable=False),
    Column("policy_sha256", Digest, ForeignKey("policies.sha256"), nullable=False),
    Column("seat", Integer, nullable=False),
    Column("made", Moment, nullable=False),
    Column("begins", Moment),
    Column("ends", Moment),
    Column("attempt", Attempt, unique=True),
    Column("token_sha256", Digest, unique=True),
    Column("bound", Moment),
    Column("revoked", Moment),
    UniqueConstraint("exam", "seat"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("attempt", Attempt, primary_key=True),
    Column("exam", Exam, ForeignKey("exams.exam"), nullable=False),
    Column("seat", Integer, nullable=False),
    Column("policy_sha256", Digest, ForeignKey("policies.sha256"), nullable=False),
    # The envelope as the agent sent it; its policy is the published one.
    Column("policy", LargeBinary),
    Column("public_key", LargeBinary),
    Column("lines", Integer, nullable=False, default=0),
    Column("frontier", LargeBinary, nullable=False, default=b""),
    Column("signed", Integer, nullable=False, default=0),
    # enrolled, running, ended, erased
    Column("state", String(20), nullable=False, default="enrolled"),
    Column("enrolled", Moment, nullable=False),
    Column("began", Moment),
    Column("ended", Moment),
    # When the newest journal line was written, as it says itself.
    Column("last_line", Moment),
    Column("last_heard", Moment),
    # When retention has to look at it next; empty: at the next tick.
    Column("due", Moment, index=True),
    Index(None, "exam", "seat"),
)

batches = Table(
    "batches",
    metadata,
    Column("attempt", Attempt, ForeignKey("attempts.attempt"), primary_key=True),
    Column("first", Integer, primary_key=True, autoincrement=False),
    Column("last", Integer, nullable=False),
    Column("sha256", Digest, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("attempt", Attempt, ForeignKey("attempts.attempt"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("type", String(60), nullable=False),
    Column("sha256", Digest, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("attempt", Attempt, ForeignKey("attempts.attempt"), primary_key=True),
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("sha256", Digest, nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("countersigned", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
)

# One row a sealed record. state: sealed (announced by the journal), begun (parts arrive), stored, erased.
clips = Table(
    "clips",
    metadata,
    Column("attempt", Attempt, ForeignKey("attempts.attempt"), primary_key=True),
    Column("flag", Flag, primary_key=True),
    Column("sha256", Digest, nullable=False),
    Column("length", Integer, nullable=False),
    Column("line", Integer, nullable=False),
    # "clips" or "room_scan": which clock of the policy's retention it has.
    Column("what", String(20), nullable=False),
    Column("sealed", Moment, nullable=False),
    Column("state", String(10), nullable=False),
    Column("upload", String(40), unique=True),
    Column("arrived", Integer, nullable=False, default=0),
    Column("header_length", Integer, nullable=False, default=0),
    # Where the payload lies; empty where it does not, or no more.
    Column("blob", String(200), nullable=False, default=""),
    Column("stored", Moment),
    Column("erased", Moment),
    Column("why", Text, nullable=False, default=""),
    Index(None, "state"),
)

parts = Table(
    "parts",
    metadata,
    Column("upload", String(40), primary_key=True),
    Column("start", Integer, primary_key=True, autoincrement=False),
    Column("length", Integer, nullable=False),
    Column("blob", String(200), nullable=False),
    Column("at", Moment, nullable=False),
)

# In force only with two persons' approval: whoever writes a row has seen to that.
holds = Table(
    "holds",
    metadata,
    Column("hold", String(32), primary_key=True),
    Column("attempt", Attempt, ForeignKey("attempts.attempt"), nullable=False, index=True),
    # Flags, one a line; empty: all of the attempt.
    Column("flags", Text, nullable=False, default=""),
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", Moment, nullable=False),
    Column("made", Moment, nullable=False),
)

log_records = Table(
    "log_records",
    metadata,
    Column("position", Long, primary_key=True, autoincrement=False),
    Column("kind", String(60), nullable=False),
    Column("attempt", Attempt, index=True),
    Column("flag", Flag),
    Column("at", Moment, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(None, "kind"),
)

# Roots of complete subtrees: level 0 are the leaves. What proofs are made of.
log_nodes = Table(
    "log_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("place", Long, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

# One row, which whoever appends locks: size, and the roots of the largest complete subtrees.
log_head = Table(
    "log_head",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("size", Long, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
)

headers = Table(
    "clip_headers",
    headers_metadata,
    Column("attempt", Attempt, primary_key=True),
    Column("flag", Flag, primary_key=True),
    Column("sha256", Digest, nullable=False),
    Column("header", LargeBinary, nullable=False),
)
