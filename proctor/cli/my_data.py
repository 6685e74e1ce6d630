"""``proctor my-data``: a student's own exams, what is kept of them, who looked, and what to say to it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policies.schema import Language
    from proctor.session.my_data import Mine


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "my-data",
        help="your own exams: what is kept, who looked, when it goes, and your side of it",
        description="What this computer keeps of your exams. Without more: a list of them.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run_list)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")

    show = actions.add_parser("show", help="everything about one exam")
    letter = actions.add_parser("letter", help="a one-page explanation, to read or to send")
    appeal = actions.add_parser("appeal", help="the text with which to ask for another look")
    comment = actions.add_parser(
        "comment", help="say your side of one flag, for whoever reviews it"
    )
    for action, run in (
        (show, run_show),
        (letter, run_letter),
        (appeal, run_appeal),
        (comment, run_comment),
    ):
        action.add_argument("exam", help="its name in the list, or the folder of its case")
        action.set_defaults(run=run)
    show.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object"
    )
    for action in (letter, appeal):
        action.add_argument("--lang", metavar="L", help="en, de, fr, es or nl (default: yours)")
        action.add_argument("--out", type=Path, metavar="FILE", help="write it to a new file")
    appeal.add_argument(
        "--flags", default="", metavar="A,B", help="only about these (default: all of them)"
    )
    comment.add_argument("flag", help="the flag, as `proctor my-data show` names it")
    comment.add_argument("words", help="what you say to it, in quotes")


def run_list(arguments: argparse.Namespace) -> int:
    from proctor.session.invitation import kept

    found = kept(lambda sentence: print(f"proctor: {sentence}", file=sys.stderr))
    if arguments.json:
        rows = [
            {
                "name": joined.folder.name,
                "exam": joined.policy.exam,
                "institution": joined.policy.institution,
                "contact": joined.policy.contact,
                "state": joined.state,
                "case": str(joined.case),
            }
            for joined in found
        ]
        print(json.dumps({"exams": rows}, ensure_ascii=False))
        return 0
    words = {"new": "not begun", "begun": "begun, not ended", "ended": "ended"}
    for joined in found:
        print(f"{joined.folder.name}\n  {joined.policy.exam}, {joined.policy.institution}")
        print(f"  {words[joined.state]}; questions: {joined.policy.contact}")
    if not found:
        print("No exam was joined by an invitation on this computer.")
    return 0


def _mine(exam: str) -> Mine:
    from proctor.session.my_data import find, gather
    from proctor.session.outcome import learn

    mine, sentences = learn(gather(find(exam)))
    for sentence in sentences:
        print(f"proctor: {sentence}", file=sys.stderr)
    return mine


def run_show(arguments: argparse.Namespace) -> int:
    mine = _mine(arguments.exam)
    if arguments.json:
        print(json.dumps(as_dict(mine), ensure_ascii=False))
        return 0
    print(_letter(mine, None), end="")
    print()
    for flag in mine.story.flags:
        print(f"{flag.number:>4}  {flag.id}: {flag.why}")
    print(
        f"\nEverything that is kept:        proctor case show {mine.folder}\n"
        f"To take along, with a verifier: proctor case export {mine.folder} --to my-exam.zip\n"
        f"Your side of a flag:            proctor my-data comment {arguments.exam} FLAG “…”"
    )
    return 0


def as_dict(mine: Mine) -> dict[str, Any]:
    """What a student is shown, for a machine. Moments are ISO 8601 in UTC."""
    told = mine.told
    return {
        "exam": told.policy.exam,
        "institution": told.policy.institution,
        "contact": told.policy.contact,
        "attempt": told.attempt,
        "began": told.began.isoformat() if told.began else None,
        "measured": list(told.measured),
        "not_measured_s": dict(told.unmeasured),
        "flags": [
            {
                "id": flag.id,
                "kind": flag.kind,
                "start": flag.start,
                "end": flag.end,
                "why": flag.why,
                "threshold": flag.rule.on if flag.rule else None,
                "clip": flag.clip is not None,
                "comment": flag.comment,
            }
            for flag in mine.story.flags
        ],
        "looks": [
            {
                "when": look.when.isoformat() if look.when else None,
                "who": look.who,
                "reason": look.reason,
            }
            for look in told.looks
        ],
        "decisions": [
            {
                "flag": said.note,
                "when": said.when.isoformat(),
                "who": said.who,
                "what": said.words,
                "reason": said.reason,
                "decides": said.decides,
            }
            for said in told.said
        ],
        "erased": list(told.erased),
        "erased_by": {kind: moment.isoformat() for kind, moment in told.until},
    }


def run_letter(arguments: argparse.Namespace) -> int:
    mine = _mine(arguments.exam)
    return _give(_letter(mine, _language(arguments.lang)), arguments.out)


def run_appeal(arguments: argparse.Namespace) -> int:
    from proctor.session.my_data import appeal

    flags = [flag for flag in arguments.flags.split(",") if flag]
    return _give(appeal(_mine(arguments.exam), _language(arguments.lang), flags), arguments.out)


def run_comment(arguments: argparse.Namespace) -> int:
    from proctor.session.my_data import comment, find

    comment(find(arguments.exam), arguments.flag, arguments.words)
    if not arguments.quiet:
        print("Kept with the flag, signed. Whoever reviews it reads it before they decide.")
    return 0


def _letter(mine: Mine, lang: Language | None) -> str:
    from proctor.cli.policy_text import parts_of
    from proctor.session.my_data import letter

    return letter(mine, parts_of(mine.told.policy), lang)


def _language(given: str | None) -> Language | None:
    from policies.errors import PolicyError
    from policies.texts import texts
    from proctor.errors import InputError

    if given is None:
        return None
    try:
        return texts(given).lang
    except PolicyError as error:
        raise InputError(str(error)) from error


def _give(words: str, out: Path | None) -> int:
    from proctor.errors import InputError
    from proctor.evidence.disk import said_plainly, write_new

    if out is None:
        print(words, end="")
        return 0
    if out.exists():
        raise InputError(f"{out} is there already; choose another name.")
    with said_plainly(f"the letter {out}"):
        write_new(out, words.encode("utf-8"))
    return 0
