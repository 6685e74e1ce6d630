"""``proctor policy root next`` and ``sign``: an institution's keys change, and machines follow by themselves."""

from __future__ import annotations

import argparse
from pathlib import Path

from proctor.cli import passphrase


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    following = actions.add_parser(
        "next",
        help="write the root file that takes the place of another",
        description="Write the next version of a root file, signed by keys of the old one and of the new "
        "one: enough of both must sign, and each may do so on their own machine with `root sign`. A "
        "plain copy for machines that know no root yet lies beside it.",
    )
    following.add_argument("old", type=Path, metavar="FILE", help="the root file that there is")
    following.add_argument(
        "--key",
        action="append",
        required=True,
        metavar="KEY",
        help="a public key of the new root: in base64, or a .pub file (once for each key)",
    )
    following.add_argument(
        "--threshold",
        type=int,
        default=1,
        metavar="N",
        help="how many of them must sign (default: 1)",
    )
    following.add_argument(
        "--sign-with",
        type=Path,
        action="append",
        required=True,
        metavar="KEYFILE",
        help="a private key of the old or the new root that signs now (may be given again)",
    )
    following.add_argument(
        "--out", type=Path, required=True, metavar="FILE.dsse", help="the signed root"
    )
    passphrase.add_option(following)
    following.set_defaults(run=run_next)

    sign = actions.add_parser("sign", help="add a signature to a root that `root next` wrote")
    sign.add_argument("root", type=Path, metavar="FILE.dsse", help="the signed root")
    sign.add_argument(
        "--key", type=Path, action="append", required=True, metavar="KEYFILE", help="a private key"
    )
    passphrase.add_option(sign)
    sign.set_defaults(run=run_sign)


def run_next(arguments: argparse.Namespace) -> int:
    from policies import root, sign
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence.disk import said_plainly, write_new
    from proctor.evidence.signing import load_signing_key, public_key

    plain = arguments.out.with_suffix(".toml")
    for path in (arguments.out, plain):
        if path.exists():
            raise InputError(f"There is a file {path} already; name another with --out.")
    try:
        old = root.read(arguments.old)
        keys = [public_key(key) for key in arguments.key]
        text = root.make(old.institution, keys, arguments.threshold, old.version + 1)
        new = root.parse(text.encode("utf-8"), "new")
        ask = passphrase.asker(arguments.passphrase_file)
        signers = [load_signing_key(path, ask) for path in arguments.sign_with]
        payload = text.encode("utf-8")
        envelope = sign.add_signatures(
            sign.envelope(payload, root.PAYLOAD_TYPE, signers[:1]), signers[1:]
        )
    except PolicyError as error:
        raise InputError(str(error)) from error
    with said_plainly(f"the root {arguments.out}"):
        write_new(arguments.out, envelope)
        write_new(plain, payload)
    print(
        f"{new.institution}: root version {new.version}, {new.threshold} of {len(new.keys)} keys."
    )
    try:
        root.follow(envelope, str(arguments.out), old)
    except PolicyError as error:
        print(f"More must sign (`proctor policy root sign {arguments.out} --key KEYFILE`): {error}")
        return 0
    print(f"{arguments.out} is signed by enough of both. Machines take it with `root install`.")
    return 0


def run_sign(arguments: argparse.Namespace) -> int:
    from policies import root, sign
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence.disk import read_bounded, said_plainly, write_whole
    from proctor.evidence.signing import load_signing_key

    try:
        raw = read_bounded(arguments.root, sign.MAX_BYTES)
        payload, kind, _ = sign.inspect(raw)
        if kind != root.PAYLOAD_TYPE:
            raise PolicyError(f"{arguments.root} is no root that `proctor policy root next` wrote.")
        new = root.parse(payload, str(arguments.root))
        ask = passphrase.asker(arguments.passphrase_file)
        envelope = sign.add_signatures(raw, [load_signing_key(key, ask) for key in arguments.key])
    except (OSError, ValueError) as error:
        raise InputError(f"The root {arguments.root} cannot be read: {error}.") from error
    except PolicyError as error:
        raise InputError(str(error)) from error
    with said_plainly(f"the root {arguments.root}"):
        write_whole(arguments.root, envelope)
    signatures = len(sign.inspect(envelope)[2])
    print(f"{new.institution}: root version {new.version} has {signatures} signatures now.")
    return 0
