"""``proctor policy``: write, check, sign, explain and compare policies.

Each module named in ``PARTS`` adds its own actions.
"""

from __future__ import annotations

import argparse
import importlib

PARTS = ("policy_new", "policy_check", "policy_sign", "policy_arrange", "policy_text")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "policy",
        help="write, check, sign, explain and compare policies",
        description="A policy says what an exam measures, why, for whom and for how long.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for part in PARTS:
        importlib.import_module(f"proctor.cli.{part}").add(actions)
