"""``proctor case prove``: show that one record stands in a signed journal, without the rest of it."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser(
        "prove",
        help="prove that a record stands in the signed journal",
        description="Write a proof (C2SP tlog-proof) that a record stands in the journal which the "
        "newest checkpoint signs. Whoever has the record's line and the attempt's public key can check "
        "it without the rest of the case.",
    )
    parser.add_argument("case", type=Path, help="folder of the case")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("record", nargs="?", type=int, metavar="RECORD", help="number of the record")
    what.add_argument(
        "--since",
        type=int,
        metavar="SIZE",
        help="prove instead that the newest checkpoint extends the one over SIZE records (the form "
        "that a C2SP tlog-witness takes)",
    )
    parser.add_argument("--to", type=Path, metavar="FILE", help="write it here (default: print it)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError
    from proctor.evidence import proof
    from proctor.evidence.disk import said_plainly, write_new

    provable = proof.load(arguments.case)
    if arguments.record is not None:
        made = provable.inclusion(arguments.record)
    else:
        made = provable.consistency(arguments.since)
    if arguments.to is None:
        print(made.decode("utf-8"), end="")
        return 0
    if arguments.to.exists():
        raise InputError(f"There is a file {arguments.to} already; name another with --to.")
    with said_plainly(f"the proof {arguments.to}"):
        write_new(arguments.to, made)
    print(f"Written to {arguments.to}.")
    return 0
