"""``proctor case prove``: show that one record stands in a signed journal, or check that it was shown."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proctor.evidence.hub_receipts import HubKey


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser(
        "prove",
        help="prove that a record stands in the signed journal, or check such a proof",
        description="Write a proof (C2SP tlog-proof) that a record stands in the journal which the "
        "newest checkpoint signs, or check one. Whoever has the record's line and the attempt's public "
        "key can check it without the rest of the case: give a file with that line instead of the case.",
    )
    parser.add_argument(
        "case",
        type=Path,
        metavar="CASE",
        help="folder of the case; with --check also a file with the record's line, or with the older "
        "checkpoint",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("record", nargs="?", type=int, metavar="RECORD", help="number of the record")
    what.add_argument(
        "--since",
        type=int,
        metavar="SIZE",
        help="prove instead that the newest checkpoint extends the one over SIZE records (the form "
        "that a C2SP tlog-witness takes)",
    )
    what.add_argument(
        "--check",
        type=Path,
        metavar="FILE",
        help="check the proof in FILE, of either kind; exit code 1 where it does not hold",
    )
    parser.add_argument("--to", type=Path, metavar="FILE", help="write it here (default: print it)")
    parser.add_argument(
        "--key",
        metavar="KEY",
        help="with --check and without a case: the attempt's public key (base64), from the consent "
        "record",
    )
    parser.add_argument(
        "--hub",
        type=Path,
        metavar="FILE",
        help="with --check and without a case: the hub's name and key (hub/hub.json of a case, or what its "
        "address /v1/hub answers), so that its countersignature is checked, too",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError
    from proctor.evidence import proof
    from proctor.evidence.disk import said_plainly, write_new

    if arguments.check is not None:
        return _check(arguments)
    for name in ("key", "hub"):
        if getattr(arguments, name) is not None:
            raise InputError(f"--{name} is for checking a proof; give --check FILE with it.")
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


def _check(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError
    from proctor.evidence import journal, proof

    if arguments.to is not None:
        raise InputError("--to is for writing a proof; leave it out with --check.")
    made = _read(arguments.check, proof.MAX_BYTES)
    if arguments.case.is_dir():
        for name, whose in (("key", "attempt's"), ("hub", "hub's")):
            if getattr(arguments, name) is not None:
                raise InputError(f"A case names its {whose} key itself; leave out --{name}.")
        print(proof.check_in_case(made, arguments.case))
        return 0
    if arguments.key is None:
        raise InputError(
            "Without the case, the attempt's public key says whose signature counts: give it with --key."
        )
    shown = _read(arguments.case, journal.MAX_LINE + 1)
    print(proof.check_alone(made, shown, _key(arguments.key), _hub(arguments.hub)))
    return 0


def _hub(path: Path | None) -> HubKey | None:
    import json

    from proctor.errors import InputError
    from proctor.evidence import hub_receipts

    if path is None:
        return None
    try:
        found = hub_receipts.key_of(json.loads(_read(path, hub_receipts.MAX_BYTES)))
    except (ValueError, RecursionError):
        found = None
    if found is None:
        raise InputError(f'{path} holds no hub\'s name and key, as {{"name": …, "public_key": …}}.')
    return found


def _read(path: Path, limit: int) -> bytes:
    from proctor.errors import InputError
    from proctor.evidence.disk import read_bounded

    try:
        return read_bounded(path, limit)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def _key(text: str) -> bytes:
    import base64
    import binascii

    from proctor.errors import InputError

    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise InputError("--key is no Ed25519 public key: give its 32 bytes in base64.")
    return raw
