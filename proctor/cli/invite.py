"""``proctor invite``: the file or link with which a student joins an exam."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "invite",
        help="make the invitation with which a student joins an exam",
        description="Put a signed policy, the institution's root file and what is arranged for a student "
        "into one small file, or a link. `proctor exam INVITATION` opens it.",
    )
    parser.add_argument("--policy", type=Path, required=True, metavar="FILE", help="signed (.dsse)")
    parser.add_argument(
        "--root", type=Path, metavar="FILE", help="root file, for computers that do not know it yet"
    )
    parser.add_argument(
        "--addendum", type=Path, metavar="FILE", help="what is arranged for this student (.dsse)"
    )
    parser.add_argument(
        "--code",
        default="",
        help="the one-time code that the hub gave, where the policy names a hub",
    )
    parser.add_argument(
        "--begins", type=moment, metavar="TIME", help="from when on, such as 2027-01-31T08:00Z"
    )
    parser.add_argument("--ends", type=moment, metavar="TIME", help="until when")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file to write (NAME.proctor)")
    parser.add_argument("--link", action="store_true", help="print it as a link")
    parser.set_defaults(run=run)


def moment(text: str) -> datetime:
    """A time of the command line, which names its zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no time; write 2027-01-31T08:00Z") from error
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"'{text}' has no time zone; end it with Z or +01:00")
    return found


def run(arguments: argparse.Namespace) -> int:
    from policies import invitation as documents
    from proctor.errors import InputError
    from proctor.evidence.disk import said_plainly, write_new
    from proctor.session.invitation import make

    if arguments.out is None and not arguments.link:
        raise InputError("Say where the invitation goes: --out FILE, or --link to print it.")
    made = make(
        arguments.policy,
        root=arguments.root,
        addendum=arguments.addendum,
        code=arguments.code,
        begins=arguments.begins,
        ends=arguments.ends,
    )
    if arguments.out is not None:
        if arguments.out.exists():
            raise InputError(f"{arguments.out} is there already; choose another name.")
        with said_plainly(f"the invitation {arguments.out}"):
            write_new(arguments.out, documents.write(made))
        if not arguments.quiet:
            print(
                f"{arguments.out} is the invitation. It is for one student; send it to nobody else."
            )
    if arguments.link:
        print(documents.link(made))
    return 0
