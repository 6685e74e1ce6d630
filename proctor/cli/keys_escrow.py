"""``proctor keys escrow``: a spare key to clips that several people can only use together."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from proctor.cli import passphrase

if TYPE_CHECKING:
    from proctor.evidence import escrow

TABLE = "escrow.toml"


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser(
        "escrow",
        help="a spare key that several people can only use together",
        description="The escrow key exists only inside nested age files: one for each choice of holders "
        "who are enough, each holder's layer inside the other's. A policy names its public half.",
    )
    steps = parser.add_subparsers(title="steps", metavar="STEP", required=True)

    new = steps.add_parser("new", help="make an escrow key for its holders")
    new.add_argument(
        "--holders",
        nargs="+",
        required=True,
        metavar="KEY",
        help="each holder's age public key, or a file with it, in the order of their numbers",
    )
    new.add_argument(
        "--threshold", type=int, required=True, metavar="K", help="how many must act together"
    )
    new.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new folder for the nested files"
    )
    new.set_defaults(run=run_new)

    peel = steps.add_parser("peel", help="take your layer off, and pass the result on")
    peel.add_argument("file", type=Path, help="the nested file, or what the holder before made")
    peel.add_argument(
        "--identity", type=Path, required=True, metavar="FILE", help="your own key file"
    )
    peel.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the rest goes")
    passphrase.add_option(peel)
    peel.set_defaults(run=run_peel)

    check = steps.add_parser(
        "check",
        help="see whether the last layer holds the escrow key, and show it to nobody",
        description="A rehearsal for the last holder: opens the last layer in memory and compares the "
        "key in it with the policy's. Exit code 0: it is the escrow key.",
    )
    check.add_argument("file", type=Path, help="what the holder before made")
    check.add_argument(
        "--identity", type=Path, required=True, metavar="FILE", help="your own key file"
    )
    check.add_argument(
        "--table",
        type=Path,
        required=True,
        metavar="FILE.toml",
        help="the table with the escrow's public key: escrow.toml, or a policy",
    )
    passphrase.add_option(check)
    check.set_defaults(run=run_check)


def run_new(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError
    from proctor.evidence import escrow
    from proctor.evidence.disk import said_plainly, write_new, write_secret
    from proctor.evidence.keys import recipient_of

    folder: Path = arguments.out
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; name a new folder with --out.")
    made = escrow.make([recipient_of(key) for key in arguments.holders], arguments.threshold)
    with said_plainly(f"the escrow files in {folder}"):
        for name, layered in made.files.items():
            write_secret(folder / name, layered)
        write_new(folder / TABLE, _table(made).encode("utf-8"))
    print(f"public key: {made.recipient}")
    print(f"            {folder / TABLE} is the table for the policy")
    print(
        f"{len(made.files)} files in {folder}, each for {made.threshold} of {len(made.holders)} holders: "
        f"the numbers in a name say who, in which order. Keep copies; no single one opens anything."
    )
    return 0


def _table(made: escrow.Escrow) -> str:
    import tomlkit

    document = tomlkit.document()
    document.add(
        tomlkit.comment("For the policy of the exam. The holders' numbers are their places here.")
    )
    table = tomlkit.table()
    table.add("recipient", made.recipient)
    table.add("threshold", made.threshold)
    table.add("holders", tomlkit.item(list(made.holders)).multiline(True))
    document.add("escrow", table)
    return tomlkit.dumps(document)


def run_peel(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError
    from proctor.evidence import escrow
    from proctor.evidence.disk import said_plainly, write_secret
    from proctor.evidence.keys import load_identity

    layered = read_layered(arguments.file)
    if arguments.out.exists():
        raise InputError(f"There is a file {arguments.out} already; name another with --out.")
    ask = passphrase.asker(arguments.passphrase_file)
    rest = escrow.peel(layered, load_identity(arguments.identity, ask))
    with said_plainly(f"the file {arguments.out}"):
        write_secret(arguments.out, rest)
    print(f"{arguments.out} is for the next holder; send it to them alone. It opens nothing yet.")
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    from proctor.evidence import escrow
    from proctor.evidence.keys import load_identity

    layered = read_layered(arguments.file)
    recipient = _named(arguments.table)
    ask = passphrase.asker(arguments.passphrase_file)
    escrow.last(layered, load_identity(arguments.identity, ask), recipient)
    print(f"The last layer holds the escrow key {recipient}. Nothing was written.")
    return 0


def _named(path: Path) -> str:
    """The escrow's public key in a file with an ``[escrow]`` table."""
    from policies import load
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence.disk import read_bounded

    try:
        raw = read_bounded(path, load.MAX_BYTES)
        table = load.document_of(raw, str(path), "table")[1].get("escrow")
        return str(table["recipient"]) if isinstance(table, dict) else ""
    except (OSError, ValueError, KeyError, PolicyError) as error:
        raise InputError(f"{path} names no escrow key ({error}).") from error


def read_layered(path: Path) -> bytes:
    """The bytes of a nested file; raises :class:`InputError`."""
    from proctor.errors import InputError
    from proctor.evidence import escrow
    from proctor.evidence.disk import read_bounded

    try:
        return read_bounded(path, escrow.MAX_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(f"The escrow file {path} cannot be read: {error}.") from error
