"""``proctor keys``: on this machine, a reviewer's keys that open clips and an institution's that sign."""

from __future__ import annotations

import argparse
from pathlib import Path

from proctor.cli import keys_escrow, keys_revoked, passphrase


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "keys",
        help="make and list the keys that open clips or sign policies",
        description="Keys that open sealed clips, and keys that sign an institution's policies. Give "
        "others the public key; keep the file.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    new = actions.add_parser("new", help="make a key and print its public half")
    new.add_argument(
        "name", nargs="?", default="reviewer", help="name of the key (default: reviewer)"
    )
    new.add_argument("--dir", type=Path, help="folder to keep it in (default: this user's own)")
    new.add_argument(
        "--signing",
        action="store_true",
        help="a key that signs policies, protected by a passphrase (proctor policy sign)",
    )
    new.add_argument(
        "--passphrase",
        action="store_true",
        help="protect the key by a passphrase, as `age -p` does; the age tools ask for it as well",
    )
    passphrase.add_option(new)
    new.set_defaults(run=run_new)

    keys_escrow.add(actions)
    keys_revoked.add(actions)

    listing = actions.add_parser("list", help="print the keys on this machine")
    listing.add_argument("--dir", type=Path, help="folder to look in (default: this user's own)")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=run_list)


def run_new(arguments: argparse.Namespace) -> int:
    if arguments.signing:
        return _new_signing(arguments)
    from proctor.evidence.keys import SUFFIX, check_name, keys_dir, new_identity

    secret = ""
    if arguments.passphrase or arguments.passphrase_file:
        check_name(arguments.name)
        path = (arguments.dir or keys_dir()) / f"{arguments.name}{SUFFIX}"
        secret = passphrase.asker(arguments.passphrase_file, twice=True)(path)
        if not secret:
            from proctor.errors import InputError

            raise InputError("The passphrase is empty, so no key was made.")
    made = new_identity(arguments.name, arguments.dir, secret)
    print(f"public key: {made.recipient}")
    if made.protected:
        print(
            f"secret key: {made.path} (opens clips, with its passphrase; keep a copy of both safe)"
        )
    else:
        print(
            f"secret key: {made.path} (whoever has this file can open the clips; keep a copy safe)"
        )
    return 0


def _new_signing(arguments: argparse.Namespace) -> int:
    from proctor.evidence.keys import check_name, keys_dir
    from proctor.evidence.signing import PRIVATE, new_signing_key

    check_name(arguments.name)
    path = (arguments.dir or keys_dir()) / f"{arguments.name}{PRIVATE}"
    secret = passphrase.asker(arguments.passphrase_file, twice=True)(path)
    made = new_signing_key(arguments.name, secret, arguments.dir)
    print(f"public key: {made.public}")
    print(f"            {made.public_path} (for `proctor policy root new`)")
    print(f"secret key: {made.path} (signs policies; keep it and its passphrase apart)")
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    import json

    from proctor.evidence.keys import keys_dir, list_identities
    from proctor.evidence.signing import list_signing_keys

    opening, signing = list_identities(arguments.dir), list_signing_keys(arguments.dir)
    for key in opening:
        if arguments.json:
            listed = {"name": key.name, "recipient": key.recipient, "file": str(key.path)}
            print(json.dumps({**listed, "passphrase": key.protected}))
        else:
            note = " (passphrase)" if key.protected else ""
            print(f"{key.name:<16} {key.recipient}  {key.path}{note}")
    for signer in signing:
        if arguments.json:
            found = {"name": signer.name, "signs_as": signer.public, "file": str(signer.path)}
            print(json.dumps(found))
        else:
            print(f"{signer.name:<16} signs as {signer.public}  {signer.path}")
    if not opening and not signing and not arguments.json:
        print(f"No keys in {arguments.dir or keys_dir()}; `proctor keys new` makes one.")
    return 0
