"""The hub's tables about staff: accounts, log-ins, assignments, decisions, looks, proposals.

Secrets are hashed, or encrypted where they are needed again. Statements are kept as they were signed.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
)

from proctor.hub.tables import Attempt, Digest, Exam, Flag, Moment, metadata

# 32 hexadecimal digits.
_ID = 32

staff = Table(
    "staff",
    metadata,
    Column("id", String(_ID), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("roles", String(200), nullable=False),
    # Argon2id in its own text form; empty: this person comes by OpenID Connect only.
    Column("password", Text, nullable=False),
    Column("must_change", Boolean, nullable=False),
    # AES-GCM; see proctor.hub.secret.
    Column("totp", LargeBinary, nullable=True),
    # The last time step whose code was used: no code counts twice (RFC 6238, 5.2).
    Column("totp_step", Integer, nullable=False),
    # The subject at the OpenID provider.
    Column("subject", String(255), nullable=True, unique=True),
    Column("disabled", Boolean, nullable=False),
    Column("created", Moment, nullable=False),
)

staff_keys = Table(
    "staff_keys",
    metadata,
    # SHA-256 of the raw Ed25519 key. A key belongs to one person for ever, also when it was replaced:
    # what it signed before must stay checkable.
    Column("key", Digest, primary_key=True),
    Column("person", String(_ID), ForeignKey("staff.id"), nullable=False, index=True),
    Column("public", LargeBinary, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=True),
)

staff_recovery = Table(
    "staff_recovery",
    metadata,
    Column("code", Digest, primary_key=True),
    Column("person", String(_ID), ForeignKey("staff.id"), nullable=False, index=True),
    Column("used", Moment, nullable=True),
)

staff_failures = Table(
    "staff_failures",
    metadata,
    # The SHA-256 of "account:NAME" or "address:IP", so that a mistyped password given as a name is not kept.
    Column("what", Digest, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("last", Moment, nullable=False),
)

staff_tokens = Table(
    "staff_tokens",
    metadata,
    Column("token", Digest, primary_key=True),
    Column("person", String(_ID), ForeignKey("staff.id"), nullable=False, index=True),
    Column("created", Moment, nullable=False),
    Column("used", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    # Only the password may be changed with it.
    Column("limited", Boolean, nullable=False),
)

staff_tickets = Table(
    "staff_tickets",
    metadata,
    Column("ticket", Digest, primary_key=True),
    Column("person", String(_ID), ForeignKey("staff.id"), nullable=False),
    # base64url of the SHA-256 of the console's verifier (RFC 7636).
    Column("challenge", String(43), nullable=False),
    Column("expires", Moment, nullable=False),
)

# What staff see of a flag; see proctor.hub.flags. Session seconds for ``start`` and ``end``.
flags = Table(
    "flags",
    metadata,
    Column("attempt", Attempt, ForeignKey("attempts.attempt"), primary_key=True),
    Column("flag", Flag, primary_key=True),
    Column("exam", Exam, nullable=False),
    Column("kind", String(60), nullable=False),
    Column("start", Double, nullable=False),
    Column("end", Double),
    # When the hub heard of it, and when it expires unless somebody decides.
    Column("at", Moment, nullable=False),
    Column("deadline", Moment, nullable=False),
    # When the hub first had a comment of the student, and their latest words.
    Column("commented", Moment),
    Column("comment", Text, nullable=False),
    Column("state", String(20), nullable=False),
    # Which look comes next, until when the student may comment, and what was decided.
    Column("look", String(10)),
    Column("until", Moment),
    Column("verdict", String(40)),
    # Whether a second person looks although nobody doubts (None: not drawn yet), and how the flag shows itself
    # meanwhile to whoever has not looked; see proctor.hub.extra_looks.
    Column("drawn", Boolean, nullable=True),
    Column("extra", String(20), nullable=False, server_default=""),
    Column("extra_until", Moment),
    Index("ix_flags_extra", "extra", "extra_until"),
    Index(None, "exam", "state"),
    Index(None, "state", "deadline"),
)

# Who has a flag on the desk, until when. One row a flag: a flag waits for one look at a time.
assignments = Table(
    "assignments",
    metadata,
    Column("attempt", Attempt, primary_key=True),
    Column("flag", Flag, primary_key=True),
    Column("person", String(_ID), ForeignKey("staff.id"), nullable=False, index=True),
    Column("until", Moment, nullable=False),
)

# Statements about flags as they were signed; nothing is ever changed or removed here.
decisions = Table(
    "decisions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    # SHA-256 of the signed payload, by which a withdrawal names it.
    Column("id", Digest, nullable=False, unique=True),
    Column("attempt", Attempt, nullable=False),
    Column("flag", Flag, nullable=False),
    Column("person", String(_ID), ForeignKey("staff.id"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    # An extra look: it is kept and changes nothing.
    Column("extra", Boolean, nullable=False, server_default=false()),
    Index(None, "attempt", "flag"),
)

looks = Table(
    "looks",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("attempt", Attempt, nullable=False, index=True),
    Column("flag", Flag, nullable=False),
    Column("person", String(_ID), ForeignKey("staff.id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
    # SHA-256 of the signed payload: a record opens a clip once.
    Column("id", Digest, nullable=False, unique=True),
    Column("envelope", LargeBinary, nullable=False),
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", String(_ID), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("attempt", Attempt, nullable=False, index=True),
    # Names of flags with newlines between them; empty: all of the attempt.
    Column("flags", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # When a hold ends.
    Column("until", Moment, nullable=True),
    Column("proposer", String(_ID), ForeignKey("staff.id"), nullable=False),
    Column("proposed", Moment, nullable=False),
    Column("approver", String(_ID), ForeignKey("staff.id"), nullable=True),
    Column("approved", Moment, nullable=True),
    Column("payload_sha256", Digest, nullable=False, unique=True),
    Column("envelope", LargeBinary, nullable=False),
)
