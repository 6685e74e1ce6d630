"""What an export says to the person who unpacks it: one page in plain words (rule O4)."""

from __future__ import annotations

import html
from collections.abc import Collection

from policies.schema import Policy
from proctor.evidence.untrusted import number, plain_title, text
from proctor.evidence.view import CaseView, Data
from proctor.evidence.words import NO_CLIP, clock

# A page lists as many flags as a person reads; the journal has all of them.
MOST_FLAGS = 1000


def text_of(view: CaseView, policy: Policy, clips: Collection[str], recipient: str) -> str:
    """The explanation of an export that holds ``clips``, for ``recipient`` (empty: as sealed)."""
    begun = text(view.records[0].get("time"), 40)
    lines = [
        "What this is",
        "",
        f"The record of one exam: {policy.exam}, {policy.institution}.",
        f"It began at {begun} (UTC) and has the number {view.attempt}.",
        f"Questions about it: {policy.contact}",
        "",
        "A computer watched for the moments listed below, as the exam's policy says. It decided nothing: "
        "a moment that is listed is one that a person may look at, and means nothing by itself.",
        "",
        "The moments",
        "",
        *(_flag(flag, view, clips, recipient) for flag in view.flags[:MOST_FLAGS]),
    ]
    if not view.flags:
        lines.append("None.")
    if len(view.flags) > MOST_FLAGS:
        lines.append(f"... and {len(view.flags) - MOST_FLAGS} more, which the journal lists.")
    lines += ["", "What is in the folder", "", *_FILES]
    if recipient:
        lines += [
            f"encrypted-anew/    the clips that were chosen, for this key alone: {recipient}",
            "",
            "How to open a clip",
            "",
            "  age -d -i YOUR-KEY -o clip.mp4 encrypted-anew/NAME.mp4.age",
        ]
    else:
        lines += [
            "case/clips/        the clips that were chosen, as they were sealed",
            "",
            "How to open a clip (with one of the keys for which it was sealed)",
            "",
            "  age -d -i YOUR-KEY -o clip.mp4 case/clips/NAME.mp4.age",
        ]
    return "\n".join([*lines, "", *_CHECKING]) + "\n"


_FILES = (
    "case/policy.dsse   the policy under which the exam was sat, signed",
    "case/journal.jsonl everything that was recorded, one line each, pictures and sound apart",
    "case/checkpoints/  signatures over the journal",
    "case/receipts/     what the student agreed to (where receipts were written)",
    "case/holds/        papers that keep it from being erased (where there are any)",
    "case/access/       who opened or exported what of this case, as their own machines signed it",
    "case/decisions/    what people said after looking, and why, each signed (where anybody did)",
    "proofs/            for each clip: that its line stands in the signed journal",
    "export.dsse        the list of these files, signed by whoever made the export",
    "verify_case.py     checks all of it",
)
_CHECKING = (
    "How to check it",
    "",
    "With Python 3.11 or later and its package 'cryptography':",
    "",
    "  python verify_case.py",
    "",
    "Add --root-key KEY with the institution's public key, which you should have from the institution "
    "itself and not from whoever gave you this folder. You may also take verify_case.py from the "
    "project instead of from here, for whoever gives you a folder could change the program in it.",
    "",
    "What it proves, and what not",
    "",
    "It proves that nothing in the journal was altered, removed, reordered or added after the student's "
    "computer signed it, and that sealed clips are those of the journal. It cannot prove that the camera "
    "saw a real scene, or that the program on that computer was honest. A clip that was encrypted anew "
    "is what its exporter says it is; the journal vouches for the sealed original. Clips that are not "
    "in here may have been left out of this export; ask for them.",
)


def page_of(told: str) -> str:
    """The same words as a page without scripts, in the type of the reader's own computer."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">\n'
        "<title>What this is</title>\n</head>\n<body>\n<main>\n"
        f"{_blocks(told)}\n</main>\n</body>\n</html>\n"
    )


def _blocks(told: str) -> str:
    """A short line without an end is a heading; lines that follow each other keep their shape."""
    blocks: list[str] = []
    for block in told.strip("\n").split("\n\n"):
        shown = html.escape(block)
        if "\n" not in block and len(block) < 80 and block[-1] not in ".:" and block[0] != " ":
            tag = "h1" if not blocks else "h2"
            blocks.append(f"<{tag}>{shown}</{tag}>")
        elif "\n" in block or block[0] == " ":
            blocks.append(f"<pre>{shown}</pre>")
        else:
            blocks.append(f"<p>{shown}</p>")
    return "\n".join(blocks)


def _flag(flag: Data, view: CaseView, clips: Collection[str], recipient: str) -> str:
    name = text(flag.get("id"), 100)
    start, end = number(flag.get("start")), number(flag.get("end"))
    if name in clips:
        clip = "clip encrypted anew" if recipient else "clip as sealed"
    else:
        clip = "clip not in this export" if name in view.sealed else NO_CLIP
    kind, why = plain_title(text(flag.get("kind"))), text(flag.get("why"))
    return f"{clock(start)} to {clock(end)}  {kind}: {why} [{name}; {clip}]"
