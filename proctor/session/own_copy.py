"""A student's own key to the clips of their exam, where the policy grants one (decision 0025).

It is an age identity under the student's passphrase, beside the case and never in it: ``NAME-own.key``
next to the folder ``NAME``. What is sealed can then be opened by its recipients and by the student, and a
stolen computer opens nothing. Room scans are never sealed for it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from policies.schema import Policy
from proctor.errors import InputError
from proctor.evidence import layout
from proctor.evidence.disk import said_plainly
from proctor.evidence.keys import PUBLIC_SUFFIX, SUFFIX, KeyFile, new_identity, recipient_of

OWN = "-own"


def granted(policy: Policy) -> bool:
    """Whether this policy has clips and lets students have a key to them."""
    return policy.student_copy and "clips" in policy.purposes


def key_path(case: Path) -> Path:
    """Where the student's next key to the case in the folder ``case`` will lie.

    A key whose exam never began stays where it is: no key is ever taken away, the new one gets a number.
    """
    case = case.absolute()
    path, number = case.with_name(f"{case.name}{OWN}{SUFFIX}"), 1
    while path.exists() or path.with_suffix(PUBLIC_SUFFIX).exists():
        number += 1
        path = case.with_name(f"{case.name}{OWN}-{number}{SUFFIX}")
    return path


def check(policy: Policy, case: Path) -> None:
    """Raise :class:`InputError` where no key can be made: the policy grants none, or the case has begun."""
    if not granted(policy):
        raise InputError(
            f"The policy '{policy.id}' gives students no key of their own to clips; ask {policy.contact} "
            f"for a look at yours."
        )
    if (case / layout.JOURNAL).exists():
        raise InputError(
            f"The exam in {case} has begun, and who can open its clips is agreed; no key is added to it."
        )


def make(policy: Policy, case: Path, passphrase: str) -> KeyFile:
    """Make the student's key for a case that has not begun; takes a second, so that guessing is slow.

    Raises as :func:`check` does, :class:`InputError` when the passphrase is too short, and
    :class:`MissingError` when the key cannot be written.
    """
    check(policy, case)
    if not passphrase:
        raise InputError("A key of your own needs a passphrase; without one nothing was made.")
    path = key_path(case)
    with said_plainly(f"the key {path}"):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return new_identity(path.stem, path.parent, passphrase)


def find(case: Path, recipients: Collection[str]) -> KeyFile | None:
    """The student's key on this computer to clips that are sealed for ``recipients``, if there is one."""
    case = case.absolute()
    for public in sorted(case.parent.iterdir()):
        path = public.with_suffix(SUFFIX)
        if not public.name.startswith(f"{case.name}{OWN}") or public.suffix != PUBLIC_SUFFIX:
            continue
        try:
            if path.is_file() and (recipient := recipient_of(str(public))) in recipients:
                return KeyFile(path.stem, path, recipient, protected=True)
        except InputError:
            continue  # a damaged public half fits no clip; `case open --identity` needs none
    return None
