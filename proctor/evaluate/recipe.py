"""What scores depend on: which code, networks and settings, so that a cached score is never a stale one.

Detectors that share a network run in one lane and may see each other's work, so the key of a
detector's scores names everybody in its lane. The keys hold the code of capture and pipeline and the
versions of the libraries that compute, too; what they do not hold is the kind of processor, whose
last digits may differ (docs/decisions/0030).
"""

from __future__ import annotations

import hashlib
import importlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from models import registry
from policies import load
from policies.consent import accept_all
from policies.engine import lawful
from policies.schema import Policy
from proctor.errors import InputError, MissingError
from proctor.pipeline.plugins import discover
from proctor.pipeline.runner import Station, lanes
from proctor.session.arrangement import SENSOR
from proctor.session.plan import Choice, Plan, settings_of
from proctor.session.session import FPS

# Libraries whose arithmetic a score can depend on.
LIBRARIES = (
    "av", "mediapipe", "numpy", "onnxruntime", "opencv-python-headless", "vosk", "webrtcvad-wheels",
)  # fmt: skip
# Our own code between a file and a detector's answer.
PATH_CODE = (
    "proctor.capture", "proctor.pipeline.detector", "proctor.pipeline.flatout", "proctor.pipeline.runner",
    "proctor.types", "models",
)  # fmt: skip
# And between that and a flag: no score depends on it, but a report does.
RULE_CODE = ("proctor.pipeline.rules", "proctor.pipeline.series", "proctor.evaluate")
NOT_AGREED = "the policy has no purpose for it, or a yes alone does not allow it"


@dataclass(frozen=True, slots=True)
class Part:
    """One detector of a recipe. ``key`` names its scores; ``lane`` is that of its lane."""

    plugin: str
    takes: str
    kinds: tuple[str, ...]
    lane: str
    key: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything a worker needs to compute scores, in values that travel between processes.

    ``policy`` are the bytes of its TOML; ``models`` SHA-256 by manifest name, which a worker's own files
    must have; ``media_key`` names what is known of a recording itself.
    """

    policy: bytes
    parts: tuple[Part, ...]
    models: tuple[tuple[str, str], ...]
    media_key: str

    @property
    def sensors(self) -> tuple[str, ...]:
        """``frame`` and ``audio``, as far as some detector takes them."""
        return tuple(s for s in ("frame", "audio") if any(p.takes == s for p in self.parts))


def agreed(plan: Plan) -> Plan:
    """``plan`` as an exam would run it with every purpose agreed to."""
    answers = lawful(plan.policy, accept_all(plan.policy))
    return plan.agreed({purpose for purpose, yes in answers.granted.items() if yes}, NOT_AGREED)


def recipe_of(plan: Plan) -> Recipe:
    """The recipe of an agreed plan."""
    digests = plan.model_digests()
    by_name = {choice.plugin.name: choice for choice in plan.choices}
    stations = [Station(choice.plugin, _Nobody()) for choice in plan.choices]
    base = {"path": _path_digest(), "libraries": libraries(), "fps": FPS}
    parts = []
    for lane in lanes(stations):
        members = [_member(by_name[s.plugin.name], digests) for s in lane.stations]
        key = _digest({**base, "lane": members})
        parts += [
            Part(
                s.plugin.name,
                s.plugin.takes,
                tuple(kind.name for kind in s.plugin.kinds),
                key,
                _digest({"lane": key, "detector": s.plugin.name})[:32],
            )
            for s in lane.stations
        ]
    return Recipe(
        plan.policy_bytes, tuple(parts), tuple(sorted(digests.items())), _digest(base)[:32]
    )


@lru_cache(maxsize=4)
def plan_of(recipe: Recipe) -> Plan:
    """The plan that ``recipe`` was made of, on this machine; raises where it cannot compute the same.

    :class:`MissingError` says what another machine of a cluster lacks.
    """
    policy = load.parse(recipe.policy, "of this evaluation")
    plan = agreed(_plan(policy, recipe))
    mine = recipe_of(plan)
    if mine != recipe:
        raise MissingError(
            f"{platform.node()} would compute other scores (another version of this program, of a "
            f"library or of a network); install the same on every worker."
        )
    return plan


def _plan(policy: Policy, recipe: Recipe) -> Plan:
    known = discover()
    choices = []
    for name, wanted in policy.detectors.items():
        if not any(part.plugin == name for part in recipe.parts):
            continue
        if name not in known:
            raise MissingError(
                f"{platform.node()} has no detector '{name}'; install it there, too."
            )
        plugin = known[name]
        found = {m: registry.find(m) for m in (*plugin.models, *plugin.optional_models)}
        models = {m: path for m, path in found.items() if path is not None}
        lacking = [m for m in plugin.models if m not in models]
        if lacking:
            raise MissingError(
                f"{platform.node()} lacks a network: run `proctor models install "
                f"{' '.join(lacking)}` there."
            )
        choices.append(Choice(plugin, settings_of(plugin, wanted.settings, policy.id), models))
    return Plan(policy, recipe.policy, tuple(choices), ())


def detector_versions(plan: Plan) -> dict[str, str]:
    """What identifies the code of every detector, by plug-in name."""
    return {c.plugin.name: _code_of(c) for c in plan.choices}


def libraries() -> dict[str, str]:
    """Versions of the libraries that compute, and of Python's own minor version."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def code_version() -> str:
    """The program's version, and a digest of the code between a file and a number in the report."""
    rules = _digest([_path_digest(), *map(_package_digest, RULE_CODE)])
    return f"{version('open-proctor')}+{rules[:12]}"


def media_digest(files: Sequence[Path], known: Mapping[Path, str]) -> str:
    """One digest for the files of a recording; ``known`` are the digests of each."""
    return hashlib.sha256("\n".join(known[path] for path in files).encode()).hexdigest()


def _member(choice: Choice, digests: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": choice.plugin.name,
        "code": _code_of(choice),
        "period": choice.plugin.period,
        "kinds": [kind.name for kind in choice.plugin.kinds],
        "settings": choice.settings.model_dump(mode="json"),
        "models": {name: digests[name] for name in sorted(choice.models)},
        "sensor": SENSOR[choice.plugin.takes],
    }


def _code_of(choice: Choice) -> str:
    """A digest of the whole package that a plug-in's code comes from: finer would risk a stale score."""
    module = choice.plugin.create.__module__
    return _package_digest(module.partition(".")[0])[:16]


@cache
def _path_digest() -> str:
    return _digest([_package_digest(name) for name in PATH_CODE])


@cache
def _package_digest(name: str) -> str:
    module = importlib.import_module(name)
    if module.__file__ is None:
        raise InputError(
            f"The code of {name} cannot be found, so scores cannot be told apart by it."
        )
    path = Path(module.__file__)
    folder = path.parent if path.name == "__init__.py" else None
    files = sorted(folder.rglob("*.py")) if folder else [path]
    # How networks were trained changes no score: the networks themselves are named by their digests.
    files = [file for file in files if "train" not in file.parts]
    digest = hashlib.sha256()
    for file in files:
        # Line ends differ between systems that have the same code.
        told = file.relative_to(folder).as_posix() if folder else file.name
        digest.update(told.encode() + b"\0" + file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class _Nobody:
    """Stands where a detector will be, so that lanes can be told before any network is loaded."""

    def update(self, sample: Any) -> Sequence[Any]:
        return ()

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass
