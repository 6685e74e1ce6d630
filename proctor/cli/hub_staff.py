"""``proctor hub staff``: accounts of staff, made on the machine where the hub is; the first admin, too."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from proctor.cli import passphrase

if TYPE_CHECKING:
    from proctor.hub.accounts import Enrolled
    from proctor.hub.app import Hub
    from proctor.hub.secret import Box


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``staff`` to the actions of ``proctor hub``."""
    parser = actions.add_parser(
        "staff",
        help="accounts of proctors, reviewers and others",
        description="Make, list and shut accounts of staff. Runs where the hub's database and key file are.",
    )
    steps = parser.add_subparsers(title="steps", metavar="STEP", required=True)

    new = steps.add_parser("add", help="make an account")
    new.add_argument("name", help="under which they log in and sign")
    new.add_argument(
        "--role",
        action="append",
        required=True,
        metavar="ROLE",
        help="admin, author, proctor, reviewer, auditor or researcher; can be given several times",
    )
    new.add_argument(
        "--oidc",
        metavar="SUBJECT",
        help="log in at the institution's provider, which knows them by this",
    )
    _password_option(new)
    new.set_defaults(run=run_add)

    listing = steps.add_parser("list", help="all accounts")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=run_list)

    reset = steps.add_parser("reset", help="a new password and second factor; log-ins end")
    reset.add_argument("name")
    _password_option(reset)
    reset.set_defaults(run=run_reset)

    role = steps.add_parser("role", help="give an account other roles")
    role.add_argument("name")
    role.add_argument("roles", nargs="+", metavar="ROLE")
    role.set_defaults(run=run_role)

    shut = steps.add_parser("disable", help="shut an account; what it signed stays")
    shut.add_argument("name")
    shut.add_argument("--again", action="store_true", help="open a shut account again")
    shut.set_defaults(run=run_disable)

    opened = steps.add_parser("log-ins", help="the log-ins of an account that hold; ends them")
    opened.add_argument("name")
    opened.add_argument("--end", metavar="ID", help="end this one, or `all` of them")
    opened.set_defaults(run=run_log_ins)

    for step in (new, listing, reset, role, shut, opened):
        step.add_argument("--settings", type=Path, metavar="FILE", help="the hub's settings (TOML)")
        step.add_argument(
            "--folder", type=Path, metavar="FOLDER", help="where the hub keeps things"
        )


def _password_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help="read the password from the first line of a file ('-': standard input)",
    )


@contextmanager
def _hub(arguments: argparse.Namespace) -> Iterator[Hub]:
    """The hub of this machine, opened as every command of ``proctor hub`` does."""
    from proctor.cli.hub import settings_of

    said = settings_of(arguments)
    from proctor.hub import starting

    with starting.opened(said) as hub:
        yield hub


def run_add(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError

    with _hub(arguments) as hub:
        from proctor.hub import accounts, log

        accounts.check_roles(arguments.role)
        password = "" if arguments.oidc else _password(arguments)
        if not password and not arguments.oidc:
            raise InputError("The password is empty, so no account was made.")
        with hub.store.transaction() as tx:
            made = accounts.add(
                tx.connection,
                _box(hub),
                arguments.name,
                arguments.role,
                now=hub.now(),
                password=password,
                subject=arguments.oidc,
            )
            said = {"person": made.person.name, "roles": sorted(made.person.roles)}
            log.append(tx, "staff.added", said, at=hub.now())
    _tell(made)
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    import json

    with _hub(arguments) as hub:
        from proctor.hub import accounts

        with hub.store.reading() as connection:
            found = accounts.people(connection)
    for person in found:
        roles = sorted(person.roles)
        if arguments.json:
            row = {"name": person.name, "roles": roles, "shut": person.disabled}
            print(json.dumps(row, ensure_ascii=False))
        else:
            note = "  (shut)" if person.disabled else ""
            print(f"{person.name:<24} {', '.join(roles)}{note}")
    if not found and not arguments.json:
        print("There is no account yet; `proctor hub staff add NAME --role admin` makes the first.")
    return 0


def run_reset(arguments: argparse.Namespace) -> int:
    with _hub(arguments) as hub:
        from proctor.hub import accounts, log

        with hub.store.reading() as connection:
            accounts.named(connection, arguments.name)
        password = _password(arguments)
        with hub.store.transaction() as tx:
            made = accounts.reset(tx.connection, _box(hub), arguments.name, password)
            log.append(tx, "staff.reset", {"person": made.person.name}, at=hub.now())
    _tell(made)
    return 0


def run_role(arguments: argparse.Namespace) -> int:
    with _hub(arguments) as hub:
        from proctor.hub import accounts, log

        with hub.store.transaction() as tx:
            person = accounts.change_roles(tx.connection, arguments.name, arguments.roles)
            said = {"person": person.name, "roles": sorted(person.roles)}
            log.append(tx, "staff.roles", said, at=hub.now())
    print(f"{person.name} is now: {', '.join(sorted(person.roles))}. Their log-ins have ended.")
    return 0


def run_disable(arguments: argparse.Namespace) -> int:
    with _hub(arguments) as hub:
        from proctor.hub import accounts, log

        with hub.store.transaction() as tx:
            person = accounts.disable(tx.connection, arguments.name, not arguments.again)
            kind = "staff.opened" if arguments.again else "staff.shut"
            log.append(tx, kind, {"person": person.name}, at=hub.now())
    print(f"The account '{person.name}' is {'open again' if arguments.again else 'shut'}.")
    return 0


def run_log_ins(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError

    with _hub(arguments) as hub:
        from proctor.hub import accounts, log, tokens

        now = hub.now()
        with hub.store.transaction() as tx:
            person = accounts.named(tx.connection, arguments.name)
            held = tokens.of_person(tx.connection, person.id, now)
            if arguments.end is not None:
                names = {one.id for one in held} if arguments.end == "all" else {arguments.end}
                gone = tokens.end(tx.connection, person.id, names)
                if not gone and arguments.end != "all":
                    raise InputError(
                        f"{person.name} has no log-in '{arguments.end[:40]}'; without --end they are listed."
                    )
                if gone:
                    said = {"person": person.name, "by": "the server's command line", "count": gone}
                    log.append(tx, "staff.log_ins.ended", said, at=now)
    if arguments.end is not None:
        print(f"{gone} of the log-ins of {person.name} ended.")
        return 0
    for one in held:
        print(
            f"{one.id}  since {one.created:%Y-%m-%d %H:%M} UTC, used {one.used:%H:%M}, ends "
            f"{one.expires:%Y-%m-%d %H:%M} UTC at the latest"
        )
    if not held:
        print(f"{person.name} is logged in nowhere.")
    return 0


def _box(hub: Hub) -> Box:
    from proctor.hub.staff_login import box_of

    return box_of(hub)


def _password(arguments: argparse.Namespace) -> str:
    """The new password: the first line of a file, or what is typed twice."""
    import getpass
    import sys

    from proctor.errors import InputError

    if arguments.password_file is not None:
        return passphrase.asker(arguments.password_file)(Path(arguments.name))
    if not sys.stdin.isatty():
        raise InputError(
            "There is no terminal to ask for the password; give it by --password-file."
        )
    first = getpass.getpass(f"New password for {arguments.name}: ")
    if first != getpass.getpass("The same again: "):
        raise InputError("The two were not the same, so nothing was done; try again.")
    return first


def _tell(made: Enrolled) -> None:
    """What the new person needs, on the terminal once; it is nowhere to be read again."""
    print(f"Account: {made.person.name} ({', '.join(sorted(made.person.roles))})")
    if not made.uri:
        print("They log in at the institution's provider.")
        return
    print(f"Second factor, for an authenticator app: {made.uri}")
    print("Recovery codes, each good once:")
    for code in made.recovery:
        print(f"  {code}")
    print("Hand these over in person; at the first log-in a password of their own is chosen.")
