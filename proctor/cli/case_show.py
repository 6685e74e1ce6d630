"""``proctor case show``: what a case tells, on the terminal, as JSON, or as the page a proctor sees."""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proctor.cli import case_looks, case_open, passphrase

if TYPE_CHECKING:
    from pyrage import x25519

    from proctor.evidence.keys import Ask
    from proctor.evidence.show import Shown
    from proctor.evidence.story import FlagStory, ScanStory, Story

# A table wider than this is hard to read, however wide the terminal.
MOST_COLUMNS = 110
INDENT = " " * 18


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``show`` to the actions of ``proctor case``."""
    parser = actions.add_parser(
        "show",
        help="what a case tells: flags, what was not measured, whether it is whole",
        description="Show a case. The page that --html writes holds no pictures unless --identity "
        "is given; then only those of clips which that key opens.",
    )
    parser.add_argument("case", type=Path, help="folder of the case")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the page a proctor sees")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument(
        "--identity",
        action="append",
        metavar="KEYFILE",
        help="a key that opens clips: a file, or a name that `proctor keys list` shows "
        "(may be given again); the page then holds pictures",
    )
    parser.add_argument(
        "--builds",
        type=Path,
        metavar="FILE",
        help="the institution's list of builds, if you have it",
    )
    parser.add_argument(
        "--embed-clips",
        action="store_true",
        help="put the opened clips themselves into the page, with sound and unencrypted",
    )
    case_open.add_who(parser)
    passphrase.add_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError
    from proctor.evidence.attestation import read_list
    from proctor.evidence.show import gather

    for given, name, needed in (
        (arguments.identity, "--identity", arguments.html),
        (arguments.embed_clips, "--embed-clips", arguments.html and arguments.identity),
    ):
        if given and not needed:
            wanted = "--html FILE" if name == "--identity" else "--html FILE and --identity KEYFILE"
            raise InputError(f"{name} is about the pictures in a page; give {wanted} with it.")
    if arguments.embed_clips and not arguments.reason.strip():
        raise InputError("A page with clips in it is on record with the reason: give --reason.")
    listed = read_list(arguments.builds) if arguments.builds else None
    shown = gather(arguments.case, listed=listed)
    if arguments.html is not None:
        from proctor.evidence.page import write_page

        identities = None
        if arguments.identity:
            ask = passphrase.asker(arguments.passphrase_file)
            identities = identities_of(arguments.identity, ask)
            _note(arguments, identities)
        write_page(
            arguments.case,
            arguments.html,
            identities=identities,
            embed_clips=arguments.embed_clips,
            listed=listed,
        )
    if arguments.json:
        print(json.dumps(as_dict(shown), ensure_ascii=False, allow_nan=False))
    elif arguments.html is None:
        print(as_text(shown, arguments.case))
    elif not arguments.quiet:
        print(arguments.html.resolve().as_uri())
    return 0


def _note(arguments: argparse.Namespace, identities: list[x25519.Identity]) -> None:
    """Put on record that a page with pictures is written, before it is."""
    from proctor.evidence import access
    from proctor.evidence.view import read

    case = read(arguments.case)
    facts = {
        "flags": sorted(case.sealed),
        "keys": [str(identity.to_public()) for identity in identities],
        "clips_inside": arguments.embed_clips,
    }
    reader = access.local_reader(arguments.name)
    access.note(case, reader, access.SHOWN, facts, reason=arguments.reason)


def identities_of(given: list[str], ask: Ask) -> list[x25519.Identity]:
    """The identities in key files, each given as a file or by the name that ``keys list`` shows."""
    from proctor.evidence.keys import SUFFIX, keys_dir, load_identity

    found = []
    for text in given:
        path = Path(text)
        named = keys_dir() / f"{text}{SUFFIX}"
        if not path.exists() and path.name == text and named.exists():
            path = named
        found += load_identity(path, ask)
    return found


def as_dict(shown: Shown) -> dict[str, Any]:
    """Everything the terminal shows, for a machine. Times are session seconds."""
    story = shown.story
    return {
        "exam": story.exam,
        "institution": story.institution,
        "policy": {
            "id": story.policy_id,
            "version": story.policy_version,
            "sha256": story.policy_sha256,
        },
        "attempt": story.attempt,
        "began": story.began.isoformat() if story.began else None,
        "seconds": story.seconds,
        "ended": story.ended,
        "recipients": list(story.recipients),
        "flags": [_flag_dict(flag) for flag in story.flags],
        "flags_left_out": story.flags_left_out,
        "room_scans": [asdict(scan) for scan in story.scans],
        "not_run": [
            {"detector": a.detector, "what": list(a.titles), "why": a.why, "mend": a.mend}
            for a in story.absent
        ],
        "not_measured_s": {row.kind: round(row.unmeasured_s, 2) for row in story.rows},
        "gaps": [{"start": g.start, "end": g.end, "why": g.sentence} for g in story.gaps],
        "losses": [{"t": e.start, "what": e.title, "why": e.sentence} for e in story.losses],
        "totals": dict(story.totals),
        "records": story.records,
        "unreadable": story.unreadable,
        "checks": [{"code": c.code, "ok": c.ok, "detail": c.detail} for c in shown.checks],
        "notes": list(shown.notes),
        **case_looks.as_dicts(shown),
        "attestation": {
            "label": shown.attestation.label,
            "reasons": [
                {"code": r.code, "sentence": r.sentence} for r in shown.attestation.reasons
            ],
        },
    }


def _flag_dict(flag: FlagStory) -> dict[str, Any]:
    clip = flag.clip
    return {
        "id": flag.id,
        "kind": flag.kind,
        "title": flag.title,
        "start": flag.start,
        "end": flag.end,
        "peak": flag.peak,
        "why": flag.why,
        "clip": None
        if clip is None
        else {"start": clip.start, "end": clip.end, "bytes": clip.length, "sha256": clip.sha256},
        "no_clip": flag.no_clip,
        "comment": flag.comment,
    }


def as_text(shown: Shown, folder: Path) -> str:
    """The case as a table for a terminal."""
    width = min(MOST_COLUMNS, shutil.get_terminal_size().columns)
    lines = _head(shown.story, width)
    for note in shown.notes:
        lines += _wrapped(note, width, "")
    lines += ["", _lead(shown.story), ""]
    for flag in shown.story.flags:
        lines += _flag_lines(flag, width)
    if shown.story.flags_left_out:
        lines.append(f"  … and {shown.story.flags_left_out} more in the journal.")
    for scan in shown.story.scans:
        lines += _scan_lines(scan, width)
    lines += _not_measured(shown.story, width)
    lines += _checks(shown, width)
    lines += _attestation(shown, width)
    lines += case_looks.as_lines(shown, width)
    lines += _how_to_go_on(shown.story, folder)
    return "\n".join(lines)


def _head(story: Story, width: int) -> list[str]:
    from proctor.evidence.words import clock

    began = f"{story.began:%Y-%m-%d %H:%M} UTC, " if story.began else ""
    policy = f"policy {story.policy_id} version {story.policy_version or '?'}"
    facts = (
        f"{began}{clock(story.seconds)} long; {policy}; attempt {story.attempt or 'not recorded'}."
    )
    title = f"{story.exam}, {story.institution}" if story.institution else story.exam
    lines = [title, *_wrapped(facts, width, "")]
    if not story.ended:
        lines.append("The record stops before the end of the exam.")
    return lines


def _lead(story: Story) -> str:
    from proctor.evidence.words import lead

    return f"{lead(story)} Nothing here is a verdict."


def _flag_lines(flag: FlagStory, width: int) -> list[str]:
    from proctor.evidence.words import clock

    end = "not closed" if flag.end is None else clock(flag.end)
    when = f"{clock(flag.start)} – {end}"
    first = f"{flag.number:>4}  {when:<{len(INDENT) - 6}}"
    if flag.clip is not None:
        seconds = flag.clip.end - flag.clip.start
        clip = f"{flag.id}: sealed clip of {seconds:.1f} s"
    else:
        clip = f"{flag.id}: no clip, {flag.no_clip or 'none was sealed'}"
    why = textwrap.wrap(
        flag.why or flag.title, width, initial_indent=first, subsequent_indent=INDENT
    )
    said = _wrapped(f"The student: “{flag.comment}”", width, INDENT) if flag.comment else []
    return [*why, *_wrapped(clip, width, INDENT), *said]


def _scan_lines(scan: ScanStory, width: int) -> list[str]:
    from proctor.evidence.words import direction, share_seen

    lines = ["", f"Room scan {scan.name}"]
    asked = f" Asked for by {scan.asked_by}." if scan.asked_by else ""
    lines += _wrapped(f"{share_seen(scan)}{asked} {scan.reason}", width, "  ")
    for thing in scan.things:
        line = f"{thing.title}, {direction(thing.yaw)}, in {thing.looks} pictures"
        lines += _wrapped(line, width, "  ")
    if not scan.things:
        lines.append("  Nothing was listed in it.")
    for sentence in scan.not_listed:
        lines += _wrapped(sentence, width, "  ")
    return lines


def _not_measured(story: Story, width: int) -> list[str]:
    from proctor.evidence.words import amount, clock, sentence

    lines = ["", "Not measured"]
    for item in story.absent:
        what = ", ".join(item.titles) or item.detector
        lines += _wrapped(f"{what}: {sentence(item.why or 'it did not run')}", width, "  ")
        if item.mend:
            lines += _wrapped(item.mend, width, "    ")
    for gap in story.gaps:
        lines += _wrapped(
            f"The agent did not run from {clock(gap.start)} to {clock(gap.end)}: {gap.sentence}",
            width,
            "  ",
        )
    for loss in story.losses[:20]:
        lines += _wrapped(f"{loss.title} at {clock(loss.start)}: {loss.sentence}", width, "  ")
    parts = [
        f"{row.title} {amount(round(row.unmeasured_s, 1))} s"
        for row in story.rows
        if not row.why_not and row.unmeasured_s >= 0.1
    ]
    if parts:
        lines += _wrapped(f"Could not tell: {'; '.join(parts)}.", width, "  ")
    return lines if len(lines) > 2 else [*lines, "  Nothing: every detector could tell throughout."]


def _checks(shown: Shown, width: int) -> list[str]:
    from proctor.evidence.words import answer

    unsure = [check for check in shown.checks if answer(check) != "yes"]
    passed = len(shown.checks) - len(unsure)
    lines = ["", f"Is it whole and unchanged? {passed} of {len(shown.checks)} checks answered yes."]
    for check in unsure:
        sign = "NO  " if answer(check) == "no" else "open"
        lines += _wrapped(f"{sign} {check.title}: {check.detail}", width, "  ")
    return lines


def _attestation(shown: Shown, width: int) -> list[str]:
    found = shown.attestation
    lines = ["", f"The program and its devices: {found.label}"]
    for reason in found.reasons:
        lines += _wrapped(f"- {reason.sentence}", width, "  ")
    return lines + _wrapped(found.sentence, width, "  ")


def _how_to_go_on(story: Story, folder: Path) -> list[str]:
    lines = ["", "How to go on"]
    sealed = next((flag.id for flag in story.flags if flag.clip is not None), None)
    lines.append(f"  the page, safe to share      proctor case show {folder} --html page.html")
    if sealed is not None:
        lines += [
            f"  the page with pictures       proctor case show {folder} --html page.html "
            f"--identity KEYFILE",
            f"  one clip                     proctor case open {folder} {sealed} --identity KEYFILE",
        ]
    return lines


def _wrapped(line: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(line, width, initial_indent=indent, subsequent_indent=indent + "  ")
