"""``proctor hub``: run the institution's side, bring its database up to date, invite students."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from proctor.cli import hub_staff, invite

if TYPE_CHECKING:
    from proctor.hub.settings import HubSettings

NEEDED = ("fastapi", "uvicorn", "sqlalchemy", "alembic", "prometheus_client")
LIST = "invitations.csv"
MOST_STUDENTS = 10_000
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "hub",
        help="run the institution's side: what exams deliver to",
        description="The hub takes in signed policies, sealed clips and journals, and can open none of the "
        "clips. Without any setting it is SQLite and a folder. docs/operations.md tells the rest.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    serve = actions.add_parser("serve", help="answer agents and staff until it is stopped")
    _add_settings(serve)
    serve.add_argument("--host", help="address to listen at (default: this machine only)")
    serve.add_argument("--port", type=int, help="port to listen at (default 8460; 0: any free one)")
    serve.add_argument("--workers", type=int, metavar="N", help="processes that answer (default 1)")
    serve.set_defaults(run=run_serve)

    migrate = actions.add_parser("migrate", help="make or update the database's tables")
    _add_settings(migrate)
    migrate.set_defaults(run=run_migrate)

    check = actions.add_parser("check", help="whether database, clips, ledger and key can be used")
    _add_settings(check)
    check.set_defaults(run=run_check)

    invites = actions.add_parser(
        "invite",
        help="publish an exam's signed policy and make invitations with one-time codes",
        description="Publishes the policy where it is new, and writes one invitation a student. The list "
        "of who has which seat is written beside them and is nowhere in the hub.",
    )
    _add_settings(invites)
    invites.add_argument(
        "--policy", type=Path, required=True, metavar="FILE", help="signed (.dsse)"
    )
    invites.add_argument(
        "--root", type=Path, metavar="FILE", help="root file; the policy must be signed by it"
    )
    whom = invites.add_mutually_exclusive_group(required=True)
    whom.add_argument("--count", type=int, metavar="N", help="how many")
    whom.add_argument(
        "--students", type=Path, metavar="FILE", help="a text file with one student a line"
    )
    invites.add_argument(
        "--begins",
        type=invite.moment,
        metavar="TIME",
        help="from when on, such as 2027-01-31T08:00Z",
    )
    invites.add_argument("--ends", type=invite.moment, metavar="TIME", help="until when")
    invites.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    invites.set_defaults(run=run_invite)

    revoke = actions.add_parser("revoke", help="take an invitation back")
    _add_settings(revoke)
    revoke.add_argument("--exam", required=True, help="the policy's short name")
    revoke.add_argument("--seat", type=int, required=True, metavar="N")
    revoke.set_defaults(run=run_revoke)

    hub_staff.add(actions)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", type=Path, metavar="FILE", help="the hub's settings (TOML)")
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="where the hub keeps things")


def settings_of(arguments: argparse.Namespace) -> HubSettings:
    """The settings from file, environment and command line, the last one first."""
    from proctor.errors import MissingError

    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise MissingError(
            f"A hub needs programs that are not installed ({', '.join(missing)}): "
            f"pip install 'open-proctor[hub]'"
        )
    from proctor.hub import settings

    given = {name: getattr(arguments, name, None) for name in ("folder", "host", "port", "workers")}
    said = settings.load(arguments.settings, more={k: v for k, v in given.items() if v is not None})
    if said.database.startswith("postgresql") and importlib.util.find_spec("psycopg") is None:
        raise MissingError("PostgreSQL needs psycopg: pip install 'open-proctor[hub]'")
    return said


def run_serve(arguments: argparse.Namespace) -> int:
    said = settings_of(arguments)
    from proctor.hub import serve, starting

    again = starting.start(said)
    if again:
        print(
            f"{again} clips were erased before and had come back from a backup; they are gone again."
        )

    def ready(address: str) -> None:
        if arguments.quiet:
            return
        where = "SQLite" if said.on_sqlite else "PostgreSQL"
        print(f"The hub answers at {address} ({where}; {said.folder}). Stop it with Ctrl+C.")
        if said.host not in ("127.0.0.1", "localhost", "::1") and said.certificate is None:
            print("It speaks no TLS itself: put a proxy before it that does, or set a certificate.")
        print("Invite students:  proctor hub invite --policy exam.dsse --count 3 --out invitations")
        print("Add a person:     proctor hub staff --help", flush=True)

    serve.serve(said, ready)
    return 0


def run_migrate(arguments: argparse.Namespace) -> int:
    said = settings_of(arguments)
    from proctor.hub import migrate

    migrate.prepare(said)
    if not arguments.quiet:
        print("The database is up to date.")
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    said = settings_of(arguments)
    from proctor.hub import starting

    answers = starting.check(said)
    for name, why in answers:
        print(f"{name}: {why or 'can be used'}")
    return 1 if any(why for _, why in answers) else 0


def run_invite(arguments: argparse.Namespace) -> int:
    from policies import root as roots
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence.disk import read_bounded, said_plainly, write_new

    said = settings_of(arguments)
    students = _students(arguments)
    if arguments.out.exists():
        raise InputError(f"{arguments.out} is there already; choose another folder.")
    from policies import invitation as documents
    from policies import sign
    from proctor.hub import enrol, starting
    from proctor.session.invitation import make

    def one(code: str) -> bytes:
        return documents.write(
            make(
                arguments.policy, root=arguments.root, addendum=None, code=code,
                begins=arguments.begins, ends=arguments.ends,
            )
        )  # fmt: skip

    # What cannot become an invitation is told before anything is published.
    one(documents.new_code())
    try:
        envelope = read_bounded(arguments.policy, sign.MAX_BYTES)
        root = roots.read(arguments.root) if arguments.root else None
    except (OSError, ValueError) as error:
        raise InputError(f"The policy {arguments.policy} cannot be read: {error}.") from error
    except PolicyError as error:
        raise InputError(str(error)) from error
    with starting.opened(said) as hub:
        exam, digest = enrol.publish(hub, envelope, root)
        codes = enrol.new_codes(hub, exam, digest, len(students), arguments.begins, arguments.ends)
    lines = ["seat,student,file"]
    with said_plainly(f"the invitations {arguments.out}"):
        arguments.out.mkdir(mode=0o700, parents=True)
        for code, student in zip(codes, students, strict=True):
            file = f"seat-{code.seat:03d}{documents.SUFFIX}"
            write_new(arguments.out / file, one(code.code))
            lines.append(f"{code.seat},{_cell(student)},{file}")
        write_new(arguments.out / LIST, ("\n".join(lines) + "\n").encode("utf-8"))
    if not arguments.quiet:
        print(f"{len(codes)} invitations to the exam '{exam}' are in {arguments.out}.")
        print(f"Who has which seat stands in {LIST} there, and nowhere in the hub: keep it safe.")
    return 0


def run_revoke(arguments: argparse.Namespace) -> int:
    said = settings_of(arguments)
    from proctor.hub import enrol, starting

    with starting.opened(said) as hub:
        enrol.revoke(hub, arguments.exam, arguments.seat)
    if not arguments.quiet:
        print(f"The invitation of seat {arguments.seat} is taken back.")
    return 0


def _students(arguments: argparse.Namespace) -> list[str]:
    """Whom the invitations are for, as the institution calls them; empty names for a plain count."""
    from proctor.errors import InputError
    from proctor.evidence.disk import read_bounded

    if arguments.students is None:
        if not 1 <= arguments.count <= MOST_STUDENTS:
            raise InputError(f"--count is from 1 to {MOST_STUDENTS}.")
        return [""] * arguments.count
    try:
        text = read_bounded(arguments.students, 1_000_000).decode("utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"The list {arguments.students} cannot be read: {error}.") from error
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found or len(found) > MOST_STUDENTS:
        raise InputError(f"{arguments.students} names no student, or more than {MOST_STUDENTS}.")
    if len(set(found)) != len(found):
        raise InputError(f"{arguments.students} names a student twice; each needs an own seat.")
    return found


def _cell(text: str) -> str:
    """A student's name as a cell of a CSV file that a spreadsheet takes for nothing else."""
    safe = f"'{text}" if text.startswith(_FORMULA) else text
    return '"' + safe.replace('"', '""') + '"' if any(c in safe for c in ',"') else safe
