"""``proctor exam``: a live exam in the terminal, with this computer's camera and microphone."""

from __future__ import annotations

import argparse
import signal
from types import FrameType


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from proctor.cli.running import add_session_options

    parser = commands.add_parser(
        "exam",
        help="a live exam with this computer's camera and microphone",
        description="Run a live exam in the terminal. Ctrl-C ends it; everything is kept.",
    )
    add_session_options(parser)
    parser.add_argument("--minutes", type=float, default=None, help="end by itself after this long")
    parser.add_argument("--camera", default="0", help="camera number or device path")
    parser.add_argument("--microphone", default=None, help="microphone name or number")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from proctor.capture.camera import Camera
    from proctor.capture.microphone import Microphone
    from proctor.capture.source import Source
    from proctor.cli import running
    from proctor.session.plan import make_plan
    from proctor.session.session import FPS, Session, choose_recipients, require_some_sensor

    plan = make_plan(arguments.policy, roots=arguments.root)
    recipients = choose_recipients(plan, arguments.recipient)
    running.print_not_measured(plan, arguments.quiet)
    answers = running.get_consent(plan, arguments.consent, arguments.lang)
    require_some_sensor(answers)
    limit = float("inf") if arguments.minutes is None else arguments.minutes * 60.0
    progress = running.Progress(None if arguments.minutes is None else limit, arguments.quiet)
    on_flag = running.flag_printer(arguments.json, progress.write)
    asked_to_end = False

    def end(signum: int, frame: FrameType | None) -> None:
        nonlocal asked_to_end
        asked_to_end = True

    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), end)
    try:
        with Session(
            plan, answers, arguments.case, recipients=recipients, on_flag=on_flag
        ) as session:
            sources: list[Source] = []
            if "camera" in session.grants:
                device = int(arguments.camera) if arguments.camera.isdigit() else arguments.camera
                sources.append(
                    Camera(session.grants["camera"], session.clock, device=device, fps=FPS)
                )
            if "microphone" in session.grants:
                name = arguments.microphone
                device = int(name) if name is not None and name.isdigit() else name
                sources.append(
                    Microphone(session.grants["microphone"], session.clock, device=device)
                )
            summary = session.live(
                sources, until=lambda t: asked_to_end or t >= limit, on_progress=progress
            )
    finally:
        progress.close()
    running.print_summary(summary, arguments.case, arguments.json, arguments.quiet)
    return 0
