"""The list of what a release is made of, in CycloneDX: every pinned library with its hashes, every network.

    .venv/bin/python packaging/sbom.py FILE

Libraries are those of ``requirements.lock`` on every system, with the licence of those that are installed here;
networks those of ``models/manifest.toml`` that a detector loads. The same commit gives the same bytes.
"""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import licences
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from models import registry

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
NAME = "open-proctor"
# A name space of our own, so that the serial number follows from the content.
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://open-proctor.example/sbom")
_ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def pinned(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Name, version and SHA-256 sums of each entry of a lock file."""
    for entry in re.split(r"\n(?=\S)", text):
        if match := _ENTRY.match(entry):
            yield match[1], match[2], _HASH.findall(entry)


def bom(moment: int) -> Bom:
    """The whole list. ``moment``: seconds since 1970 that it bears."""
    found = Bom()
    found.metadata.timestamp = datetime.fromtimestamp(moment, UTC)
    program = Component(
        type=ComponentType.APPLICATION,
        name=NAME,
        version=version(NAME),
        bom_ref=NAME,
        licenses=[DisjunctiveLicense(id="AGPL-3.0-or-later")],
    )
    found.metadata.component = program
    known = {licences.plain(part.name): part.licence for part in licences.libraries(LOCK)}
    parts = [
        _library(name, number, sums, known.get(licences.plain(name), ""))
        for name, number, sums in pinned(LOCK.read_text(encoding="utf-8"))
    ]
    parts += [_network(model) for model in registry.manifest().values() if model.detectors]
    for part in parts:
        found.components.add(part)
    found.register_dependency(program, parts)
    content = "\n".join(sorted(str(part.bom_ref.value) for part in parts))
    found.serial_number = uuid.uuid5(_SPACE, f"{version(NAME)}\n{moment}\n{content}")
    return found


def _library(name: str, number: str, sums: list[str], licence: str) -> Component:
    url = PackageURL("pypi", name=licences.plain(name), version=number)
    # One pin has a file for each system; their sums stand beside a reference, not as the component's own.
    reference = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(url)),
        hashes=[HashType.from_composite_str(f"sha256:{digest}") for digest in sums],
    )
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=number,
        purl=url,
        bom_ref=str(url),
        external_references=[reference],
        licenses=[DisjunctiveLicense(name=licence)] if licence else [],
    )


def _network(model: registry.Model) -> Component:
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=model.name,
        version=model.version,
        description=model.purpose,
        bom_ref=f"network:{model.name}@{model.sha256[:12]}",
        hashes=[HashType.from_composite_str(f"sha256:{model.sha256}")],
        licenses=[DisjunctiveLicense(id=model.licence)],
    )


def text(moment: int) -> str:
    """The list as JSON, checked against CycloneDX's own schema."""
    made = make_outputter(bom(moment), OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(
        indent=1
    )
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(made)
    if problem is not None:
        raise SystemExit(f"sbom: what was made is no CycloneDX: {problem}")
    return made + "\n"


if __name__ == "__main__":
    from release import moment as of_release

    Path(sys.argv[1]).write_text(text(of_release()), encoding="utf-8")
