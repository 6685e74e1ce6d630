"""``proctor case send``: deliver a case to its hub, now or later, as often as it takes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.texts import Texts
    from proctor.session.delivery import Delivered


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``send`` to the actions of ``proctor case``."""
    parser = actions.add_parser(
        "send",
        help="deliver a case to the hub",
        description="Deliver a case: policy, journal, checkpoints and sealed clips. What arrived once is "
        "not sent again, also after a crash. Exit code 0: everything arrived; 1: something did not.",
    )
    parser.add_argument("case", type=Path, help="folder of the case")
    parser.add_argument(
        "--hub", metavar="URL", help="address of the hub (default: the one that the policy names)"
    )
    add_options(parser)
    parser.add_argument(
        "--code-file", type=Path, metavar="FILE", help="a file with the code of the invitation"
    )
    parser.add_argument(
        "--events-only", action="store_true", help="leave the clips here; send everything else"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        metavar="N",
        help="give up after this long (default: not before everything has arrived)",
    )
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command that delivers."""
    parser.add_argument(
        "--kbit",
        type=float,
        default=0.0,
        metavar="N",
        help="send at most this many kilobits a second (default: as fast as it goes)",
    )


def run(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError
    from proctor.session.delivery import deliver, make_sender

    hub = arguments.hub or _policy_hub(arguments.case)
    if not hub:
        raise InputError("The policy of this case names no hub; give its address with --hub URL.")
    code = _code(arguments.code_file) if arguments.code_file else ""
    sender = make_sender(arguments.case, hub, code, arguments.kbit, teller(arguments.quiet))
    sender.events_only = arguments.events_only
    came = deliver(sender, arguments.minutes)
    if not arguments.quiet:
        say(came, arguments.case)
    return 0 if came.whole and not came.doubts else 1


def teller(quiet: bool) -> Callable[[str], None]:
    """What says a sentence to the person at the terminal, apart from the output."""

    def tell(sentence: str) -> None:
        if not quiet:
            print(sentence, file=sys.stderr, flush=True)

    return tell


def say(came: Delivered | None, folder: Path, t: Texts | None = None) -> None:
    """How far a delivery came, and how to go on with it, in the language of ``t``."""
    from policies.texts import terminal, texts
    from policies.texts.told import tell

    if came is None:
        return
    t = t or texts()
    print(t.say(terminal.ARRIVED, done=came.counts.done, waiting=came.counts.waiting))
    for kind, name, why in came.refused:
        print(f"  {t.say(terminal.NOT_TAKEN, kind=kind, name=name, why=tell(t, why))}")
    for sentence in came.doubts:
        print(t.say(terminal.DOUBT, sentence=tell(t, sentence)))
    if came.counts.waiting:
        print(t.say(terminal.STILL_HERE, command=f"proctor case send {folder}"))


def _policy_hub(folder: Path) -> str:
    from policies import load
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence import view

    try:
        return load.parse(view.read(folder).policy, "of this case").hub
    except PolicyError as error:
        raise InputError(str(error)) from error


def _code(path: Path) -> str:
    from proctor.errors import InputError
    from proctor.evidence.disk import read_bounded

    try:
        code = read_bounded(path, 1000).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise InputError(f"The code in {path} cannot be read: {error}.") from error
    if not code.isalnum():
        raise InputError(f"{path} holds no code of an invitation: letters and digits in one line.")
    return code
