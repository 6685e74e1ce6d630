"""``proctor review``: the window in which a person looks at a case and says what they see."""

from __future__ import annotations

import argparse
from pathlib import Path

from proctor.cli import passphrase


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "review",
        help="look at what was noted in a case, and say what you see, in a window",
        description="The console of a human proctor. Each look at a clip is on record before the clip "
        "opens, and what is said is signed. Exit code 3: no display, or no Qt.",
    )
    parser.add_argument(
        "case",
        nargs="?",
        type=Path,
        metavar="CASE",
        help="folder of a case (default: it is asked for)",
    )
    parser.add_argument(
        "--hub",
        nargs="?",
        const="",
        metavar="URL",
        help="work at a hub: what is going on, its queue, and its cases (without an address: the last one)",
    )
    parser.add_argument("--name", metavar="WHO", help="who looks (default: the account's name)")
    parser.add_argument(
        "--identity",
        action="append",
        default=[],
        metavar="KEYFILE",
        help="a key that opens clips: a file, or a name that `proctor keys list` shows (may be given "
        "again; default: those of this machine that fit)",
    )
    passphrase.add_option(parser)
    parser.add_argument(
        "--lang", choices=("en", "de", "fr", "es", "nl"), help="language (default: the system's)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from proctor.cli.apps import start
    from proctor.cli.case_show import identities_of
    from proctor.errors import InputError

    if arguments.hub is not None and (arguments.case is not None or arguments.name):
        raise InputError(
            "At a hub, cases come from its queue and your name is that of your account: give --hub "
            "without a folder and without --name."
        )
    ask = passphrase.asker(arguments.passphrase_file)
    return start(
        "console",
        hub=arguments.hub,
        case=arguments.case,
        who=arguments.name,
        identities=identities_of(arguments.identity, ask),
        lang=arguments.lang,
    )
