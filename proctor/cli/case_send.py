"""``proctor case send``: deliver a case to its hub, now or later, as often as it takes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proctor.evidence.sender import Sender
    from proctor.session.session import Session

# Kilobits a second in bytes a second.
BYTES_PER_KBIT = 125.0
# A hub that does not answer after an exam is not waited for longer than this, unless asked to (min).
PATIENCE_MINUTES = 5.0
UNTIL_STOPPED = 0.0


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``send`` to the actions of ``proctor case``."""
    parser = actions.add_parser(
        "send",
        help="deliver a case to the hub",
        description="Deliver a case: policy, journal, checkpoints and sealed clips. What arrived once is "
        "not sent again, also after a crash. Exit code 0: everything arrived; 1: something did not.",
    )
    parser.add_argument("case", type=Path, help="folder of the case")
    parser.add_argument(
        "--hub", metavar="URL", help="address of the hub (default: the one that the policy names)"
    )
    add_options(parser)
    parser.add_argument(
        "--code-file", type=Path, metavar="FILE", help="a file with the code of the invitation"
    )
    parser.add_argument(
        "--events-only", action="store_true", help="leave the clips here; send everything else"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=UNTIL_STOPPED,
        metavar="N",
        help="give up after this long (default: not before everything has arrived)",
    )
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command that delivers."""
    parser.add_argument(
        "--kbit",
        type=float,
        default=0.0,
        metavar="N",
        help="send at most this many kilobits a second (default: as fast as it goes)",
    )


def run(arguments: argparse.Namespace) -> int:
    import sys

    from proctor.errors import InputError

    hub = arguments.hub or _policy_hub(arguments.case)
    if not hub:
        raise InputError("The policy of this case names no hub; give its address with --hub URL.")
    code = _code(arguments.code_file) if arguments.code_file else ""

    def tell(sentence: str) -> None:
        if not arguments.quiet:
            print(sentence, file=sys.stderr, flush=True)

    sender = make_sender(arguments.case, hub, code, arguments.kbit, tell)
    sender.events_only = arguments.events_only
    return deliver(sender, arguments.case, arguments.minutes, quiet=arguments.quiet)


def make_sender(
    folder: Path, hub: str, code: str, kbit: float, tell: Callable[[str], None]
) -> Sender:
    """What delivers the case in ``folder``. Raises :class:`InputError` for an unusable address or budget."""
    from proctor.errors import InputError
    from proctor.evidence import view
    from proctor.evidence.outbox import Outbox
    from proctor.evidence.sender import Sender
    from proctor.hub.client import HubClient, check_address

    if kbit < 0.0:
        raise InputError("--kbit is a number of kilobits a second, 0 for as fast as it goes.")
    address = check_address(hub)
    attempt = view.read(folder).attempt
    outbox = Outbox.of(folder, address)
    client = HubClient(address, attempt, token=code)
    return Sender(outbox, client, bytes_s=kbit * BYTES_PER_KBIT, tell=tell)


def deliver(sender: Sender, folder: Path, minutes: float, *, quiet: bool) -> int:
    """Send until everything has arrived or ``minutes`` are over; says how far it came. 0 or 1."""
    from proctor.evidence.sender import drain

    ends = time.monotonic() + minutes * 60.0 if minutes else float("inf")
    with sender.outbox:
        finished = drain(sender, time.sleep, lambda: time.monotonic() < ends)
        counts, refused = sender.outbox.counts(), sender.outbox.refused()
    if not quiet:
        print(f"{counts.done} parts of the case have arrived, {counts.waiting} are left.")
        for kind, name, why in refused:
            print(f"  not taken: {kind} {name} ({why})")
        if counts.waiting:
            print(f"Everything is still here. Go on with: proctor case send {folder}")
    return 0 if finished and not refused and not counts.waiting else 1


@contextmanager
def sending(
    session: Session, arguments: argparse.Namespace, tell: Callable[[str], None]
) -> Iterator[None]:
    """While the exam of ``session`` runs, deliver to the hub of its policy; nothing where it names none.

    What is to be said about it is journalled, too.
    """
    with delivering(session, arguments.case, arguments.code, arguments.kbit, tell):
        yield


@contextmanager
def delivering(
    session: Session, folder: Path, code: str, kbit: float, tell: Callable[[str], None]
) -> Iterator[None]:
    """As :func:`sending`, for the case in ``folder`` and the ``code`` of its invitation."""
    from proctor.evidence.sender import Courier, Tell

    hub = session.plan.policy.hub
    if not hub:
        yield
        return

    def noted(sentence: str) -> None:
        now = round(session.clock.now(), 3)
        data = {"t": now, "kind": "delivery.noted", "data": {"sentence": sentence}}
        session.case.record("marker", data)
        tell(sentence)

    def make(say: Tell) -> Sender:
        return make_sender(folder, hub, code, kbit, say)

    courier = Courier(make, noted)
    courier.start()
    try:
        yield
    finally:
        courier.stop()


def send_rest(hub: str, arguments: argparse.Namespace) -> None:
    """After an exam: deliver what is left, for a while; ``case send`` goes on with the rest."""
    import sys

    from proctor.errors import ProctorError

    if not hub:
        return

    def tell(sentence: str) -> None:
        if not arguments.quiet:
            print(sentence, file=sys.stderr, flush=True)

    try:
        sender = make_sender(arguments.case, hub, arguments.code, arguments.kbit, tell)
        deliver(sender, arguments.case, PATIENCE_MINUTES, quiet=arguments.quiet or arguments.json)
    except ProctorError as error:
        # The exam is over and whole here; that its delivery waits is no failure of it.
        tell(str(error))


def _policy_hub(folder: Path) -> str:
    from policies import load
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence import view

    try:
        return load.parse(view.read(folder).policy, "of this case").hub
    except PolicyError as error:
        raise InputError(str(error)) from error


def _code(path: Path) -> str:
    from proctor.errors import InputError
    from proctor.evidence.disk import read_bounded

    try:
        code = read_bounded(path, 1000).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise InputError(f"The code in {path} cannot be read: {error}.") from error
    if not code.isalnum():
        raise InputError(f"{path} holds no code of an invitation: letters and digits in one line.")
    return code
