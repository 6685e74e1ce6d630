"""``proctor doctor``: what this machine has and lacks for an exam, and how to mend it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

DONE, MISSING = 0, 3


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Adds ``doctor`` to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="camera, microphone, networks, display, disk, fonts, time: what is missing and how to mend it",
        description="Looks at this machine without taking a picture or a sound: devices are "
        "listed, never opened. Ends with 3 when something that an exam needs is missing.",
    )
    parser.add_argument("--json", action="store_true", help="for a machine to read")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="where cases will be kept (default: your data folder)",
    )
    parser.add_argument(
        "--hub",
        metavar="ADDRESS",
        help="also ask this hub whether it answers (opens a connection to it)",
    )
    parser.add_argument(
        "--updates",
        action="store_true",
        help="also ask the address in your settings for a newer version; it is told, never fetched",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints one line for each check. Exit code 0, or 3 when something needed is missing."""
    import dataclasses

    import platformdirs

    from proctor.session import checks

    folder = arguments.data or Path(platformdirs.user_data_dir("open-proctor"))
    found = checks.all_checks(folder)
    if arguments.hub:
        found.append(checks.hub(arguments.hub))
    if arguments.updates:
        from proctor.session import updates

        found.append(updates.check(updates.settings()))
    good = checks.enough(found)
    if arguments.json:
        lines = [dataclasses.asdict(check) for check in found]
        print(json.dumps({"ok": good, "checks": lines}, indent=1))
    else:
        for check in found:
            optional = "" if check.needed else " (not needed)"
            print(f"{check.state:<14}{check.name}{optional}: {check.detail}")
            if check.state != "ok" and check.mend:
                print(f"{'':<14}→ {check.mend}")
        if good:
            print("\nNothing that an exam needs is missing.")
        else:
            print("\nSomething that an exam needs is missing; the lines with → say how to mend it.")
    return DONE if good else MISSING
