"""``proctor case``: look at a case, verify it, open its clips."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.root import Root
    from proctor.evidence.attestation import Attestation


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "case",
        help="show, verify or open a case",
        description="A case is the folder that an exam leaves: policy, journal, checkpoints, clips.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name in ("case_show", "case_open", "case_prove", "case_export", "case_send", "case_erase"):
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
    verify.add_argument(
        "--builds",
        type=Path,
        metavar="FILE",
        help="the institution's list of builds, if you have it",
    )
    verify.add_argument("--json", action="store_true", help="one JSON object a line")
    verify.set_defaults(run=run_verify)


def run_verify(arguments: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from proctor.evidence.verify import verify

    checks = verify(
        arguments.case, root_key=_root_key(arguments.root_key), root=_root(arguments.root)
    )
    attestation = _attestation(arguments.case, arguments.builds)
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
    if attestation is not None and not (arguments.json and arguments.builds is None):
        _print_attestation(attestation, arguments.json)
    return 1 if failed else 0


def _attestation(folder: Path, builds: Path | None) -> Attestation | None:
    """The label of the case; ``None`` where its journal cannot be read, which a check says already."""
    from proctor.errors import InputError
    from proctor.evidence import journal, layout
    from proctor.evidence.attestation import attest, known_models, read_list

    listed = read_list(builds) if builds else None
    try:
        records = journal.load(folder / layout.JOURNAL).records()
    except InputError:
        return None
    return attest([record.event for record in records], listed=listed, models=known_models())


def _print_attestation(found: Attestation, as_json: bool) -> None:
    """The label and its reasons. It is no check: it changes no exit code."""
    import json
    from dataclasses import asdict

    if as_json:
        reasons = [asdict(reason) for reason in found.reasons]
        print(json.dumps({"attestation": found.label, "reasons": reasons}))
        return
    print(f"The program and its devices: {found.label}. {found.sentence}")
    for reason in found.reasons:
        print(f"  - {reason.sentence} [{reason.code}]")


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

    from proctor.errors import InputError

    if text is None:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise InputError("--root-key is no Ed25519 public key: give its 32 bytes in base64.")
    return raw
