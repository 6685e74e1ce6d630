"""What ran, on what: the program, the system, the devices, the networks, by name and digest.

It names things, never people: no serial number, no user's or computer's name, no list of what else is
installed. docs/attestation.md says what it is for and what it cannot show.
"""

from __future__ import annotations

import getpass
import hashlib
import platform
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from proctor.capture.naming import DeviceFacts
from proctor.pipeline.detector import Plugin
from proctor.session.plan import Plan

# The packages that make up this program; a plug-in from elsewhere is none of them.
OURS = ("detectors", "models", "policies", "proctor", "ui")
# Compiled files depend on the machine and the moment, not on what was written.
_LEFT_OUT = ("__pycache__",)
_COMPILED = frozenset({".pyc", ".pyo"})
SOMEBODY = "…"

# "Anna's iPhone" in English, "iPhone von Anna" in the other languages of the notice.
_OWNER_FIRST = re.compile(r"^.{1,60}?['’]s?(?=\s)")
_OWNER_LAST = re.compile(r"(?i)\s(?:von|de|di|del|van|av|d['’])\s*.{1,60}$")
_MAC_ADDRESS = re.compile(r"(?i)\b(?:[0-9a-f]{2}[:-]){3,}[0-9a-f]{2}\b")
# Vendor and product of USB are four digits each; what is longer counts single devices.
_NUMBER = re.compile(r"(?i)\b(?=[0-9a-z]*[0-9])[0-9a-z]{7,}\b")


def take(
    plan: Plan,
    source: str,
    devices: Sequence[DeviceFacts] = (),
    recording: Path | None = None,
) -> dict[str, Any]:
    """The inventory of a session as a journal record's data. ``source`` is ``live`` or ``replay``."""
    found: dict[str, Any] = {
        "build": build(),
        "system": system(),
        "source": source,
        "devices": [device_data(facts) for facts in devices],
        "models": plan.model_digests(),
        "policy_sha256": plan.policy_sha256,
        "plugins": [plugin_data(choice.plugin) for choice in plan.choices],
    }
    if recording is not None:
        # Its digest, not its name: people put their names into file names.
        found["recording_sha256"] = _file_digest(recording)
    return found


@cache
def build() -> Mapping[str, Any]:
    """Version and digest of this program's own files."""
    frozen = bool(getattr(sys, "frozen", False))
    # A frozen app is its folder; there, Python files are inside one archive.
    files = (
        sorted(_below(Path(sys.executable).parent))
        if frozen
        else sorted(item for package in OURS for item in _package(package))
    )
    return {
        "version": _version("open-proctor"),
        "sha256": digest_of(files),
        "files": len(files),
        "frozen": frozen,
    }


def system() -> dict[str, str]:
    """Operating system and Python, as far as they are alike on many computers."""
    return {
        "os": platform.system(),
        "release": scrubbed(platform.release()),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def device_data(facts: DeviceFacts) -> dict[str, Any]:
    """One device with its names scrubbed."""
    return {
        "device": facts.device,
        "name": scrubbed(facts.name),
        "driver": scrubbed(facts.driver),
        "software": facts.software,
    }


def plugin_data(plugin: Plugin) -> dict[str, Any]:
    """Which code a detector is: its package's digest, and whether it is ours."""
    package = plugin.create.__module__.partition(".")[0]
    ours = package in OURS
    if ours:
        number, digest = build()["version"], build()["sha256"]
    else:
        number, digest = _foreign(package)
    return {"name": plugin.name, "built_in": ours, "version": number, "sha256": digest}


@cache
def _foreign(package: str) -> tuple[str, str]:
    """Version and digest of a package that is not ours."""
    owner = next(iter(packages_distributions().get(package, [])), "")
    return _version(owner), digest_of(sorted(_package(package)))


def digest_of(files: Iterable[tuple[str, Path]]) -> str:
    """One SHA-256 over names and contents: of the lines ``sha256  name``, in the order given."""
    whole = hashlib.sha256()
    for name, path in files:
        whole.update(f"{_file_digest(path)}  {name}\n".encode())
    return whole.hexdigest()


def scrubbed(name: str, private: Collection[str] | None = None) -> str:
    """``name`` without what points to a person or to one single device.

    ``private`` are names to take out (default: this account's, its home folder's and the computer's).
    """
    for word in _private() if private is None else private:
        if len(word) > 1:
            name = re.sub(rf"(?i)(?<!\w){re.escape(word)}(?!\w)", SOMEBODY, name)
    name = _OWNER_FIRST.sub(SOMEBODY, name)
    name = _OWNER_LAST.sub(f" {SOMEBODY}", name)
    name = _MAC_ADDRESS.sub(SOMEBODY, name)
    return _NUMBER.sub(SOMEBODY, name)


def _private() -> set[str]:
    host = platform.node()
    names = {host, host.partition(".")[0], Path.home().name}
    with suppress(KeyError, OSError):  # an account without a name, as in some containers
        names.add(getpass.getuser())
    return names - {""}


def _package(name: str) -> Iterator[tuple[str, Path]]:
    """The files of an installed top-level package or module, by name from its folder on."""
    spec = find_spec(name)
    if spec is None:
        return
    if not spec.submodule_search_locations:
        if spec.origin is not None:
            yield Path(spec.origin).name, Path(spec.origin)
        return
    for folder in spec.submodule_search_locations:
        for below, path in _below(Path(folder)):
            yield f"{name}/{below}", path


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and path.suffix not in _COMPILED and not set(parts) & set(_LEFT_OUT):
            yield "/".join(parts), path


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(distribution: str) -> str:
    try:
        return version(distribution) if distribution else ""
    except PackageNotFoundError:
        return ""
