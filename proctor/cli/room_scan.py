"""``proctor room-scan``: a sweep of the room, from a recording or a camera, sealed only after a yes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policies.consent import Answers, Grant
    from proctor.session.plan import Plan
    from proctor.session.room_list import Thing
    from proctor.session.room_scan import RoomScan
    from proctor.session.sweep import Measured, View
    from proctor.types import Frame


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "room-scan",
        help="a 360-degree sweep of the room, where the policy offers one",
        description="Film a sweep of the room, say how much of the circle was seen, and seal it. The "
        "student is asked at this moment; a yes given before does not count.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--from", dest="recording", type=Path, metavar="FILE", help="a recording")
    source.add_argument("--camera", metavar="N", help="camera number or device path")
    parser.add_argument(
        "--retake",
        type=Path,
        metavar="FILE",
        help="a second recording that takes the place of the first, which is forgotten",
    )
    parser.add_argument("--policy", required=True, help="a policy that offers a room scan")
    parser.add_argument(
        "--root",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="root file of the institution that signed the policy (default: those installed here)",
    )
    parser.add_argument(
        "--addendum",
        type=Path,
        metavar="FILE",
        help="what is arranged for this student: a file that the institution signed (.dsse)",
    )
    parser.add_argument(
        "--case", type=Path, required=True, help="folder of the exam's case, or of a new one"
    )
    parser.add_argument(
        "--consent",
        default="ask",
        metavar="ask|all|FILE",
        help="ask (default), accept, or read a file that answers room_scan and nothing else",
    )
    parser.add_argument("--lang", default="en", help="language of the question: en, de, fr, es, nl")
    parser.add_argument(
        "--blur",
        action="append",
        default=[],
        metavar="X,Y,W,H@START-END",
        help="make a rectangle unreadable before sealing (fractions of the picture, seconds)",
    )
    parser.add_argument("--asked-by", default="", metavar="NAME", help="who asks for a second scan")
    parser.add_argument(
        "--reason", default="", metavar="TEXT", help="why a second scan is asked for"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument(
        "--quiet", action="store_true", default=argparse.SUPPRESS, help="no progress bar"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from proctor.session import room_list
    from proctor.session.plan import make_plan
    from proctor.session.room_scan import Asked, Blur, RoomScan, check_asked

    plan = make_plan(
        arguments.policy, roots=arguments.root, require_all=False, addendum=arguments.addendum
    )
    asked = Asked(arguments.asked_by, arguments.reason)
    blurs = [Blur.parse(text) for text in arguments.blur]
    check_asked(plan.policy, _records(plan, arguments.case), asked)
    answers = _consent(plan, arguments.consent, arguments.lang)
    with _opened(plan, arguments.case, answers, asked) as (case, grant, began):
        if grant is None:
            instead = plan.policy.purposes["room_scan"].alternative
            print(f"No room scan is made. What holds instead: {instead}", file=sys.stderr)
            return 0
        lookers = room_list.lookers(_plugins(), off=plan.arranged)
        scan = RoomScan(case, plan.policy, grant, asked, began=began)
        measured = _film(scan, arguments)
        for region in blurs:
            scan.blur(region)
        if not _handed_over(arguments, measured):
            scan.drop()
            print("Nothing was kept.", file=sys.stderr)
            return 0
        name, things = scan.seal(lookers)
    _print(name, measured, things, list(lookers.missing), arguments)
    return 0


def _plugins() -> Any:
    from proctor.pipeline.plugins import discover

    return discover()


def _records(plan: Plan, folder: Path) -> list[Any]:
    """What the case holds already; nothing when it does not exist yet."""
    from proctor.errors import InputError
    from proctor.evidence import layout
    from proctor.evidence.case import Case

    if not (folder / layout.JOURNAL).is_file():
        return []
    case = Case.read(folder)
    agreed = case.consent.get("policy")
    if not isinstance(agreed, dict) or agreed.get("sha256") != plan.policy_sha256:
        raise InputError(f"The case {folder} was begun under another policy; give that one.")
    if case.consent.get("addendum_sha256", "") != plan.addendum_sha256:
        raise InputError(
            f"The case {folder} was begun with another addendum, or without; give the same."
        )
    return list(case.records)


def _consent(plan: Plan, how: str, lang: str) -> Answers:
    """The answer to the one question; a file that answers anything else is for another moment."""
    from dataclasses import replace

    from policies.engine import lawful
    from proctor.cli.running import read_answers
    from proctor.errors import InputError

    only = {"room_scan": plan.policy.purposes["room_scan"]}
    asked = replace(plan, policy=plan.policy.model_copy(update={"purposes": only}))
    try:
        return lawful(asked.policy, read_answers(asked, how, lang))
    except InputError as error:
        if how in ("ask", "all"):
            raise
        raise InputError(
            f"{error} A room scan is agreed to by itself: the file answers room_scan and nothing else."
        ) from error


@contextmanager
def _opened(
    plan: Plan, folder: Path, answers: Answers, asked: Any
) -> Iterator[tuple[Any, Grant | None, float]]:
    """The case, with the answer on its disk; the grant, if it was a yes; and the present second."""
    from datetime import UTC, datetime

    from policies.sign import PAYLOAD_TYPE, envelope
    from proctor.clock import SessionClock
    from proctor.evidence import layout
    from proctor.evidence.case import Case
    from proctor.evidence.keys import local_signing_key
    from proctor.session.record import consent_record
    from proctor.session.room_scan import record_answer

    if (folder / layout.JOURNAL).is_file():
        case = Case.resume(folder)
        began = (datetime.now(UTC) - case.anchor).total_seconds()
        new = False
    else:
        case = Case.create(
            folder,
            policy_envelope=plan.policy_envelope
            or envelope(plan.policy_bytes, PAYLOAD_TYPE, [local_signing_key()]),
            consent=consent_record(plan, answers, []),
            wall=SessionClock().wall,
        )
        began, new = 0.0, True
    try:
        yield case, record_answer(case, plan.policy, answers, asked, began, new=new), began
    finally:
        case.close()


def _film(scan: RoomScan, arguments: argparse.Namespace) -> Measured:
    """The sweep, and the one that takes its place."""
    if arguments.camera is None:
        for path in (arguments.recording, arguments.retake):
            if path is not None:
                measured = _filmed(scan, _recorded(scan, path), arguments.quiet)
        return measured
    while True:
        measured = _filmed(scan, _live(scan, arguments.camera), arguments.quiet)
        if not (sys.stdin.isatty() and _said("again", "Film the sweep again, or go on?", "on")):
            return measured


def _filmed(scan: RoomScan, frames: Iterator[Frame], quiet: bool) -> Measured:
    with _ring(quiet) as show:
        return scan.film(frames, show)


def _recorded(scan: RoomScan, path: Path) -> Iterator[Frame]:
    from proctor.capture.replay import Recording
    from proctor.errors import InputError
    from proctor.session.room_scan import FPS
    from proctor.types import Frame

    recording = Recording.open(path)
    if not recording.has_video:
        raise InputError(f"The recording {path} holds no pictures.")
    for item in recording.samples(camera=scan.lens(), microphone=None, fps=FPS):
        if isinstance(item, Frame):
            yield item


def _live(scan: RoomScan, name: str) -> Iterator[Frame]:
    from proctor.capture.camera import Camera
    from proctor.clock import SessionClock
    from proctor.session.room_scan import FPS, live

    device = int(name) if name.isdigit() else name
    return live(Camera(scan.lens(), SessionClock(), device=device, fps=FPS), lambda: False)


@contextmanager
def _ring(quiet: bool) -> Iterator[Callable[[View], None]]:
    """A bar that fills with the degrees seen, and what to do next."""
    from tqdm import tqdm

    from proctor.session.sweep import HINTS

    with tqdm(
        total=360,
        unit="°",
        desc="seen",
        disable=True if quiet else None,
        bar_format="{desc} |{bar}| {n:.0f} of 360° {postfix}",
    ) as bar:

        def show(view: View) -> None:
            bar.n = view.degrees_seen
            bar.set_postfix_str(HINTS[view.hint], refresh=False)
            bar.update(0)

        yield show


def _handed_over(arguments: argparse.Namespace, measured: Measured) -> bool:
    """Whether the student hands the film over, once they know what it shows."""
    if arguments.consent != "ask" or not sys.stdin.isatty():
        return True
    print(_sentence(measured), file=sys.stderr)
    return _said("seal", "Seal it for the people named in the policy, or drop it?", "drop")


def _said(word: str, question: str, other: str) -> bool:
    print(f"{question} ({word} / {other}) ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() == word


def _sentence(measured: Measured) -> str:
    if measured.coverage is None:
        return f"How much of the room was seen could not be told. {measured.why_not}"
    return (
        f"{measured.coverage:.0%} of the circle was seen, at least {measured.at_least:.0%}; the camera "
        f"turned over {measured.widest:.0f}° (standard error {measured.error:.0%}, "
        f"known from: {measured.known_from})."
    )


def _print(
    name: str,
    measured: Measured,
    things: list[Thing],
    missing: list[str],
    arguments: argparse.Namespace,
) -> None:
    from proctor.session.room_scan import numbers, thing_facts

    if arguments.json:
        facts = {
            "scan": name,
            **numbers(measured),
            "things": [thing_facts(thing) for thing in things],
            "not_listed": missing,
        }
        print(json.dumps({"room_scan": facts}, ensure_ascii=False))
        return
    print(f"{name} is sealed in {arguments.case}.\n{_sentence(measured)}")
    for thing in things:
        where = "somewhere" if thing.yaw is None else f"{thing.yaw % 360:.0f}° to the right"
        print(f"  {thing.kind:<16} at {thing.t:.1f} s, {where}, in {thing.looks} pictures")
    for sentence in missing:
        print(f"  {sentence}")
