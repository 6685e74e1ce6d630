"""``proctor crash``: the reports of mistakes in this program, to read, copy and erase. Nothing is ever sent."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "crash",
        help="reports of mistakes in this program: read them, erase them; nothing is sent",
        description="Where something went wrong inside this program, a report lies on this computer: where in the "
        "program it was, and nothing of yours. It is sent by nobody but you.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="file names, newest first")
    listed.set_defaults(run=run_list)
    shown = actions.add_parser("show", help="print one (default: the newest)")
    shown.add_argument("name", nargs="?", help="a file name that `list` shows")
    shown.set_defaults(run=run_show)
    erased = actions.add_parser("erase", help="erase one, or all")
    erased.add_argument("name", nargs="?", help="a file name that `list` shows (default: all)")
    erased.set_defaults(run=run_erase)


def run_list(arguments: argparse.Namespace) -> int:
    from proctor.session import crash, logs

    found = crash.reports()
    for report in found:
        print(report.name)
    if not found:
        print(f"There is none in {logs.folder()}.")
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError
    from proctor.session import crash, logs

    found = [crash.named(arguments.name)] if arguments.name else crash.reports()
    if not found:
        raise InputError(
            f"There is no report in {logs.folder()}: nothing went wrong inside this program."
        )
    print(found[0].read_text(encoding="utf-8"), end="")
    return 0


def run_erase(arguments: argparse.Namespace) -> int:
    from proctor.session import crash

    found = [crash.named(arguments.name)] if arguments.name else crash.reports()
    for report in found:
        report.unlink()
    print(f"{len(found)} erased.")
    return 0
