"""Joining an exam by an invitation in the terminal: whose it is, and what it sets for ``proctor exam``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.root import Root
    from proctor.session.invitation import Joined

# What an invitation decides, so that nobody gives it twice.
DECIDED = ("policy", "case", "addendum", "root")


def follow(arguments: argparse.Namespace) -> None:
    """Fill ``arguments`` of ``proctor exam`` from its invitation, once its institution is known.

    Raises :class:`InputError` when something is given twice or the institution is not known here.
    """
    from proctor.errors import InputError
    from proctor.session.invitation import check_unused, join, trust_root

    given = [name for name in DECIDED if getattr(arguments, name)]
    if given:
        raise InputError(
            f"The invitation decides about the {given[0]}, so --{given[0]} cannot be given with it."
        )
    joined = join(arguments.invitation)
    check_unused(joined)
    if joined.unknown is not None:
        _ask(joined, joined.unknown)
        trust_root(joined)
    arguments.policy = str(joined.policy_file)
    arguments.addendum = joined.addendum_file
    arguments.case = joined.case
    arguments.code = joined.invitation.code
    if joined.state == "begun" and not arguments.resume:
        arguments.resume = True
        print("This exam has begun already; it goes on where it stopped.", file=sys.stderr)


def _ask(joined: Joined, root: Root) -> None:
    from proctor.cli.running import yes_or_no
    from proctor.errors import InputError
    from proctor.session.invitation import ROOT, fingerprints

    keys = "\n".join(f"  {line}" for line in fingerprints(root))
    text = (
        f"This is the first exam of '{root.institution}' on this computer. Compare its keys with those "
        f"on the institution's own page:\n{keys}\nAre they the same?"
    )
    if not sys.stdin.isatty():
        raise InputError(
            f"This computer does not know '{root.institution}'. Compare its keys with those on its own "
            f"page, then run `proctor policy root install {joined.folder / ROOT}`."
        )
    if not yes_or_no("en", text):
        raise InputError(
            f"Nothing was started. Ask {joined.policy.contact} whether the invitation is theirs."
        )
