"""``proctor institution``: the window in which an institution writes, signs and publishes policies."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "institution",
        help="write, check, preview, sign and publish a policy in a window",
        description="A window over `proctor policy` and `proctor keys`. Exit code 3: no display, or no Qt.",
    )
    parser.add_argument("policy", nargs="?", type=Path, metavar="FILE", help="a policy to open")
    parser.add_argument(
        "--lang", choices=("en", "de", "fr", "es", "nl"), help="language (default: the system's)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from proctor.cli.apps import start

    return start("institution", file=arguments.policy, lang=arguments.lang)
