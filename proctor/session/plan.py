"""What an exam needs, checked before anybody is asked for consent: policy, plug-ins, networks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models import registry
from policies.addendum import Addendum
from policies.schema import Policy, PurposeName, RuleSettings
from proctor.errors import InputError, MissingError
from proctor.evidence.words import BY_ARRANGEMENT
from proctor.pipeline.detector import Context, Kind, Plugin, Settings
from proctor.pipeline.plugins import Plugins, discover
from proctor.pipeline.runner import Station
from proctor.session.arrangement import purposes_of, read_addendum
from proctor.session.recipients import take_beside
from proctor.session.trust import read_trusted


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A detector that does not run in this session, why, and what mends it."""

    detector: str
    kinds: tuple[str, ...]
    why: str
    mend: str

    def sentence(self) -> str:
        mend = f" {self.mend}" if self.mend else ""
        return f"Not measured: {', '.join(self.kinds)} ({self.why}).{mend}"


@dataclass(frozen=True, slots=True)
class Choice:
    """A plug-in that this session runs, with its checked settings and verified model files."""

    plugin: Plugin
    settings: Settings
    models: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Plan:
    """A policy that this machine can carry out, and what it cannot measure."""

    policy: Policy
    policy_bytes: bytes
    choices: tuple[Choice, ...]
    not_measured: tuple[NotMeasured, ...]
    # The institution's own envelope; ``None`` for a preset or a practice file, which nobody signed.
    policy_envelope: bytes | None = None
    # What is arranged for this student on top of the policy, and the hash of the file that says so.
    addendum: Addendum | None = None
    addendum_sha256: str = ""
    # Sensors that stay closed, because everything they would be for is off by arrangement.
    idle: frozenset[PurposeName] = frozenset()

    @property
    def kinds(self) -> list[Kind]:
        """What is measured in this session."""
        return [kind for choice in self.choices for kind in self.kinds_of(choice)]

    def kinds_of(self, choice: Choice) -> list[Kind]:
        """What is measured with one plug-in: its kinds but those that are off by arrangement."""
        return [kind for kind in choice.plugin.kinds if not self._off(kind.name)]

    @property
    def rules(self) -> Mapping[str, RuleSettings]:
        """The policy's rules as they hold for this student."""
        return self.addendum.rules_of(self.policy) if self.addendum else self.policy.rules

    @property
    def breaks_unlimited(self) -> bool:
        return self.addendum is not None and self.addendum.breaks_unlimited

    def arranged(self, kind: str) -> bool:
        """Whether ``kind`` is not measured by arrangement for this student (rule A1)."""
        return self._off(kind) or any(
            kind in absent.kinds for absent in self.not_measured if absent.why == BY_ARRANGEMENT
        )

    def _off(self, kind: str) -> bool:
        return self.addendum is not None and self.addendum.off(kind)

    @property
    def policy_sha256(self) -> str:
        return hashlib.sha256(self.policy_bytes).hexdigest()

    def without(self, sensors: Sequence[str], why: str) -> Plan:
        """The plan with the detectors of ``sensors`` (``frame``, ``audio``) left out."""
        return self._keep(lambda plugin: plugin.takes not in sensors, why)

    def agreed(self, granted: Collection[PurposeName], why: str) -> Plan:
        """The plan with only the detectors of which every purpose is in ``granted``."""
        return self._keep(lambda plugin: set(purposes_of(plugin)) <= set(granted), why)

    def _keep(self, wanted: Callable[[Plugin], bool], why: str) -> Plan:
        gone = tuple(
            NotMeasured(c.plugin.name, tuple(k.name for k in self.kinds_of(c)), why, "")
            for c in self.choices
            if not wanted(c.plugin)
        )
        kept = tuple(c for c in self.choices if wanted(c.plugin))
        return replace(self, choices=kept, not_measured=self.not_measured + gone)

    def model_digests(self) -> dict[str, str]:
        """SHA-256 of every network file that this session uses, by manifest name."""
        return {
            name: _digest(name, path)
            for choice in self.choices
            for name, path in choice.models.items()
        }

    def stations(self) -> list[Station]:
        """Load every network and make every detector.

        Raises :class:`InputError` when a detector cannot work with its settings.
        """
        shared: dict[str, Any] = {}
        stations = []
        for choice in self.choices:
            name = choice.plugin.name
            try:
                detector = choice.plugin.create(choice.settings, Context(choice.models, shared))
            except ValueError as error:
                raise InputError(f"The detector '{name}' cannot start: {error}") from error
            except Exception as error:  # third-party code and native libraries raise anything
                raise MissingError(
                    f"The detector '{name}' cannot start on this machine: "
                    f"{type(error).__name__}: {error}. `proctor doctor` says what is missing."
                ) from error
            stations.append(Station(choice.plugin, detector))
        return stations


def make_plan(
    policy_name: str,
    *,
    plugins: Mapping[str, Plugin] | None = None,
    require_all: bool = True,
    roots: Sequence[Path] = (),
    now: datetime | None = None,
    addendum: Path | None = None,
) -> Plan:
    """Read a policy (preset name, practice file or signed envelope) and check it against this machine.

    ``roots`` and ``now`` are those of :func:`proctor.session.trust.read_trusted`. A list of revoked keys
    that lies beside a signed policy is followed from now on.
    ``addendum``: the signed file of what is arranged for this student; what it switches off is
    neither looked for on this machine nor loaded.
    ``require_all=False`` is for practice runs: a missing network is then never a reason to stop.
    """
    trusted = read_trusted(policy_name, roots, now=now)
    policy = trusted.policy
    if trusted.envelope is not None:
        take_beside(Path(policy_name), policy.institution)
    arranged = read_addendum(addendum, trusted, roots, now=now) if addendum else None
    known = discover() if plugins is None else plugins
    _check_names(policy, known)
    choices: list[Choice] = []
    missing: list[NotMeasured] = []
    for name, wanted in policy.detectors.items():
        plugin = known[name]
        for purpose in purposes_of(plugin):
            if purpose not in policy.purposes:
                raise InputError(
                    f"The policy '{policy.id}' runs the detector '{name}' but has no purpose "
                    f"'{purpose}'; add [purposes.{purpose}] or remove it."
                )
        settings = settings_of(plugin, wanted.settings, policy.id)
        off = arranged.off_of(plugin) if arranged else ()
        if off:
            missing.append(NotMeasured(name, off, BY_ARRANGEMENT, ""))
        if len(off) == len(plugin.kinds):
            continue
        found = {m: registry.find(m) for m in (*plugin.models, *plugin.optional_models)}
        asked = {*plugin.models, *plugin.wanted(settings)}
        lacking = [m for m in found if m in asked and found[m] is None]
        if not lacking:
            models = {m: path for m, path in found.items() if path is not None}
            choices.append(Choice(plugin, settings, models))
            continue
        mend = f"`proctor models install {' '.join(lacking)}` mends it."
        why = f"the network {' and '.join(lacking)} is not on this computer"
        if wanted.required and require_all:
            raise MissingError(
                f"The policy '{policy.id}' requires the detector '{name}', but {why}. {mend}"
            )
        kinds = tuple(k.name for k in plugin.kinds if k.name not in off)
        missing.append(NotMeasured(name, kinds, why, mend))
    plan = Plan(policy, trusted.payload, tuple(choices), tuple(missing), trusted.envelope)
    if arranged is None:
        return plan
    return replace(
        plan,
        addendum=arranged.addendum,
        addendum_sha256=arranged.sha256,
        idle=arranged.idle_sensors([known[name] for name in policy.detectors]),
    )


def _check_names(policy: Policy, known: Mapping[str, Plugin]) -> None:
    broken = known.broken if isinstance(known, Plugins) else {}
    for name in policy.detectors:
        if name in broken:
            raise InputError(broken[name])
        if name not in known:
            raise InputError(
                f"The policy '{policy.id}' names the detector '{name}', which is not installed "
                f"(installed: {', '.join(known)}). `proctor plugin list` shows them."
            )
    declared = {kind.name: name for name, plugin in known.items() for kind in plugin.kinds}
    for kind in policy.rules:
        if kind not in declared:
            raise InputError(
                f"The policy '{policy.id}' has a rule for the unknown kind '{kind}' "
                f"(known: {', '.join(sorted(declared))})."
            )
        if declared[kind] not in policy.detectors:
            raise InputError(
                f"The policy '{policy.id}' has a rule for '{kind}' but does not run the detector "
                f"'{declared[kind]}' that measures it; add [detectors.{declared[kind]}]."
            )


def settings_of(plugin: Plugin, given: Mapping[str, Any], policy_id: str) -> Settings:
    """A policy's settings of ``plugin``, checked; raises :class:`InputError` for the first that is wrong."""
    # A TOML array may fill a tuple; everything else stays strict.
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    try:
        return plugin.Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        allowed = ", ".join(plugin.Settings.model_fields) or "none"
        raise InputError(
            f"The policy '{policy_id}': detectors.{plugin.name}.settings.{where}: "
            f"{first['msg'].removeprefix('Value error, ')} (settings of this detector: {allowed})."
        ) from error


def _digest(name: str, path: Path) -> str:
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return registry.manifest()[name].sha256  # an unpacked archive: the archive's pinned hash
