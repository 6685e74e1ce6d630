"""``proctor keys revoked``: keys for which nothing may be sealed any more."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from proctor.cli import passphrase


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser(
        "revoked",
        help="keys for which nothing may be sealed any more",
        description="A list that the institution signs, as its root file asks. Agents that have it leave "
        "those keys out and say which. It does not close clips that were sealed for them before.",
    )
    steps = parser.add_subparsers(title="steps", metavar="STEP", required=True)

    new = steps.add_parser("new", help="put a key on the list, and sign the list")
    new.add_argument("recipient", metavar="KEY", help="the age public key, or a file with it")
    new.add_argument("--institution", required=True, help="its name, as its policies say it")
    new.add_argument("--reason", required=True, metavar="TEXT", help="why, in a sentence")
    new.add_argument(
        "--since", metavar="DATE", help="from this day on, such as 2027-03-31 (default: now)"
    )
    new.add_argument(
        "--list", type=Path, metavar="FILE", help="the list that there is (default: a first one)"
    )
    new.add_argument(
        "--key",
        type=Path,
        action="append",
        required=True,
        metavar="KEYFILE",
        help="a key made by `proctor keys new --signing` (may be given again)",
    )
    new.add_argument("--out", type=Path, required=True, metavar="FILE", help="the new list")
    passphrase.add_option(new)
    new.set_defaults(run=run_new)

    sign = steps.add_parser("sign", help="add a signature to a list")
    sign.add_argument("list", type=Path, metavar="FILE", help="the list")
    sign.add_argument(
        "--key", type=Path, action="append", required=True, metavar="KEYFILE", help="a private key"
    )
    passphrase.add_option(sign)
    sign.set_defaults(run=run_sign)

    install = steps.add_parser("install", help="follow a list on this computer")
    install.add_argument("list", type=Path, metavar="FILE", help="the list")
    install.set_defaults(run=run_install)

    show = steps.add_parser("show", help="print a list; its signatures are not checked")
    show.add_argument("list", type=Path, metavar="FILE", help="the list")
    show.set_defaults(run=run_show)


def run_new(arguments: argparse.Namespace) -> int:
    from datetime import UTC

    from policies import revoked, sign
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence.disk import said_plainly, write_new
    from proctor.evidence.keys import recipient_of
    from proctor.evidence.signing import load_signing_key

    if arguments.out.exists():
        raise InputError(f"There is a file {arguments.out} already; name another with --out.")
    since = _day(arguments.since) if arguments.since else datetime.now(UTC).replace(microsecond=0)
    try:
        old = (
            revoked.unchecked(_read(arguments.list), str(arguments.list))
            if arguments.list
            else None
        )
        recipient = recipient_of(arguments.recipient)
        made = revoked.with_key(old, arguments.institution, recipient, since, arguments.reason)
        ask = passphrase.asker(arguments.passphrase_file)
        keys = [load_signing_key(path, ask) for path in arguments.key]
        payload = made.text().encode("utf-8")
        envelope = sign.add_signatures(
            sign.envelope(payload, revoked.PAYLOAD_TYPE, keys[:1]), keys[1:]
        )
    except PolicyError as error:
        raise InputError(str(error)) from error
    with said_plainly(f"the list of revoked keys {arguments.out}"):
        write_new(arguments.out, envelope)
    print(f"{arguments.out}: number {made.number} of '{made.institution}', {len(made.keys)} keys.")
    print(
        "Agents follow it after `proctor keys revoked install`. Leave the key out of new policies."
    )
    return 0


def run_sign(arguments: argparse.Namespace) -> int:
    from policies import revoked, sign
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence.disk import said_plainly, write_whole
    from proctor.evidence.signing import load_signing_key

    try:
        raw = _read(arguments.list)
        revoked.unchecked(raw, str(arguments.list))
        ask = passphrase.asker(arguments.passphrase_file)
        envelope = sign.add_signatures(raw, [load_signing_key(key, ask) for key in arguments.key])
    except PolicyError as error:
        raise InputError(str(error)) from error
    with said_plainly(f"the list of revoked keys {arguments.list}"):
        write_whole(arguments.list, envelope)
    print(f"{arguments.list} has {len(sign.inspect(envelope)[2])} signatures now.")
    return 0


def run_install(arguments: argparse.Namespace) -> int:
    from proctor.session.recipients import install

    found = install(arguments.list)
    print(
        f"This computer seals nothing any more for {len(found.keys)} keys of {found.institution} (list "
        f"number {found.number})."
    )
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    from policies import revoked
    from policies.errors import PolicyError
    from proctor.errors import InputError

    try:
        found = revoked.unchecked(_read(arguments.list), str(arguments.list))
    except PolicyError as error:
        raise InputError(str(error)) from error
    print(f"{found.institution}, number {found.number}:")
    for one in found.keys:
        print(f"  {one.recipient} since {one.since:%Y-%m-%d %H:%M %Z}: {one.reason}")
    return 0


def _read(path: Path) -> bytes:
    from policies import sign
    from proctor.errors import InputError
    from proctor.evidence.disk import read_bounded

    try:
        return read_bounded(path, sign.MAX_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(f"The list of revoked keys {path} cannot be read: {error}.") from error


def _day(text: str) -> datetime:
    from datetime import UTC

    from proctor.errors import InputError

    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise InputError(f"'{text}' is no date; write it like 2027-03-31.") from error
