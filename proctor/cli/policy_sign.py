"""``proctor policy sign``, ``verify``, ``publish`` and ``root``: who vouches for a policy."""

from __future__ import annotations

import argparse
from pathlib import Path

from proctor.cli import passphrase, policy_root


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sign = actions.add_parser(
        "sign",
        help="sign a policy, or add a signature to a signed one",
        description="Check a policy and put it into a signed envelope (DSSE). Given an envelope, add a "
        "signature to it: where two people must sign, each does so on their own machine.",
    )
    sign.add_argument("policy", metavar="FILE", help="a policy file, or an envelope")
    sign.add_argument(
        "--key",
        type=Path,
        action="append",
        required=True,
        metavar="KEYFILE",
        help="a key made by `proctor keys new --signing` (may be given again)",
    )
    sign.add_argument(
        "--out", type=Path, metavar="FILE", help="the envelope (default: beside it, as .dsse)"
    )
    sign.add_argument(
        "--despite-errors",
        action="store_true",
        help="sign also where `proctor policy check` finds errors, because your counsel said so",
    )
    passphrase.add_option(sign)
    sign.set_defaults(run=run_sign)

    verify = actions.add_parser(
        "verify",
        help="would this computer follow a signed policy now?",
        description="Every check that runs before an exam: signatures, limits, validity, clock, "
        "version. Exit code 0: it would be followed; 1: it would not.",
    )
    verify.add_argument("policy", metavar="FILE", help="a signed policy (.dsse)")
    verify.add_argument(
        "--root",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="root file of the institution (default: those installed here)",
    )
    verify.set_defaults(run=run_verify)

    publish = actions.add_parser(
        "publish",
        help="put a signed policy and its root file where students get them",
        description="Check a signed policy as an agent would, and write it with its root file into a "
        "folder. The version must be higher than the one that lies there.",
    )
    publish.add_argument("policy", metavar="FILE", help="a signed policy (.dsse)")
    publish.add_argument(
        "--root", type=Path, required=True, metavar="FILE", help="root file of the institution"
    )
    publish.add_argument(
        "--revoked",
        type=Path,
        metavar="FILE",
        help="the list of revoked keys (`proctor keys revoked`), which agents follow from beside it",
    )
    publish.add_argument(
        "--to", type=Path, required=True, metavar="FOLDER", help="the folder to publish into"
    )
    publish.set_defaults(run=run_publish)

    root = actions.add_parser(
        "root",
        help="say who may sign an institution's policies",
        description="A root file lists an institution's public keys and how many of them must sign.",
    )
    _add_root(root.add_subparsers(title="actions", metavar="ACTION", required=True))


def _add_root(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    new = actions.add_parser("new", help="write a root file")
    new.add_argument("--institution", required=True, help="its name, as its policies say it")
    new.add_argument(
        "--key",
        action="append",
        required=True,
        metavar="KEY",
        help="a public key: a .pub file, or the key in base64 (may be given again)",
    )
    new.add_argument(
        "--threshold", type=int, default=1, help="how many of the keys must sign (default: 1)"
    )
    new.add_argument(
        "--out", type=Path, default=Path("root.toml"), help="the file (default: root.toml)"
    )
    new.set_defaults(run=run_root_new)

    install = actions.add_parser(
        "install", help="trust an institution's root file on this computer"
    )
    install.add_argument("root", type=Path, metavar="FILE", help="the root file")
    install.set_defaults(run=run_root_install)

    policy_root.add(actions)

    listing = actions.add_parser("list", help="print the institutions this computer trusts")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=run_root_list)


def run_sign(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from policies import load, sign
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence.disk import said_plainly, write_new, write_whole
    from proctor.evidence.signing import load_signing_key
    from proctor.session import publish

    where = load.describe(arguments.policy)
    if arguments.policy in load.preset_names():
        raise InputError(
            f"A {where} is an example and speaks for nobody; `proctor policy new --preset "
            f"{arguments.policy}` makes a file of your own to sign."
        )
    try:
        raw = load.read_bytes(arguments.policy)
    except PolicyError as error:
        raise InputError(str(error)) from error
    now = datetime.now(UTC)
    out = arguments.out or Path(arguments.policy).with_suffix(publish.ENVELOPE)
    in_place = load.is_envelope(raw) and out.exists() and out.samefile(arguments.policy)
    if out.exists() and not in_place:
        raise InputError(f"There is a file {out} already; name another with --out.")
    what = publish.ready(raw, where, now, despite_errors=arguments.despite_errors)
    ask = passphrase.asker(arguments.passphrase_file)
    keys = [load_signing_key(path, ask) for path in arguments.key]
    envelope = publish.signed(what, keys)
    with said_plainly(f"the envelope {out}"):
        (write_whole if in_place else write_new)(out, envelope)
    signatures = len(sign.inspect(envelope)[2])
    print(f"{what.policy.institution}: '{what.policy.id}' version {what.policy.version}")
    print(f"{out} has {signatures} signature{'s' if signatures > 1 else ''}, now also by:")
    for key in keys:
        print(f"  key {sign.key_id(key.public_key())}")
    return 0


def run_verify(arguments: argparse.Namespace) -> int:
    from proctor.session.trust import check

    policy = check(arguments.policy, arguments.root)
    print(
        f"This computer would follow it now: '{policy.id}' version {policy.version}, signed by "
        f"{policy.institution}."
    )
    return 0


def run_publish(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from policies import load
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.session.publish import publish

    where = load.describe(arguments.policy)
    try:
        raw = load.read_bytes(arguments.policy)
        if not load.is_envelope(raw):
            raise PolicyError(f"The policy {where} is not signed; `proctor policy sign` signs it.")
    except PolicyError as error:
        raise InputError(str(error)) from error
    now = datetime.now(UTC)
    done = publish(raw, where, arguments.root, arguments.to, now, arguments.revoked)
    print(f"Published: '{done.policy.id}' version {done.policy.version} ({done.envelope})")
    print(f"Its root file: {done.root}. Give students both by a way they trust.")
    return 0


def run_root_new(arguments: argparse.Namespace) -> int:
    from policies import root
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence.disk import said_plainly, write_new
    from proctor.evidence.signing import public_key

    try:
        keys = [public_key(key) for key in arguments.key]
        text = root.make(arguments.institution, keys, arguments.threshold)
    except PolicyError as error:
        raise InputError(str(error)) from error
    with said_plainly(f"the root file {arguments.out}"):
        try:
            write_new(arguments.out, text.encode("utf-8"))
        except FileExistsError as error:
            raise InputError(
                f"There is a file {arguments.out} already; name another with --out."
            ) from error
    print(
        f"Written to {arguments.out}: {arguments.threshold} of {len(keys)} keys must sign. Students get it "
        f"from you by a way they trust: `proctor policy root install {arguments.out}`."
    )
    return 0


def run_root_install(arguments: argparse.Namespace) -> int:
    from proctor.session.trust import install_root

    path, root = install_root(arguments.root)
    print(
        f"This computer now follows policies that {root.threshold} of {len(root.keys)} keys of "
        f"{root.institution} signed ({path})."
    )
    return 0


def run_root_list(arguments: argparse.Namespace) -> int:
    import json

    from proctor.session.trust import installed_roots

    found = installed_roots()
    for path, root in found:
        if arguments.json:
            print(json.dumps({**root.model_dump(mode="json"), "file": str(path)}))
        else:
            print(f"{root.institution}: {root.threshold} of {len(root.keys)} keys  {path}")
    if not found and not arguments.json:
        print("No institution is trusted here; `proctor policy root install FILE` adds one.")
    return 0
