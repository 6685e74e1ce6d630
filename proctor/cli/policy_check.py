"""``proctor policy check``: is a policy valid, lawful and wise, as far as a program can tell?"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from policies.lint import Finding
    from policies.schema import Jurisdiction

DONE, NO = 0, 1


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``policy check`` to the command line."""
    parser = actions.add_parser(
        "check",
        help="what is unlawful or unwise in a policy, why, and how to mend it",
        description="Reads a policy as a careful colleague would before your counsel does; it is no "
        "legal advice. Ends with 0 when there are no errors (warnings may be left), with 1 when there "
        "are, and with 2 when it is no policy at all. docs/policy-linter.md lists every rule.",
    )
    parser.add_argument(
        "policy", metavar="FILE|PRESET", help="a policy, signed or not, or a preset"
    )
    parser.add_argument(
        "--jurisdiction",
        action="append",
        default=[],
        metavar="PLACE",
        help="check for this place beside those in the policy, for instance US-IL (repeatable)",
    )
    parser.add_argument("--json", action="store_true", help="for a machine to read")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints every finding. Exit code 0 without errors, else 1."""
    from policies import load
    from policies.errors import PolicyError
    from policies.lint import lint
    from proctor.errors import InputError

    places = _places(arguments.jurisdiction)
    try:
        policy, raw = load.read(arguments.policy)
    except PolicyError as error:
        raise InputError(str(error)) from error
    found = lint(policy, raw, also=places)
    errors = sum(one.severity == "error" for one in found)
    if arguments.json:
        _print_json(policy.id, errors, found)
    else:
        for one in found:
            print(f"{one.severity:<8} {one.sentence()}\n{'':<8} → {one.mend}")
        print(_summary(errors, len(found) - errors))
    return NO if errors else DONE


def _places(named: Sequence[str]) -> list[Jurisdiction]:
    from typing import get_args

    from policies.schema import Jurisdiction
    from proctor.errors import InputError

    known: dict[str, Jurisdiction] = {place: place for place in get_args(Jurisdiction)}
    for name in named:
        if name not in known:
            raise InputError(
                f"There are no rules for the jurisdiction '{name[:40]}'; there are for: "
                f"{', '.join(known)}."
            )
    return [known[name] for name in named]


def _print_json(policy_id: str, errors: int, found: Sequence[Finding]) -> None:
    import dataclasses
    import json

    listed = [{**dataclasses.asdict(one), "key": list(one.key)} for one in found]
    whole = {"policy": policy_id, "ok": not errors, "errors": errors, "findings": listed}
    print(json.dumps(whole, indent=1, ensure_ascii=False))


def _summary(errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return "Nothing to mend."
    counts = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    ]
    return f"{' and '.join(counts)}. This is no legal advice: ask your counsel where it matters."
