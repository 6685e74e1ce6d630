"""``proctor keys``: a reviewer's keys on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "keys",
        help="make and list the keys that open clips",
        description="Keys that open sealed clips. Give others the public key; keep the file.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    new = actions.add_parser("new", help="make a key and print its public half")
    new.add_argument(
        "name", nargs="?", default="reviewer", help="name of the key (default: reviewer)"
    )
    new.add_argument("--dir", type=Path, help="folder to keep it in (default: this user's own)")
    new.set_defaults(run=run_new)

    listing = actions.add_parser("list", help="print the keys on this machine")
    listing.add_argument("--dir", type=Path, help="folder to look in (default: this user's own)")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=run_list)


def run_new(arguments: argparse.Namespace) -> int:
    from proctor.evidence.keys import new_identity

    made = new_identity(arguments.name, arguments.dir)
    print(f"public key: {made.recipient}")
    print(f"secret key: {made.path} (whoever has this file can open the clips; keep a copy safe)")
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    import json

    from proctor.evidence.keys import keys_dir, list_identities

    found = list_identities(arguments.dir)
    for key in found:
        if arguments.json:
            print(json.dumps({"name": key.name, "recipient": key.recipient, "file": str(key.path)}))
        else:
            print(f"{key.name:<16} {key.recipient}  {key.path}")
    if not found and not arguments.json:
        print(f"No keys in {arguments.dir or keys_dir()}; `proctor keys new` makes one.")
    return 0
