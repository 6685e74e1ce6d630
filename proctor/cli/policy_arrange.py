"""``proctor policy arrange``: sign what is arranged for one student on top of a policy (rule A1)."""

from __future__ import annotations

import argparse
from pathlib import Path

from proctor.cli import passphrase


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    arrange = actions.add_parser(
        "arrange",
        help="sign what is arranged for one student",
        description="Check an addendum against its policy and sign it. An addendum says what is "
        "switched off or gentler for one student; it has no place for a reason, and never needs one.",
    )
    arrange.add_argument("addendum", type=Path, metavar="FILE", help="the addendum, a TOML file")
    arrange.add_argument(
        "--policy", required=True, help="the policy it stands on: a preset, a file or an envelope"
    )
    arrange.add_argument(
        "--key",
        type=Path,
        metavar="KEYFILE",
        help="a key made by `proctor keys new --signing` (default, for practice policies only: this "
        "computer's own key)",
    )
    arrange.add_argument(
        "--out", type=Path, metavar="FILE", help="the signed file (default: beside it, as .dsse)"
    )
    passphrase.add_option(arrange)
    arrange.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    import hashlib

    from policies import addendum, load, sign
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence.disk import read_bounded, said_plainly, write_new
    from proctor.evidence.keys import local_signing_key
    from proctor.evidence.signing import load_signing_key

    out = arguments.out or arguments.addendum.with_suffix(".dsse")
    try:
        raw = read_bounded(arguments.addendum, load.MAX_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(f"The addendum {arguments.addendum} cannot be read: {error}.") from error
    try:
        policy, payload = load.read(arguments.policy)
        arranged = addendum.parse(raw, str(arguments.addendum))
        digest = hashlib.sha256(payload).hexdigest()
        if arranged.policy_sha256 != digest:
            raise PolicyError(
                f"The addendum {arguments.addendum} names another policy; for this one its first line "
                f'is: policy_sha256 = "{digest}".'
            )
        arranged.check(policy)
    except PolicyError as error:
        raise InputError(str(error)) from error
    if arguments.key is None:
        key = local_signing_key()
    else:
        key = load_signing_key(arguments.key, passphrase.asker(arguments.passphrase_file))
    if out.exists():
        raise InputError(f"There is a file {out} already; name another with --out.")
    with said_plainly(f"the addendum {out}"):
        write_new(out, sign.envelope(raw, addendum.PAYLOAD_TYPE, [key]))
    print(f"Written to {out}, signed by key {sign.key_id(key.public_key())}.")
    print(f"It is used with: proctor exam --addendum {out}")
    return 0
