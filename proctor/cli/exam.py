"""``proctor exam``: a live exam in the terminal, with this computer's camera and microphone."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.consent import Answers
    from policies.schema import Policy
    from policies.texts import Texts
    from proctor.session.devices import Devices


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from proctor.cli import passphrase
    from proctor.cli.case_send import add_options
    from proctor.cli.running import add_session_options

    parser = commands.add_parser(
        "exam",
        help="a live exam with this computer's camera and microphone",
        description="Open the student's window, from the invitation to the receipt. With --case, or with "
        "--terminal, the same in this terminal: Ctrl-C ends it, and everything is kept.",
    )
    parser.add_argument(
        "invitation",
        nargs="?",
        help="the invitation of the institution: a file, or the link that begins with open-proctor:",
    )
    add_session_options(parser, invited=True)
    parser.add_argument(
        "--terminal", action="store_true", help="in this terminal, without a window"
    )
    parser.add_argument(
        "--recording",
        type=Path,
        metavar="FILE",
        help="a recording that poses as camera and microphone (in the window)",
    )
    parser.add_argument("--minutes", type=float, default=None, help="end by itself after this long")
    parser.add_argument("--camera", default="0", help="camera number or device path")
    parser.add_argument("--microphone", default=None, help="microphone name or number")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the exam in --case after a crash; what was withdrawn stays withdrawn",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="begin with half a minute in which the screen, the light and the room's sound are "
        "learned; without it wider limits hold",
    )
    parser.add_argument(
        "--own-copy",
        action="store_true",
        help="make yourself a key to the clips, under a passphrase, where the policy grants one",
    )
    passphrase.add_option(parser)
    add_options(parser)
    parser.set_defaults(run=run, code="")


def run(arguments: argparse.Namespace) -> int:
    from policies.texts import texts
    from policies.texts.told import tell
    from proctor.cli import running
    from proctor.errors import ProctorError

    if not arguments.terminal and arguments.case is None:
        return _window(arguments)
    t = texts(running.language_of(arguments.lang or running.system_language()))
    try:
        return _terminal(arguments, t)
    except ProctorError as error:
        # The sentence in the student's language, where it is one of those that a student may meet.
        error.args = (tell(t, str(error)),)
        raise


def _terminal(arguments: argparse.Namespace, t: Texts) -> int:
    """The exam by typed lines, in the language of ``t``."""
    from policies.texts.live import said
    from policies.texts.told import tell
    from proctor.cli import calibrate, case_send, exam_page, joining, running
    from proctor.cli.controls import Controls
    from proctor.errors import InputError
    from proctor.session import delivery, live_link, own_copy
    from proctor.session.plan import make_plan
    from proctor.session.session import Session, choose_recipients

    if arguments.invitation:
        joining.follow(arguments, t)
    elif arguments.case is None:
        raise InputError("Give an invitation, or a new folder for the case with --case DIR.")
    plan = make_plan(
        arguments.policy or "standard", roots=arguments.root, addendum=arguments.addendum
    )
    answers = None
    if not arguments.resume:
        if arguments.own_copy:
            own_copy.check(plan.policy, arguments.case)
        recipients = choose_recipients(plan, arguments.recipient, running.tell)
        running.print_not_measured(plan, arguments.quiet, t)
        answers = running.get_consent(plan, arguments.consent, t.lang)
        if arguments.own_copy:
            recipients += _own_key(arguments, plan.policy, answers, t)
    elif arguments.own_copy:
        raise InputError("This exam has begun; --own-copy is for the beginning of one.")
    limit = float("inf") if arguments.minutes is None else arguments.minutes * 60.0
    progress = running.Progress(None if arguments.minutes is None else limit, arguments.quiet, t)
    on_flag = running.flag_printer(arguments.json, progress.write, t)
    devices = _devices(arguments)
    asked_to_end = False

    def say(english: str) -> None:
        progress.tell(tell(t, english))

    def hear(told: live_link.Told) -> None:
        words = {"by": told.by, "text": told.text, "contact": plan.policy.contact}
        progress.tell(said(t, told.what, minutes=told.minutes, **words))

    def end(signum: int, frame: FrameType | None) -> None:
        nonlocal asked_to_end
        asked_to_end = True

    def begin() -> Session:
        if answers is None:
            return Session.reopen(plan, arguments.case, on_flag=on_flag, on_notice=say)
        return Session(
            plan,
            answers,
            arguments.case,
            recipients=recipients,
            on_flag=on_flag,
            on_notice=say,
        )

    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), end)
    try:
        with (
            begin() as session,
            delivery.sending(session, arguments.code, arguments.kbit, say) as courier,
            live_link.linked(session, arguments.code, hear, courier) as link,
            exam_page.listening(session, progress.tell, t),
            calibrate.walking(session, arguments.calibrate, say),
        ):
            controls = Controls(session, say, link, t)
            controls.listen()

            # The devices of what is agreed to now; made anew after every break.
            summary = session.live(
                lambda: devices.sources(
                    session.clock, session.sensor("camera"), session.sensor("microphone")
                ),
                until=lambda t: (
                    asked_to_end
                    or controls.ended
                    or t >= limit + (60.0 * link.extra_minutes if link is not None else 0.0)
                ),
                on_progress=progress,
            )
    finally:
        progress.close()
    running.print_summary(summary, arguments.case, arguments.json, arguments.quiet, t)
    came = delivery.send_rest(
        plan.policy.hub,
        arguments.case,
        arguments.code,
        arguments.kbit,
        lambda english: case_send.teller(arguments.quiet)(tell(t, english)),
    )
    if not (arguments.json or arguments.quiet):
        case_send.say(came, arguments.case, t)
    return 0


def _own_key(
    arguments: argparse.Namespace, policy: Policy, answers: Answers, t: Texts
) -> tuple[str, ...]:
    """The public half of a key that is made for the student; none where no clip will be kept."""
    from policies.texts import terminal
    from proctor.cli import passphrase, running
    from proctor.session import own_copy

    if not answers.granted.get("clips"):
        running.tell(t.say(terminal.OWN_KEY_NONE))
        return ()
    ask = passphrase.asker(arguments.passphrase_file, twice=True, t=t)
    made = own_copy.make(policy, arguments.case, ask(own_copy.key_path(arguments.case)))
    running.tell(t.say(terminal.OWN_KEY, path=str(made.path)))
    return (made.recipient,)


def _window(arguments: argparse.Namespace) -> int:
    """The same exam with windows; what only a terminal has is refused in a sentence."""
    from proctor.cli.apps import start
    from proctor.errors import InputError

    names = (
        *("policy", "root", "addendum", "recipient", "json", "minutes", "resume", "calibrate"),
        *("own_copy", "passphrase_file"),
    )
    given = [name for name in names if getattr(arguments, name)]
    if given or arguments.consent != "ask":
        raise InputError(
            f"--{(given or ['consent'])[0].replace('_', '-')} is for an exam in the terminal; give --terminal with an "
            f"invitation, or --case DIR."
        )
    return start(
        "student",
        invitation=arguments.invitation or "",
        lang=arguments.lang,
        devices=_devices(arguments),
    )


def _devices(arguments: argparse.Namespace) -> Devices:
    """The devices as typed."""
    from proctor.session.devices import Devices, named

    microphone = named(arguments.microphone) if arguments.microphone else None
    return Devices(named(arguments.camera), microphone, arguments.recording)
