"""``proctor demo``: a sample exam from start to review, on this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proctor.session.movie import Scene

SAMPLE = "A sample exam, composed of freely licensed clips (docs/attributions.md)."
MADE = (
    "A generated recording: nobody is in it, so only camera, light and sound have something to see."
)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from proctor.cli.running import add_quiet

    parser = commands.add_parser(
        "demo",
        help="a sample exam, start to review, on this machine",
        description="Play a sample exam of about 90 seconds through the whole path, then show what "
        "a proctor would see.",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), help="folder for the case and the page"
    )
    parser.add_argument(
        "--made", action="store_true", help="use the generated recording even if the sample is here"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from policies.consent import accept_all
    from proctor.capture.replay import Recording
    from proctor.cli import running
    from proctor.evidence.keys import demo_identity
    from proctor.evidence.page import write_page
    from proctor.session.plan import make_plan
    from proctor.session.session import Session, choose_recipients

    quiet = arguments.quiet
    _fetch_networks(quiet)
    recording_path, scenes, title = _recording(arguments.made, quiet)
    plan = make_plan("standard", require_all=False)
    running.print_not_measured(plan, quiet)
    if not quiet:
        print(f"\n{title}\n")
    folder = arguments.out / datetime.now().strftime("%Y%m%d-%H%M%S")
    recording = Recording.open(recording_path)
    progress = running.Progress(recording.duration, quiet)
    try:
        with Session(
            plan,
            accept_all(plan.policy),
            folder / "case",
            recipients=choose_recipients(plan, []),
            on_flag=running.flag_printer(False, progress.write),
        ) as session:
            summary = session.replay(recording, progress)
    finally:
        progress.close()
    running.print_summary(summary, folder / "case", False, quiet)
    if not quiet:
        print("\nWhat was played:")
        for scene in scenes:
            print(f"  {running.clock_text(scene.start):>8}  {scene.title}")
    page = write_page(folder / "case", folder / "page.html", identities=[demo_identity()])
    print(f"\nWhat a proctor would see: {page.resolve().as_uri()}")
    if not arguments.no_browser and not quiet:
        _open(page)
    return 0


def _fetch_networks(quiet: bool) -> None:
    """Get the networks that can be had."""
    from models import registry
    from proctor.cli.models import install_with_bar
    from proctor.pipeline.plugins import discover

    for plugin in discover().values():
        for name in (*plugin.models, *plugin.optional_models):
            if registry.find(name) is not None:
                continue
            # What cannot be had is said by the plan: what is not measured, and what mends it.
            with suppress(registry.ModelError):
                install_with_bar(registry.manifest()[name], quiet=quiet)


def _recording(made: bool, quiet: bool) -> tuple[Path, Sequence[Scene], str]:
    """The sample exam where its clips can be had, else the recording that needs no download."""
    from models import registry
    from proctor.cli import running
    from proctor.session import made_recording, sample_exam

    folder = registry.cache_dir()
    if not made:
        try:
            with running.step_bar("sample exam", quiet) as bar:
                return sample_exam.compose(folder, bar), sample_exam.SCENES, SAMPLE
        except registry.ModelError as error:
            if not quiet:
                print(f"The sample exam cannot be had here: {error}", file=sys.stderr)
    with running.step_bar("recording", quiet) as bar:
        return made_recording.make(folder, bar), made_recording.SCENES, MADE


def _open(page: Path) -> None:
    """Open the page where there is a display to open it on."""
    import os
    import webbrowser

    if sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY"):
        webbrowser.open(page.resolve().as_uri())
