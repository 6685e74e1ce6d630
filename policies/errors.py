"""What can be wrong with a policy or a consent, as sentences."""

from __future__ import annotations


class PolicyError(Exception):
    """The policy is not usable; ``str(error)`` says which file, key and line, and what is allowed."""


class Refused(PolicyError):
    """The policy may be well written, but the agent must not follow it: signature, time or version."""


class GrantError(Exception):
    """A sensor or a step was asked for that no live grant covers."""
