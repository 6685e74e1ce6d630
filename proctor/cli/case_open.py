"""``proctor case open``: one sealed clip, in memory, once it is on record who opened it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from proctor.cli import passphrase

if TYPE_CHECKING:
    from pyrage import x25519

    from proctor.evidence.view import CaseView


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    opening = actions.add_parser(
        "open",
        help="open one sealed clip",
        description="Open one sealed clip in memory and say what is in it. Nothing is written to disk "
        "unless --to is given. The case's access log says who opened what, when and why.",
    )
    opening.add_argument("case", type=Path, help="folder of the case")
    opening.add_argument("flag", help="id of the flag, as `proctor case show` lists it")
    opening.add_argument(
        "--identity", type=Path, metavar="FILE", help="key file (default: this machine's demo key)"
    )
    opening.add_argument(
        "--escrow",
        type=Path,
        metavar="FILE",
        help="open with the spare key in the last layer of this file; --identity is the last holder's",
    )
    opening.add_argument(
        "--to",
        type=Path,
        metavar="FILE",
        help="write the opened clip to this file, unsealed; needs --reason",
    )
    add_who(opening)
    passphrase.add_option(opening)
    opening.set_defaults(run=run)


def add_who(parser: argparse.ArgumentParser) -> None:
    """Add who does it and why, as the access log will say."""
    parser.add_argument(
        "--name", metavar="TEXT", help="who you are, for the access log (default: your account)"
    )
    parser.add_argument(
        "--reason", default="", metavar="TEXT", help="why, in a sentence that the access log keeps"
    )


def run(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError
    from proctor.evidence import access
    from proctor.evidence.apart import Apart
    from proctor.evidence.case import Case
    from proctor.evidence.keys import demo_identity, load_identity
    from proctor.evidence.opening import opened

    case = Case.read(arguments.case)
    if arguments.to is not None and arguments.to.exists():
        raise InputError(f"There is a file {arguments.to} already; name another with --to.")
    if arguments.escrow and not arguments.identity:
        raise InputError("--escrow needs --identity as well: the key file of the last holder.")
    ask = passphrase.asker(arguments.passphrase_file)
    identities = load_identity(arguments.identity, ask) if arguments.identity else [demo_identity()]
    if arguments.escrow:
        identities = [_spare(case, arguments.escrow, identities)]
    data = opened(
        case,
        arguments.flag,
        identities,
        access.local_reader(arguments.name),
        reason=arguments.reason,
        written=arguments.to is not None,
        escrow=arguments.escrow is not None,
    )
    with Apart() as apart:
        found = apart.info(data)
    record = case.sealed[arguments.flag]
    picture = (
        f"{found.width}x{found.height}, {found.pictures} pictures" if found.has_video else "none"
    )
    sound = f"{found.rate} Hz" if found.has_audio else "none"
    print(f"{arguments.flag}: {found.duration:.1f} s, {found.length:,} bytes")
    print(f"  from {record.get('start')} s to {record.get('end')} s of the session")
    print(f"  picture: {picture}\n  sound: {sound}")
    if arguments.to is None:
        print("  Opened in memory only; --to FILE writes it where you say.")
    else:
        _write(arguments.to, data)
        print(f"  Written unsealed to {arguments.to}: anyone who can read that file can see it.")
    return 0


def _spare(case: CaseView, path: Path, identities: list[x25519.Identity]) -> x25519.Identity:
    """The escrow key of the case's policy, in memory."""
    from policies import load
    from policies.errors import PolicyError
    from proctor.cli.keys_escrow import read_layered
    from proctor.errors import InputError
    from proctor.evidence import escrow

    try:
        named = load.parse(case.policy, "of this case").escrow.recipient
    except PolicyError as error:
        raise InputError(str(error)) from error
    if not named:
        raise InputError(
            "The policy of this case names no escrow, so no spare key opens its clips."
        )
    return escrow.last(read_layered(path), identities, named)


def _write(path: Path, data: bytes) -> None:
    from proctor.evidence.disk import said_plainly, write_in_place

    with said_plainly(f"the clip {path}"):
        write_in_place(path, data)
