"""Joining an exam by an invitation in the terminal: whose it is, and what it sets for ``proctor exam``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.root import Root
    from policies.texts import Texts
    from proctor.session.invitation import Joined

# What an invitation decides, so that nobody gives it twice.
DECIDED = ("policy", "case", "addendum", "root")


def follow(arguments: argparse.Namespace, t: Texts) -> None:
    """Fill ``arguments`` of ``proctor exam`` from its invitation, once its institution is known; what is
    asked and said is in the language of ``t``.

    Raises :class:`InputError` when something is given twice or the institution is not known here.
    """
    from policies.texts import terminal
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
        _ask(joined, joined.unknown, t)
        trust_root(joined)
    arguments.policy = str(joined.policy_file)
    arguments.addendum = joined.addendum_file
    arguments.case = joined.case
    arguments.code = joined.invitation.code
    if joined.state == "begun" and not arguments.resume:
        arguments.resume = True
        print(t.say(terminal.GOES_ON), file=sys.stderr)


def _ask(joined: Joined, root: Root, t: Texts) -> None:
    from policies.texts import terminal
    from proctor.cli.running import yes_or_no
    from proctor.errors import InputError
    from proctor.session.invitation import ROOT, fingerprints

    keys = "\n".join(f"  {line}" for line in fingerprints(root))
    first = t.say(terminal.FIRST_EXAM, institution=root.institution)
    text = f"{first}\n{keys}\n{t.say(terminal.ARE_THEY_THE_SAME)}"
    if not sys.stdin.isatty():
        raise InputError(
            f"This computer does not know '{root.institution}'. Compare its keys with those on its own "
            f"page, then run `proctor policy root install {joined.folder / ROOT}`."
        )
    if not yes_or_no(t.lang, text):
        raise InputError(t.say(terminal.NOT_THEIRS, contact=joined.policy.contact))
