"""What is arranged for one student, as a session uses it: trusted, and laid over the plug-ins."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from policies import root, sign
from policies.addendum import Addendum, open_addendum
from policies.errors import PolicyError, Refused
from policies.schema import PurposeName
from proctor.errors import CheckFailed, InputError
from proctor.evidence.disk import read_bounded
from proctor.evidence.keys import local_signing_key
from proctor.pipeline.detector import Plugin
from proctor.session.trust import Trusted, installed_roots

SENSOR: Mapping[str, PurposeName] = {"frame": "camera", "audio": "microphone"}


def purposes_of(plugin: Plugin) -> tuple[PurposeName, ...]:
    """Everything the student must have agreed to for ``plugin``: its sensor first, then its needs."""
    needs = cast(tuple[PurposeName, ...], plugin.needs)  # checked when plug-ins are found
    return tuple(dict.fromkeys((SENSOR[plugin.takes], *needs)))


@dataclass(frozen=True, slots=True)
class Arranged:
    """An addendum that holds here now, and the hash of the file it came in."""

    addendum: Addendum
    sha256: str

    def off_of(self, plugin: Plugin) -> tuple[str, ...]:
        """The kinds of ``plugin`` that are not measured; all of them when the detector is off."""
        whole = plugin.name in self.addendum.detectors_off
        return tuple(k.name for k in plugin.kinds if whole or self.addendum.off(k.name))

    def idle_sensors(self, plugins: Iterable[Plugin]) -> frozenset[PurposeName]:
        """Sensors of which every detector among ``plugins`` is off: they are never opened."""
        used: dict[PurposeName, bool] = {}
        for plugin in plugins:
            sensor = SENSOR[plugin.takes]
            runs = len(self.off_of(plugin)) < len(plugin.kinds)
            used[sensor] = used.get(sensor, False) or runs
        return frozenset(sensor for sensor, runs in used.items() if not runs)


def read_addendum(
    path: Path, trusted: Trusted, roots: Sequence[Path] = (), *, now: datetime | None = None
) -> Arranged:
    """The addendum at ``path``, when the institution behind ``trusted`` signed it for that policy.

    For a preset or practice policy, which nobody signed, this machine's own key stands in. Raises
    :class:`CheckFailed` when it must not be followed, :class:`InputError` when it is not usable.
    """
    try:
        raw = read_bounded(path, sign.MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"The addendum {path} cannot be read ({reason}).") from error
    digest = hashlib.sha256(trusted.payload).hexdigest()
    try:
        keys = _keys(trusted, roots)
        addendum = open_addendum(raw, str(path), keys, digest, now or datetime.now(UTC))
        addendum.check(trusted.policy)
    except Refused as error:
        raise CheckFailed(str(error)) from error
    except PolicyError as error:
        raise InputError(str(error)) from error
    return Arranged(addendum, hashlib.sha256(raw).hexdigest())


def _keys(trusted: Trusted, roots: Sequence[Path]) -> list[Ed25519PublicKey]:
    if trusted.envelope is None:
        return [local_signing_key().public_key()]
    known = [root.read(path) for path in roots] or [found for _, found in installed_roots()]
    return [
        key
        for one in known
        if one.institution == trusted.policy.institution
        for key in one.public_keys()
    ]
