"""``proctor case erase`` and ``proctor case hold``: what has to go goes, unless two people hold it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from proctor.cli import passphrase

if TYPE_CHECKING:
    from datetime import datetime

    from policies.root import Root
    from policies.schema import Policy
    from proctor.evidence.hold import Hold
    from proctor.evidence.retention import Due, Kept
    from proctor.evidence.view import CaseView


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    erase = actions.add_parser(
        "erase",
        help="erase what has been kept long enough",
        description="Erase clips, or the whole case, when the time for which its policy keeps them is "
        "over: first the keys in each file, then its bytes, then a signed tombstone is written and the "
        "notice to the student printed. Without --due or --flag it only lists when what has to go.",
    )
    erase.add_argument("case", type=Path, help="folder of the case")
    what = erase.add_mutually_exclusive_group()
    what.add_argument("--due", action="store_true", help="erase everything that is due")
    what.add_argument("--flag", metavar="ID", help="erase the clip of this flag now; needs --why")
    what.add_argument(
        "--copy",
        type=Path,
        metavar="FILE.zip",
        help="erase this copy for research, wherever it lies",
    )
    erase.add_argument("--why", metavar="TEXT", help="with --flag: why, in a sentence that is kept")
    erase.add_argument(
        "--policy",
        metavar="FILE",
        help="a later policy of the exam; each class is kept for the shorter time of both",
    )
    erase.add_argument(
        "--root",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="root file of the institution whose holds count (may be given again; default: the one "
        "installed here, and those before it)",
    )
    erase.add_argument(
        "--notice", type=Path, metavar="FILE", help="write the notice here, not to the terminal"
    )
    erase.set_defaults(run=run_erase)

    hold = actions.add_parser(
        "hold",
        help="keep a case, or some clips, from being erased for now",
        description="Write a hold, which stops erasure until a date. It counts once two different keys "
        "of the institution's root file signed it: give both, or let a second person add theirs "
        "with --sign.",
    )
    hold.add_argument("case", type=Path, help="folder of the case")
    hold.add_argument("--name", help="who asks for it")
    hold.add_argument("--reason", help="why, in a sentence")
    hold.add_argument("--until", metavar="DATE", help="last day of the hold, such as 2027-03-31")
    hold.add_argument(
        "--flag",
        action="append",
        default=[],
        metavar="ID",
        help="hold this clip only (again: more)",
    )
    hold.add_argument(
        "--sign", type=int, metavar="N", help="add a signature to hold N of this case"
    )
    hold.add_argument(
        "--key",
        type=Path,
        action="append",
        required=True,
        metavar="KEYFILE",
        help="a key made by `proctor keys new --signing` (may be given again)",
    )
    passphrase.add_option(hold)
    hold.set_defaults(run=run_hold)


def run_erase(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from policies.texts.erased import language_of
    from proctor.errors import CheckFailed, InputError
    from proctor.evidence import access, deciding, retention
    from proctor.evidence.access_checks import missing_holds
    from proctor.evidence.case import Case
    from proctor.evidence.clearing import clear, files_of
    from proctor.evidence.disk import said_plainly, write_new

    if bool(arguments.flag) != bool(arguments.why) and not arguments.copy:
        raise InputError("--flag and --why belong together: what is erased early says why.")
    if arguments.notice and arguments.notice.exists():
        raise InputError(f"There is a file {arguments.notice} already; name another with --notice.")
    now = datetime.now(UTC)
    view = Case.read(arguments.case)
    policy = _policy(view, arguments.policy)
    if wrong := missing_holds(arguments.case, view.attempt, now):
        raise CheckFailed(
            f"Nothing was erased, for it is not known what is held: {'; '.join(wrong[:3])}. Put it back, "
            f"or look into it with `proctor case verify`."
        )
    holds = _holds(arguments.case, policy, arguments.root)
    copies = access.copies(arguments.case)
    judged = deciding.decided(view, policy.review, now)
    case = retention.kept(view, files_of(arguments.case), holds, copies, judged)
    elsewhere: list[Due] = []
    if arguments.copy:
        due = [_copy(arguments, view, case, policy, now)]
    elif arguments.flag:
        due = [_asked(case, arguments.flag, arguments.why, now)]
        hold = retention.held(case, due[0].item, now)
        if hold is not None and arguments.flag not in case.erased:
            raise CheckFailed(
                f"The clip of '{arguments.flag}' was not erased: {hold.name} holds it until "
                f"{hold.until:%Y-%m-%d} ({hold.reason})."
            )
    elif arguments.due:
        due = retention.due([case], policy, now)
        elsewhere = [one for one in due if one.item.kind == "research"]
        due = [one for one in due if one.item.kind != "research"]
    else:
        return _list(case, policy, now)
    if not arguments.copy:
        clear(arguments.case, due, now)
    for one in elsewhere:
        print(
            f"The copy for research '{one.item.name}' must go and lies elsewhere: `proctor case erase "
            f"{arguments.case} --copy FILE.zip`. {one.why}"
        )
    if not due:
        print("Nothing in the case is due; nothing was erased.")
        return 0
    lang = language_of(view.consent.get("language"), policy)
    notice = retention.notice(policy, due, now, lang)
    if arguments.notice:
        with said_plainly(f"the notice {arguments.notice}"):
            write_new(arguments.notice, notice.encode("utf-8"))
        print(f"{len(due)} erased. The student is to get {arguments.notice}.")
    else:
        print(f"{len(due)} erased. The student is to get this notice:\n\n{notice}", end="")
    return 0


def _copy(
    arguments: argparse.Namespace,
    view: CaseView,
    case: Kept,
    policy: Policy,
    now: datetime,
) -> Due:
    """Erase a copy for research, on record; what to tell the student about it."""
    from proctor.errors import CheckFailed, InputError
    from proctor.evidence import access, tombstone
    from proctor.evidence.disk import said_plainly
    from proctor.evidence.export import copy_of
    from proctor.evidence.retention import Due, Item, deadline, held
    from proctor.evidence.untrusted import text

    number = copy_of(arguments.copy, view.attempt)
    # One that is on record as erased may lie there still, after a crash or from a backup.
    every = access.copies(arguments.case, erased=True)
    known = next((copy for copy in every if copy.id == number), None)
    if known is None:
        raise InputError(f"The logs of this case know no copy for research {arguments.copy}.")
    item = Item("research", known.name, known.since)
    if (hold := held(case, item, now)) is not None:
        raise CheckFailed(
            f"The copy was not erased: {hold.name} holds the case until {hold.until:%Y-%m-%d} "
            f"({hold.reason})."
        )
    due = deadline(case, item, policy)
    if arguments.why:
        due = Due(case.attempt, item, now, text(arguments.why), "request")
    elif due.at > now:
        raise InputError(
            f"The copy may be kept until {due.at:%Y-%m-%d}; what is erased early says why (--why)."
        )
    facts = {"copy": known.id, "file": known.name}
    access.note(view, access.local_reader(), access.GONE, facts, reason=due.why)
    with said_plainly(f"the copy {arguments.copy}"):
        tombstone.destroy_whole(arguments.copy)
    return due


def _asked(case: Kept, flag: str, why: str, now: datetime) -> Due:
    from proctor.errors import InputError
    from proctor.evidence.retention import SEALED, Due
    from proctor.evidence.untrusted import text

    for item in case.items:
        if item.kind in SEALED and item.name == flag:
            return Due(case.attempt, item, now, text(why), "request")
    raise InputError(f"This case keeps no clip of a flag '{flag}'; `proctor case show` lists them.")


def _list(case: Kept, policy: Policy, now: datetime) -> int:
    from proctor.evidence.retention import deadline, held

    for item in case.items:
        one = deadline(case, item, policy)
        hold = held(case, item, now)
        if item.name in case.erased:
            when = "now"
        elif hold is not None:
            when = f"held until {hold.until:%Y-%m-%d} by {hold.name}"
        else:
            when = "now" if one.at <= now else f"{one.at:%Y-%m-%d %H:%M} UTC"
        name = {
            "journal": "journal and all else",
            "research": f"copy for research {item.name}",
            "room_scan": f"room scan {item.name}",
        }.get(item.kind, f"clip of {item.name}")
        print(f"{name:<32} {when:<22} {one.why}")
    print("Nothing was erased; --due erases what stands at 'now'.")
    return 0


def _policy(view: CaseView, other: str | None) -> Policy:
    """The case's policy; with ``other``, the shorter time of both for each class."""
    from policies import load
    from policies.errors import PolicyError
    from proctor.errors import InputError

    try:
        own = load.parse(view.policy, "of this case")
        if other is None:
            return own
        later = load.read(other)[0]
    except PolicyError as error:
        raise InputError(str(error)) from error
    if (later.institution, later.id) != (own.institution, own.id):
        raise InputError(
            f"The policy {other} is not one of '{own.institution}' called '{own.id}', under which this "
            f"exam was sat."
        )
    # Nothing is kept for longer than what the student was told.
    days = {
        name: min(getattr(own.retention, name), getattr(later.retention, name))
        for name in type(own.retention).model_fields
    }
    window = min(own.review.window_days, later.review.window_days)
    return own.model_copy(
        update={
            "retention": own.retention.model_copy(update=days),
            "review": own.review.model_copy(update={"window_days": window}),
        }
    )


def _holds(folder: Path, policy: Policy, root_files: list[Path]) -> list[Hold]:
    """The holds in force. One that cannot be checked stops everything; one that fails is said."""
    from proctor.errors import InputError
    from proctor.evidence import hold, layout
    from proctor.evidence.disk import read_bounded

    paths = sorted((folder / layout.HOLDS).glob(f"*{layout.HOLD_SUFFIX}"))
    if not paths:
        return []
    roots = _roots(policy.institution, root_files)
    found = []
    for path in paths:
        try:
            found.append(_in_force(read_bounded(path, hold.MAX_BYTES), roots))
        except hold.HoldError as error:
            print(f"Hold {path.name}: {error}")
        except (OSError, ValueError) as error:
            raise InputError(f"The hold {path} cannot be read ({error}).") from error
    return found


def _in_force(envelope: bytes, roots: list[Root]) -> Hold:
    """The hold under the first of ``roots`` whose keys signed it; raises as the last of them says."""
    from proctor.evidence import hold

    for root in roots[:-1]:
        try:
            return hold.read(envelope, root.public_keys())
        except hold.HoldError:
            continue
    return hold.read(envelope, roots[-1].public_keys())


def _roots(institution: str, paths: list[Path]) -> list[Root]:
    """The roots under which a hold counts: those given; else the installed one, and those before it.

    A hold that two people signed does not end because one of them was replaced.
    """
    from policies import root
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.session.trust import installed_roots, past_roots

    try:
        given = [root.read(path) for path in paths]
    except PolicyError as error:
        raise InputError(str(error)) from error
    known = given or [found for _, found in (*installed_roots(), *past_roots())]
    known = [one for one in known if one.institution == institution]
    if not known:
        raise InputError(
            f"This case has a hold, and who may sign one for '{institution}' is not known here, so "
            f"nothing was erased: give the institution's root file with --root."
        )
    return known


def run_hold(arguments: argparse.Namespace) -> int:
    import hashlib

    from policies import sign
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence import access, hold, layout
    from proctor.evidence.case import Case
    from proctor.evidence.disk import read_bounded, said_plainly, write_new, write_whole
    from proctor.evidence.signing import load_signing_key

    view = Case.read(arguments.case)
    new = None if arguments.sign else _new_hold(arguments, view)
    ask = passphrase.asker(arguments.passphrase_file)
    keys = [load_signing_key(path, ask) for path in arguments.key]
    folder = arguments.case / layout.HOLDS
    if new is None:
        path = arguments.case / layout.hold_name(arguments.sign)
        try:
            raw = read_bounded(path, hold.MAX_BYTES)
            new = hold.unchecked(raw)
            envelope = sign.add_signatures(raw, keys)
        except (OSError, ValueError, PolicyError) as error:
            raise InputError(f"The hold {path} cannot be signed: {error}") from error
        with said_plainly(f"the hold {path}"):
            write_whole(path, envelope)
    else:
        try:
            envelope = sign.add_signatures(hold.write(new, keys[:1]), keys[1:])
        except PolicyError as error:
            raise InputError(str(error)) from error
        taken = [
            int(one.stem) for one in folder.glob(f"*{layout.HOLD_SUFFIX}") if one.stem.isdigit()
        ]
        path = arguments.case / layout.hold_name(max(taken, default=0) + 1)
        with said_plainly(f"the hold {path}"):
            folder.mkdir(mode=0o700, exist_ok=True)
            write_new(path, envelope)
    # A hold that is taken away is missed, once a log has named it.
    facts = {
        "file": path.name,
        "sha256": hashlib.sha256(sign.inspect(envelope)[0]).hexdigest(),
        "until": new.until.isoformat(),
    }
    access.note(view, access.local_reader(arguments.name), access.HELD, facts, reason=new.reason)
    signatures = len(sign.inspect(envelope)[2])
    print(f"{path}: {new.name} holds it until {new.until:%Y-%m-%d} ({new.reason}).")
    if signatures < hold.SIGNATURES:
        print(
            f"It has {signatures} signature and counts with {hold.SIGNATURES}: a second person runs "
            f"`proctor case hold {arguments.case} --sign {int(path.stem)} --key KEYFILE`."
        )
    return 0


def _new_hold(arguments: argparse.Namespace, view: CaseView) -> Hold:
    from datetime import UTC, datetime, timedelta

    from proctor.errors import InputError
    from proctor.evidence.hold import Hold

    if not (arguments.name and arguments.reason and arguments.until):
        raise InputError("A hold needs --name, --reason and --until.")
    unknown = [flag for flag in arguments.flag if flag not in view.sealed]
    if unknown:
        raise InputError(f"This case keeps no clip of a flag '{unknown[0]}', so none can be held.")
    try:
        last = datetime.strptime(arguments.until, "%Y-%m-%d").replace(tzinfo=UTC)
        until = last + timedelta(days=1, seconds=-1)
    except (ValueError, OverflowError) as error:
        raise InputError(f"'{arguments.until}' is no date; write it like 2027-03-31.") from error
    if until <= datetime.now(UTC):
        raise InputError(f"A hold until {arguments.until} is over already; name a day to come.")
    return Hold(view.attempt, frozenset(arguments.flag), arguments.name, arguments.reason, until)
