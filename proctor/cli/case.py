"""``proctor case``: look at a case, verify it, open its clips."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.root import Root
    from proctor.evidence.view import CaseView


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "case",
        help="show, verify or open a case",
        description="A case is the folder that an exam leaves: policy, journal, checkpoints, clips.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name in ("case_show", "case_prove", "case_export", "case_erase"):
        importlib.import_module(f"proctor.cli.{name}").add(actions)

    verify = actions.add_parser(
        "verify",
        help="check that nothing was altered",
        description="Check a case, as a numbered list. Exit code 0: every check passed; 1: one did not.",
    )
    verify.add_argument("case", type=Path, help="folder of the case")
    signer = verify.add_mutually_exclusive_group()
    signer.add_argument(
        "--root-key",
        metavar="KEY",
        help="the institution's Ed25519 public key (base64), if you have it",
    )
    signer.add_argument(
        "--root", type=Path, metavar="FILE", help="the institution's root file, if you have it"
    )
    verify.add_argument("--json", action="store_true", help="one JSON object a line")
    verify.set_defaults(run=run_verify)

    opening = actions.add_parser(
        "open",
        help="open one sealed clip",
        description="Open one sealed clip in memory and say what is in it. Nothing is written to disk "
        "unless --to is given.",
    )
    opening.add_argument("case", type=Path, help="folder of the case")
    opening.add_argument("flag", help="id of the flag, as `proctor case show` lists it")
    opening.add_argument(
        "--identity", type=Path, metavar="FILE", help="key file (default: this machine's demo key)"
    )
    opening.add_argument(
        "--to", type=Path, metavar="FILE", help="write the opened clip to this file"
    )
    opening.set_defaults(run=run_open)


def run_verify(arguments: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from proctor.evidence.verify import verify

    checks = verify(
        arguments.case, root_key=_root_key(arguments.root_key), root=_root(arguments.root)
    )
    failed = [check for check in checks if not check.ok]
    for check in checks:
        if arguments.json:
            print(json.dumps(asdict(check)))
        else:
            print(
                f"{check.number:>3}. {'ok' if check.ok else 'NO':<3} {check.title} [{check.code}]"
            )
            print(f"         {check.detail}")
    if not arguments.json:
        passed = f"{len(checks) - len(failed)} of {len(checks)} checks passed."
        print(passed if failed else f"{passed} Nothing was altered since it was signed.")
    return 1 if failed else 0


def run_open(arguments: argparse.Namespace) -> int:
    from proctor.errors import CheckFailed, InputError
    from proctor.evidence import clip, layout
    from proctor.evidence.case import Case
    from proctor.evidence.disk import read_bounded
    from proctor.evidence.keys import demo_identity, load_identity
    from proctor.evidence.seal import NoKeyError, unseal

    case = Case.read(arguments.case)
    record = case.sealed.get(arguments.flag)
    if record is None or not layout.FLAG_ID.fullmatch(arguments.flag):
        raise InputError(_no_such_clip(arguments.flag, case))
    identities = load_identity(arguments.identity) if arguments.identity else [demo_identity()]
    path = arguments.case / layout.clip_name(arguments.flag)
    try:
        ciphertext = read_bounded(path, layout.MAX_SEALED)
    except (OSError, ValueError) as error:
        raise CheckFailed(f"The clip {path} cannot be read: {error}.") from error
    try:
        data = unseal(ciphertext, identities, sha256=str(record.get("sha256")))
    except NoKeyError as error:
        recipients = record.get("recipients")
        names = ", ".join(map(str, recipients)) if isinstance(recipients, list) else "unknown keys"
        raise NoKeyError(
            f"The key given does not open the clip of '{arguments.flag}'; it is sealed for {names}. "
            f"Give the file of one of these keys with --identity."
        ) from error
    found = clip.info(data)
    picture = (
        f"{found.width}x{found.height}, {found.pictures} pictures" if found.has_video else "none"
    )
    sound = f"{found.rate} Hz" if found.has_audio else "none"
    print(f"{arguments.flag}: {found.duration:.1f} s, {found.length:,} bytes")
    print(f"  from {record.get('start')} s to {record.get('end')} s of the session")
    print(f"  picture: {picture}\n  sound: {sound}")
    if arguments.to is None:
        print("  Opened in memory only; --to FILE writes it where you say.")
    else:
        _write(arguments.to, data)
        print(f"  Written unsealed to {arguments.to}: anyone who can read that file can see it.")
    return 0


def _root(path: Path | None) -> Root | None:
    from policies import root
    from policies.errors import PolicyError
    from proctor.errors import InputError

    if path is None:
        return None
    try:
        return root.read(path)
    except PolicyError as error:
        raise InputError(str(error)) from error


def _root_key(text: str | None) -> bytes | None:
    import base64
    import binascii

    from proctor.errors import InputError

    if text is None:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != 32:
        raise InputError("--root-key is no Ed25519 public key: give its 32 bytes in base64.")
    return raw


def _no_such_clip(flag: str, case: CaseView) -> str:
    from proctor.evidence.words import NO_CLIP

    if flag in case.erased:
        return f"The flag '{flag}' has no clip: {NO_CLIP}."
    if flag in case.skipped:
        return f"The flag '{flag}' has no clip: {case.skipped[flag].get('why')}"
    names = ", ".join(list(case.sealed)[:10])
    return (
        f"There is no clip of a flag '{flag}' in this case; it has clips of: {names or 'no flag'}."
    )


def _write(path: Path, data: bytes) -> None:
    from proctor.errors import InputError
    from proctor.evidence.disk import said_plainly, write_secret

    if path.exists():
        raise InputError(f"There is a file {path} already; name another with --to.")
    with said_plainly(f"the clip {path}"):
        write_secret(path, data)
