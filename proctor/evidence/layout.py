"""Where things lie in a case folder, and how its journal names an attempt."""

from __future__ import annotations

import re

POLICY = "policy.dsse"
JOURNAL = "journal.jsonl"
CLIPS = "clips"
CHECKPOINTS = "checkpoints"
LOCK = ".lock"
RECEIPT = "receipt.html"
RECEIPTS = "receipts"
HOLDS = "holds"
ACCESS = "access"
DECISIONS = "decisions"
HUB = "hub"

CLIP_SUFFIX = ".mp4.age"
NOTE_SUFFIX = ".note"
CONSENT_SUFFIX = ".jsonld"
HOLD_SUFFIX = ".dsse"
DECISION_SUFFIX = ".dsse"
LOG_SUFFIX = ".jsonl"
ACCESS_FILE = re.compile(r"[0-9a-f]{16}\.(jsonl|note)")
DECISION = re.compile(r"[0-9a-f]{32}\.dsse")
ACCESS_LOG = re.compile(r"[0-9a-f]{16}\.jsonl")
FLAG_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
ATTEMPT = re.compile(r"[0-9a-f]{32}")

# Every folder that a case may have.
FOLDERS = (CLIPS, CHECKPOINTS, RECEIPTS, HOLDS, ACCESS, DECISIONS, HUB)

# The longest clip a policy can ask for takes about 10 MB; clip.py opens none above 64 MB.
MAX_SEALED = 70_000_000


def clip_name(flag_id: str) -> str:
    """The clip's path below the case folder, with forward slashes on every system."""
    return f"{CLIPS}/{flag_id}{CLIP_SUFFIX}"


def consent_name(number: int) -> str:
    """The path below the case folder of the receipt of the ``number``-th consent event (from 1)."""
    return f"{RECEIPTS}/{number:03d}{CONSENT_SUFFIX}"


def hold_name(number: int) -> str:
    """The path below the case folder of the ``number``-th hold (from 1)."""
    return f"{HOLDS}/{number:03d}{HOLD_SUFFIX}"


def note_name(size: int) -> str:
    """The checkpoint's path below the case folder."""
    return f"{CHECKPOINTS}/{size:08d}{NOTE_SUFFIX}"


def expected(name: str) -> bool:
    """Whether a case may hold the file ``name`` (its path below the folder, with forward slashes)."""
    if name in (POLICY, JOURNAL, LOCK, RECEIPT):
        return True
    below, _, file = name.partition("/")
    if below == CLIPS:
        return file.endswith(CLIP_SUFFIX)
    if below == ACCESS:
        return file == LOCK or ACCESS_FILE.fullmatch(file) is not None
    if below == DECISIONS:
        return DECISION.fullmatch(file) is not None
    if below == HUB and file in ("hub.json", "log.note"):
        return True
    suffix = {
        HUB: NOTE_SUFFIX,
        CHECKPOINTS: NOTE_SUFFIX,
        RECEIPTS: CONSENT_SUFFIX,
        HOLDS: HOLD_SUFFIX,
    }
    stem = file.removesuffix(suffix.get(below, ""))
    return stem != file and stem.isdigit()
