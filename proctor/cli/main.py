"""The ``proctor`` command. Parsing imports nothing heavy; each command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from proctor.cli import welcome
from proctor.errors import ProctorError
from proctor.evidence import dumps

# One module a command group; each has ``add(subparsers)`` and sets ``run`` on its parsers.
GROUPS = (
    "demo", "exam", "invite", "replay", "room_scan", "case", "my_data", "policy", "institution", "review",
    "keys", "models", "plugin", "dataset", "evaluate", "evaluate_faces", "doctor", "crash", "hub",
)  # fmt: skip


class _Version(argparse.Action):
    """Looks the number up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **others: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **others)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"proctor {version('open-proctor')}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="proctor",
        description="Consent-first exam proctoring: a flag is a question to a person, never a verdict.",
        epilog="Exit codes: 0 done, 1 a check answered no, 2 wrong input, 3 this machine lacks something.",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars, no extra lines")
    parser.add_argument(
        "--version", action=_Version, help="which version this is, and nothing else"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    parser.set_defaults(run=welcome.run)
    for group in GROUPS:
        importlib.import_module(f"proctor.cli.{group}").add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. A user's mistake never ends in a traceback."""
    dumps.forbid()
    if getattr(sys, "frozen", False):
        # In a packed program the process that opens clips begins here, too.
        import multiprocessing

        multiprocessing.freeze_support()
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if argv is None:
        return _as_program(arguments)
    return _run(arguments)[0]


def _run(arguments: argparse.Namespace) -> tuple[int, BaseException | None]:
    """The exit code, and what went wrong if a person was told so."""
    try:
        code: int = arguments.run(arguments)
    except ProctorError as error:
        print(f"proctor: {error}", file=sys.stderr)
        return error.exit_code, error
    except KeyboardInterrupt as stop:
        print("proctor: stopped by you.", file=sys.stderr)
        return 130, stop
    except BrokenPipeError as gone:
        # The reader went away (`proctor … | head`); keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0, gone
    return code, None


def _as_program(arguments: argparse.Namespace) -> int:
    """As :func:`_run`, in a process of our own: with a log, and a report where this program is mistaken."""
    if arguments.run is welcome.run:
        code: int = welcome.run(arguments)
        return code
    from proctor.session import crash, logs

    # The group's name only: what follows it may be a file or a link of somebody.
    logs.begin(arguments.run.__module__.rpartition(".")[2])
    crash.watch_threads()
    try:
        code, error = _run(arguments)
    except Exception as mistake:
        code, error = crash.tell(mistake), mistake
    logs.end(code, error)
    return code


if __name__ == "__main__":
    sys.exit(main())
