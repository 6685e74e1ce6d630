"""Which policies this machine follows, and what it remembers of those it has followed.

The rules are in ``policies.trust``; here are the disk and the clock. Whoever owns the machine can
delete what it remembers: this keeps honest machines from following an old policy by mistake or at
the word of a third party, and a hub has its own memory (docs/decisions/0011).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from policies import load, root, sign
from policies import trust as rules
from policies.errors import PolicyError, Refused
from policies.root import Root
from policies.schema import Policy
from policies.trust import Seen
from proctor.errors import CheckFailed, InputError
from proctor.evidence.disk import read_bounded, said_plainly, write_new, write_whole
from proctor.evidence.keys import data_dir

# A memory of ten thousand policies takes about a megabyte.
MAX_MEMORY = 10_000_000
FORMAT = 1
LOCK_S = 10.0


@dataclass(frozen=True, slots=True)
class Trusted:
    """A policy that may run here; ``envelope`` is the institution's, or ``None`` where it is unsigned."""

    policy: Policy
    payload: bytes
    envelope: bytes | None


def read_trusted(
    name_or_path: str, roots: Sequence[Path] = (), *, now: datetime | None = None
) -> Trusted:
    """The policy to run: a preset, a practice file, or an envelope that passes every check.

    ``roots``: root files to check against, instead of those installed here. ``now``: the present
    (default: this computer's clock). Raises :class:`CheckFailed` when a signed policy must not be
    followed, :class:`InputError` when something given is not usable. Nothing is remembered then.
    """
    where = load.describe(name_or_path)
    try:
        raw = load.read_bytes(name_or_path)
        if load.is_envelope(raw):
            return _signed(raw, where, roots, now or datetime.now(UTC))
        policy = load.parse(raw, where)
        if roots:
            raise PolicyError(
                f"The policy {where} is not signed, so the root file given has nothing to say about it; "
                f"give the signed envelope, or leave --root out."
            )
        if name_or_path not in load.preset_names():
            rules.check_unsigned(policy, where)
    except Refused as error:
        raise CheckFailed(str(error)) from error
    except PolicyError as error:
        raise InputError(str(error)) from error
    return Trusted(policy, raw, None)


def check(path: str, roots: Sequence[Path] = (), *, now: datetime | None = None) -> Policy:
    """The policy in an envelope that would be followed here now; nothing is remembered."""
    where = load.describe(path)
    try:
        raw = load.read_bytes(path)
        if not load.is_envelope(raw):
            raise PolicyError(f"The policy {where} is not signed; `proctor policy sign` signs it.")
        known = _roots(roots)
        return rules.accept(raw, where, known, now or datetime.now(UTC), _recall()).policy
    except Refused as error:
        raise CheckFailed(str(error)) from error
    except PolicyError as error:
        raise InputError(str(error)) from error


def installed_roots() -> list[tuple[Path, Root]]:
    """The root files of institutions that this machine knows, with their paths."""
    folder = _roots_dir()
    if not folder.is_dir():
        return []
    try:
        return [(path, root.read(path)) for path in sorted(folder.glob("*.toml"))]
    except PolicyError as error:
        raise InputError(str(error)) from error


def past_roots() -> list[tuple[Path, Root]]:
    """Roots whose place others took here: what they signed before, such as a hold, was signed."""
    folder = _past_dir()
    if not folder.is_dir():
        return []
    try:
        return [(path, root.read(path)) for path in sorted(folder.glob("*.toml"))]
    except PolicyError as error:
        raise InputError(str(error)) from error


def install_root(path: Path) -> tuple[Path, Root]:
    """Keep a copy of a root file, so that ``--root`` need not be given; returns where it lies.

    A signed one (``proctor policy root next``) takes the place of the one before it, whose keys signed
    it. Raises :class:`CheckFailed` when they did not, and :class:`InputError` when a plain one of the
    same institution is here: taking its place is a person's decision.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(sign.MAX_BYTES)
        if load.is_envelope(raw):
            return _follow(raw, load.printable(str(path)))
        new = root.parse(raw, load.printable(str(path)))
    except Refused as error:
        raise CheckFailed(str(error)) from error
    except PolicyError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"The root file {path} cannot be read ({error.strerror}).") from error
    for known_path, known in installed_roots():
        if known.institution == new.institution:
            if known == new:
                return known_path, known
            raise InputError(
                f"Another root file of '{new.institution}' is installed here; ask for the one that its "
                f"old keys signed, or, if you know that its keys changed, remove {known_path} and try "
                f"again."
            )
    slug = re.sub(r"[^a-z0-9]+", "-", new.institution.lower()).strip("-")[:40] or "institution"
    digest = hashlib.sha256(new.institution.encode()).hexdigest()[:8]
    target = _roots_dir() / f"{slug}-{digest}.toml"
    with said_plainly(f"the root file {target}"):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_new(target, _root_text(new))
    return target, new


def _follow(envelope: bytes, where: str) -> tuple[Path, Root]:
    """Put a signed root into the place of the one that is installed, step by step."""
    payload, kind, _ = sign.inspect(envelope)
    if kind != root.PAYLOAD_TYPE:
        raise PolicyError(f"The envelope {where} holds '{load.printable(kind)}', which is no root.")
    new = root.parse(payload, where)
    for path, known in installed_roots():
        if known.institution != new.institution:
            continue
        if known == new:
            return path, known
        followed = root.follow(envelope, where, known)
        past = _past_dir() / f"{path.stem}-{known.version}.toml"
        with said_plainly(f"the root file {path}"):
            past.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(past, _root_text(known))
            write_whole(path, _root_text(followed))
        return path, followed
    raise PolicyError(
        f"No root file of '{new.institution}' is installed here that {where} could follow; install the "
        f"plain root file that you have from the institution."
    )


def _root_text(made: Root) -> bytes:
    return root.make(made.institution, made.keys, made.threshold, made.version).encode("utf-8")


def _signed(raw: bytes, where: str, given: Sequence[Path], now: datetime) -> Trusted:
    known = _roots(given)
    path = _memory_path()
    with said_plainly(f"what this computer remembers of policies ({path})"):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(path.with_suffix(".lock"), timeout=LOCK_S):
            seen = _recall()
            accepted = rules.accept(raw, where, known, now, seen)
            if accepted.seen != seen:
                write_whole(path, _write(accepted.seen))
    return Trusted(accepted.policy, accepted.payload, raw)


def _roots(given: Sequence[Path]) -> list[Root]:
    if given:
        return [root.read(path) for path in given]
    return [known for _, known in installed_roots()]


def _roots_dir() -> Path:
    return data_dir() / "roots"


def _past_dir() -> Path:
    return _roots_dir() / "past"


def _memory_path() -> Path:
    return data_dir() / "policies-seen.json"


def _write(seen: Seen) -> bytes:
    institutions: dict[str, dict[str, Any]] = {}
    for (institution, name), (version, sha256) in sorted(seen.versions.items()):
        institutions.setdefault(institution, {})[name] = {"version": version, "sha256": sha256}
    latest = seen.latest.isoformat() if seen.latest else None
    document = {"format": FORMAT, "latest": latest, "policies": institutions}
    return json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8") + b"\n"


def _recall() -> Seen:
    """What is remembered; a damaged memory is an error, or damaging it would make us forget."""
    path = _memory_path()
    try:
        document = json.loads(read_bounded(path, MAX_MEMORY).decode("utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"it has the format {document['format']!r:.20}")
        latest = document["latest"]
        moment = datetime.fromisoformat(latest) if latest is not None else None
        if moment is not None and moment.tzinfo is None:
            raise ValueError("its moment has no time zone")
        versions = {
            (str(institution), str(name)): (int(entry["version"]), str(entry["sha256"]))
            for institution, policies in document["policies"].items()
            for name, entry in policies.items()
        }
    except FileNotFoundError:
        return Seen()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PolicyError(
            f"What this computer remembers of signed policies ({path}) cannot be read "
            f"({load.printable(str(error))}); put it back from a backup, or remove it knowing that "
            f"older policies are then accepted again."
        ) from error
    return Seen(moment, versions)
