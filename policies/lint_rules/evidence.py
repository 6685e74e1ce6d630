"""Clips: how much they show, and who can open them."""

from __future__ import annotations

from collections.abc import Iterable

from policies.lint_rules.base import BASE, Hit, Pack, View

_pack = Pack("CLIP")

# Our own bounds: what a reviewer needs to judge one act, and no more.
LONG_CLIP_S = 20.0
LONG_BEFORE_S = 10.0


@_pack.warning(
    "clips that nobody named can open",
    "Students cannot be told who will see them, and a key given at the start is easily the wrong one.",
    "POLICY P3; GDPR Art. 13(1)(e)",
    "Put the public keys of at least two reviewers into `recipients` (`proctor keys new`).",
)
def _nobody(view: View) -> Iterable[Hit]:
    if view.real and view.asks("clips") and not view.policy.recipients:
        yield Hit(("recipients",), "Clips are recorded, yet no recipient is named.")


@_pack.warning(
    "one recipient only",
    "If that one key is lost or its holder ill, nobody can look, and flags expire unseen.",
    BASE + "; POLICY O2",
    "Name a second recipient, or an escrow (`proctor keys escrow new`).",
)
def _one(view: View) -> Iterable[Hit]:
    alone = len(view.policy.recipients) == 1 and not view.policy.escrow.recipient
    if view.real and view.asks("clips") and alone:
        yield Hit(("recipients",), "A single key opens every clip.")


@_pack.warning(
    "the same recipient twice",
    "Two entries look like two people, and are one key.",
    BASE,
    "Remove the second entry, or put the other person's key there.",
)
def _twice(view: View) -> Iterable[Hit]:
    for name, keys in (
        (("recipients",), view.policy.recipients),
        (("room_scan", "recipients"), view.policy.room_scan.recipients),
    ):
        if len(set(keys)) < len(keys):
            yield Hit(name, f"{len(keys)} entries hold {len(set(keys))} different keys.")


@_pack.warning(
    "recipients without anything to open",
    "The student's notice would name people who see clips that are never made.",
    "GDPR Art. 5(1)(a)",
    "Remove the recipients, or ask for the purpose clips.",
)
def _nothing_to_open(view: View) -> Iterable[Hit]:
    if view.policy.recipients and not view.asks("clips"):
        yield Hit(("recipients",), "Recipients are named, yet no clips are recorded.")
    if view.policy.escrow.recipient and not view.asks("clips"):
        yield Hit(("escrow",), "An escrow is named, yet no clips are recorded.")


@_pack.warning(
    f"clips longer than {LONG_CLIP_S:.0f} s",
    "An act can be judged in less; the rest shows a home and the people in it.",
    "GDPR Art. 5(1)(c); " + BASE,
    f"Set clips.max_s to at most {LONG_CLIP_S:.0f} s, or write down why more is needed.",
)
def _long(view: View) -> Iterable[Hit]:
    clips = view.policy.clips
    if view.asks("clips") and clips.max_s > LONG_CLIP_S:
        yield Hit(("clips", "max_s"), f"A clip may last {clips.max_s:g} s.")


@_pack.warning(
    f"more than {LONG_BEFORE_S:.0f} s before the flag",
    "Most of what is kept then was never flagged.",
    "POLICY P2; GDPR Art. 5(1)(c)",
    f"Set clips.pre_roll_s to at most {LONG_BEFORE_S:.0f} s.",
)
def _before(view: View) -> Iterable[Hit]:
    clips = view.policy.clips
    if view.asks("clips") and clips.pre_roll_s > LONG_BEFORE_S:
        yield Hit(("clips", "pre_roll_s"), f"{clips.pre_roll_s:g} s before a flag are kept.")


@_pack.warning(
    "clips for practice",
    "Nothing hangs on a practice exam, so nobody needs to see it from another room.",
    "GDPR Art. 5(1)(c)",
    "Leave the purpose clips out for practice, unless the point is to show students their own clips.",
)
def _practice(view: View) -> Iterable[Hit]:
    # With recipients written in, somebody else gets to see them; without, they stay a demonstration.
    if not (view.real or view.asks("research")) and view.asks("clips") and view.policy.recipients:
        yield Hit(("purposes", "clips"), "A practice exam sends clips to others.")


@_pack.warning(
    "a spare key that one reviewer can nearly use alone",
    "Whoever holds a part of the spare key and reviews as well needs few others to open clips unseen.",
    BASE,
    "Give the parts of the spare key to people who do not review, or raise escrow.threshold.",
)
def _near_spare(view: View) -> Iterable[Hit]:
    escrow = view.policy.escrow
    both = set(escrow.holders) & {*view.policy.recipients, *view.policy.room_scan.recipients}
    if len(both) >= escrow.threshold - 1 and both:
        yield Hit(("escrow", "holders"), f"{len(both)} of its holders open clips already.")


RULES = _pack.rules
