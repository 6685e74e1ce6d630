"""``proctor case export``: hand a case over, whole or in part, to one who can check it."""

from __future__ import annotations

import argparse
from pathlib import Path

from proctor.cli import case_open, passphrase


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser(
        "export",
        help="pack a case into one zip that others can check",
        description="Write policy, journal, checkpoints, receipts, proofs, clips, an explanation in "
        "plain words and a verifier into one zip. Clips go as they were sealed; with --recipient they "
        "are opened in memory and encrypted for that key alone. Nothing is written unencrypted. The case's "
        "access log says who made it, and goes along.",
    )
    parser.add_argument("case", type=Path, help="folder of the case")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FILE.zip", help="the zip to write"
    )
    parser.add_argument(
        "--flags",
        nargs="*",
        metavar="ID",
        help="only the clips of these flags; without an id: no clip (default: every clip)",
    )
    parser.add_argument(
        "--recipient",
        default="",
        metavar="KEY",
        help="encrypt the clips for this age public key alone",
    )
    parser.add_argument(
        "--identity",
        type=Path,
        metavar="FILE",
        help="with --recipient: key file that opens the clips",
    )
    parser.add_argument(
        "--research",
        action="store_true",
        help="a copy for research, where the student agreed to that; `case erase` says when it must go",
    )
    case_open.add_who(parser)
    passphrase.add_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError
    from proctor.evidence import access, keys
    from proctor.evidence.export import export
    from proctor.evidence.verify import verify

    if bool(arguments.recipient) != bool(arguments.identity):
        raise InputError(
            "--recipient and --identity belong together: to encrypt a clip for someone "
            "else, it must be opened first."
        )
    if arguments.recipient and not arguments.reason.strip():
        raise InputError(
            "Who gets clips that were not sealed for them is on record with the reason: give --reason."
        )
    if arguments.recipient:
        _check_recipient(arguments.case, arguments.recipient)
    ask = passphrase.asker(arguments.passphrase_file)
    identities = keys.load_identity(arguments.identity, ask) if arguments.identity else []
    made = export(
        arguments.case,
        arguments.to,
        reader=access.local_reader(arguments.name),
        reason=arguments.reason,
        flags=arguments.flags,
        recipient=arguments.recipient,
        identities=identities,
        research=arguments.research,
    )
    whom = f"for {made.recipient}" if made.recipient else "as they were sealed"
    print(f"{arguments.to}: {len(made.clips)} clips {whom}, {len(made.left_out)} left out.")
    failed = [check.code for check in verify(arguments.case) if not check.ok]
    if failed:
        print(
            f"Note: this case does not pass every check ({', '.join(failed)}), and says so there too."
        )
    print("Whoever gets it: unpack it, read explanation.txt, run `python verify_case.py`.")
    return 0


def _check_recipient(folder: Path, recipient: str) -> None:
    """No clip is encrypted for a key that the institution revoked."""
    from policies import load
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence.view import read
    from proctor.session.recipients import check_not_revoked

    try:
        institution = load.parse(read(folder).policy, "of this case").institution
    except PolicyError as error:
        raise InputError(str(error)) from error
    check_not_revoked(institution, recipient)
