"""Tables of what happens during an exam: alerts for the people on duty, heartbeats, and commands.

None of them is evidence: that is in the journal of each attempt and in the hub's log.
"""

from __future__ import annotations

import sqlalchemy as sa

from proctor.hub.tables import metadata

# SQLite gives a row a rising number only where its key is a plain INTEGER.
_RISING = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# ``data`` is a small JSON object. Rows are removed after a day: who was away for longer asks for the rows
# of the wall anew.
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", _RISING, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("exam", sa.String(64), nullable=False),
    sa.Column("attempt", sa.String(32), nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index(None, "at"),
    sqlite_autoincrement=True,
)

# The last that was heard of each agent. Times are seconds since 1970 by the hub's clock; ``skew`` is how
# far the agent's clock is ahead of it (s).
heartbeats = sa.Table(
    "heartbeats",
    metadata,
    sa.Column("attempt", sa.String(32), primary_key=True),
    sa.Column("heard", sa.Double, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("since", sa.Double, nullable=False),
    sa.Column("delivery", sa.String(16), nullable=False),
    sa.Column("help", sa.Integer, nullable=False),
    sa.Column("skew", sa.Double, nullable=False),
)

# What a person asked an agent for, and what became of it. ``outcome`` is empty until the agent says it.
commands = sa.Table(
    "commands",
    metadata,
    sa.Column("id", _RISING, primary_key=True, autoincrement=True),
    sa.Column("attempt", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("minutes", sa.Double, nullable=False),
    sa.Column("person", sa.String(100), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("signed", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("expires", sa.Double, nullable=False),
    sa.Column("handed", sa.Double, nullable=True),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("outcome_at", sa.Double, nullable=True),
    sa.Index(None, "attempt", "outcome"),
    sqlite_autoincrement=True,
)
