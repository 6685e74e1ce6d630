"""``proctor replay``: a recording through the whole path."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from proctor.cli.running import add_session_options

    parser = commands.add_parser(
        "replay",
        help="run a recording through the whole path, as fast as this machine can",
        description="Run a video or audio file through detectors, rules, sealing and the journal.",
    )
    parser.add_argument("recording", type=Path, help="any common video or audio file")
    add_session_options(parser)
    parser.add_argument(
        "--real-time", action="store_true", help="at the speed of a live exam, as devices would"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the replay in --case after a crash, from where it stopped",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from proctor.capture.replay import RealTimeReplay, Recording
    from proctor.cli import running
    from proctor.errors import InputError
    from proctor.session.plan import make_plan
    from proctor.session.session import Session, choose_recipients

    if arguments.resume and arguments.real_time:
        raise InputError(
            "--resume goes on where a recording stopped, and --real-time plays it from its begin: "
            "give one of them."
        )
    running.language_of(arguments.lang)
    plan = make_plan(arguments.policy, roots=arguments.root, addendum=arguments.addendum)
    recording = Recording.open(arguments.recording)
    answers = None
    if not arguments.resume:
        recipients = choose_recipients(plan, arguments.recipient, running.tell)
        running.print_not_measured(plan, arguments.quiet)
        answers = running.get_consent(plan, arguments.consent, arguments.lang)
    progress = running.Progress(recording.duration, arguments.quiet)
    on_flag = running.flag_printer(arguments.json, progress.write)

    def begin() -> Session:
        if answers is None:
            return Session.reopen(plan, arguments.case, recorded=True, on_flag=on_flag)
        return Session(plan, answers, arguments.case, recipients=recipients, on_flag=on_flag)

    try:
        with begin() as session:
            if arguments.real_time:
                source = RealTimeReplay(
                    recording,
                    session.clock,
                    camera=session.sensor("camera"),
                    microphone=session.sensor("microphone"),
                )
                summary = session.live(
                    [source], until=lambda t: False, on_progress=progress, kind="replay"
                )
            else:
                summary = session.replay(recording, progress)
    finally:
        progress.close()
    running.print_summary(summary, arguments.case, arguments.json, arguments.quiet)
    return 0
