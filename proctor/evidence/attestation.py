"""Is a case *attested*? A pure answer from its journal, in words about a program, never about a person.

Attested: the build, plug-ins and networks are listed ones, the devices name themselves as hardware, the
pictures came from a camera, and the records agree with one another. Everything else is *unattested*, each
with its reason. Neither proves anything about an exam: on a machine that a student owns, a changed
program can write whatever it likes. docs/attestation.md has the table of what is seen and what is not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import registry
from policies.schema import NEVER_A_FLAG
from proctor.errors import InputError
from proctor.evidence.disk import read_bounded
from proctor.evidence.untrusted import number, text

Records = Sequence[Mapping[str, Any]]

# Names under which programs offer pictures or sound of their own. Lower case; where a word begins.
SOFTWARE_CAMERAS = (
    "virtual", "obs-camera", "obs camera", "manycam", "snap camera", "xsplit", "mmhmm", "splitcam",
    "sparkocam", "webcamoid", "camtwist", "droidcam", "iriun", "epoccam", "ivcam", "vcam", "v4l2loopback",
    "v4l2 loopback", "dummy video device", "loopback", "nvidia broadcast", "camo ", "akvcam", "ndi ",
)  # fmt: skip
SOFTWARE_MICROPHONES = (
    "virtual", "monitor of", "stereo mix", "what u hear", "loopback", "blackhole", "soundflower",
    "vb-audio", "vb-cable", "cable output", "voicemeeter", "nvidia broadcast", "krisp", "ndi ",
)  # fmt: skip
SOFTWARE_DRIVERS = ("v4l2loopback", "v4l2 loopback", "akvcam", "vivid")

# One number a second stands in the journal for each kind. A flag needs `min_s`, may wait for a cool-down,
# and the highest score of a second may be a short one: this many times as long there must be a flag.
SURELY = 3.0
SURELY_MORE_S = 10.0

# A list of digests is a release's; one of megabytes is something else.
MAX_LIST = 1_000_000
_LISTED = re.compile(r"([0-9a-f]{64})(?:\s+(.*))?")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a case is unattested: a code for programs, a sentence for people."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Attestation:
    """What can be said of the program and the devices that made a case."""

    reasons: tuple[Reason, ...]

    @property
    def attested(self) -> bool:
        return not self.reasons

    @property
    def label(self) -> str:
        """``attested`` or ``unattested``."""
        return "attested" if self.attested else "unattested"

    @property
    def sentence(self) -> str:
        """What the label means, for whoever reads it."""
        if self.attested:
            return (
                "The program, its networks and its devices are those that were listed, and the records "
                "agree. It does not prove that the camera saw a real scene."
            )
        return (
            "Something about the program or its devices is not known to be as it should be. That says "
            "nothing about the student: most reasons are everyday ones."
        )


def read_list(path: Path) -> frozenset[str]:
    """The SHA-256 digests in a release's list: lines ``sha256  what``; ``#`` begins a remark.

    Raises :class:`InputError` when it is none.
    """
    try:
        lines = read_bounded(path, MAX_LIST).decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"The list of builds {path} cannot be read: {error}.") from error
    found = set()
    for place, line in enumerate(lines, start=1):
        said = line.partition("#")[0].strip()
        match = _LISTED.fullmatch(said.lower())
        if said and match is None:
            raise InputError(
                f"Line {place} of the list of builds {path} is no SHA-256 digest followed by a name; "
                f"`proctor doctor` prints the digest of a build."
            )
        if match is not None:
            found.add(match.group(1))
    return frozenset(found)


def known_models() -> dict[str, str]:
    """The digests of the networks that this version knows, by name."""
    return {name: model.sha256 for name, model in registry.manifest().items()}


def attest(
    records: Records, *, listed: Collection[str] | None, models: Mapping[str, str]
) -> Attestation:
    """The label of a case from its journal records, in order.

    ``listed`` are digests of builds, plug-ins and networks that the institution listed (``None``: no
    list was given), ``models`` the networks that a version's manifest names. The records may come from
    a stranger: nothing in them is trusted to be of the right type.
    """
    of: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        data = record.get("data")
        if isinstance(data, Mapping):
            of.setdefault(str(record.get("type")), []).append(data)
    taken = of.get("inventory", [])
    reasons: list[Reason] = []
    if not taken:
        reasons.append(
            Reason("no-inventory", "The case has no inventory of the program that made it.")
        )
    reasons += _builds(taken, listed)
    reasons += _plugins(taken, listed)
    reasons += _models(taken, of, frozenset(listed or ()), models)
    reasons += _agreement(taken, of)
    reasons += _sources([*taken, *of.get("inventory.changed", [])])
    reasons += _pictures(taken, of)
    reasons += _clock(of)
    reasons += _scores(of)
    return Attestation(tuple(dict.fromkeys(reasons)))


# The program.


def _builds(taken: Records, listed: Collection[str] | None) -> Iterator[Reason]:
    if taken and listed is None:
        yield Reason(
            "build-not-checked", "No list of builds was given to check this build against."
        )
    seen = set()
    for data in taken:
        build = _table(data.get("build"))
        digest = text(build.get("sha256"), 64)
        seen.add(digest)
        if listed is not None and digest not in listed:
            version = text(build.get("version"), 20) or "unknown"
            yield Reason(
                "build-unlisted",
                f"This build (version {version}, {digest[:12] or 'no digest'}) is not one the "
                f"institution listed.",
            )
    if len(seen) > 1:
        yield Reason("build-changed", "The program was another one after it was started again.")


def _plugins(taken: Records, listed: Collection[str] | None) -> Iterator[Reason]:
    for data in taken:
        own = text(_table(data.get("build")).get("sha256"), 64)
        for plugin in _tables(data.get("plugins")):
            digest = text(plugin.get("sha256"), 64)
            if digest != own and digest not in (listed or ()):
                name = text(plugin.get("name"), 60)
                yield Reason(
                    "plugin-unlisted",
                    f"The added detector '{name}' is not one the institution listed.",
                )


def _models(
    taken: Records,
    of: Mapping[str, Records],
    listed: frozenset[str],
    models: Mapping[str, str],
) -> Iterator[Reason]:
    used = [_table(data.get("models")) for data in taken]
    for table in used:
        for name, digest in table.items():
            if digest != models.get(name) and digest not in listed:
                yield Reason(
                    "network-unlisted",
                    f"The network '{text(name, 60)}' is not the one that this version lists.",
                )
    for sealed in of.get("sealed", ()):
        named = sealed.get("models")
        if isinstance(named, Mapping) and used and dict(named) not in [dict(u) for u in used]:
            yield Reason("networks-differ", "A clip names other networks than the inventory does.")
            return


def _agreement(taken: Records, of: Mapping[str, Records]) -> Iterator[Reason]:
    """Whether the inventory and the consent speak of one policy and one version."""
    consent = next(iter(of.get("consent.recorded", ())), {})
    agreed = _table(consent.get("policy")).get("sha256")
    version = _table(consent.get("agent")).get("version")
    for data in taken:
        if data.get("policy_sha256") != agreed:
            yield Reason("policy-differs", "The inventory names another policy than the consent.")
        if _table(data.get("build")).get("version") != version:
            yield Reason("version-differs", "The inventory names another version than the consent.")


# The devices and what they gave.


def _sources(taken: Records) -> Iterator[Reason]:
    for data in taken:
        if data.get("source", "live") != "live":
            yield Reason("recording-played", "A recording was played; no camera was used.")
        for device in _tables(data.get("devices")):
            yield from _device(device)


def _device(device: Mapping[str, Any]) -> Iterator[Reason]:
    kind, name = text(device.get("device"), 20), text(device.get("name"), 100)
    driver = text(device.get("driver"), 100).lower()
    known = {"camera": SOFTWARE_CAMERAS, "microphone": SOFTWARE_MICROPHONES}.get(kind)
    if known is None:
        yield Reason("recording-played", "A recording was played; no camera was used.")
    elif not name:
        yield Reason(f"{kind}-unnamed", f"The system does not tell which {kind} was used.")
    elif (
        device.get("software") is True
        or any(re.search(rf"(?<![a-z]){re.escape(part)}", f"{name.lower()} ") for part in known)
        or driver in SOFTWARE_DRIVERS
    ):
        yield Reason(
            f"{kind}-software",
            f"The {kind} calls itself '{name}': a program, not hardware, may stand behind it.",
        )


def _pictures(taken: Records, of: Mapping[str, Records]) -> Iterator[Reason]:
    for noted in of.get("source.noted", ()):
        reason = text(noted.get("reason"), 200) or "no reason was written down"
        yield Reason(
            "pictures-not-a-cameras",
            f"The pictures were such as no camera gives: {reason}. A frozen or shared picture, or a "
            f"program between camera and exam, can cause it.",
        )
    if _expects_camera(of) and not _judged(of):
        yield Reason(
            "pictures-not-judged",
            "Nothing could be told about whether the pictures came from a camera: too little moved, or "
            "the exam was too short.",
        )


def _expects_camera(of: Mapping[str, Records]) -> bool:
    """Whether a detector that judges the camera was to run."""
    return any(
        kind in NEVER_A_FLAG
        for started in of.get("session.started", ())
        for detector in _tables(started.get("detectors"))
        for kind in [text(k.get("name"), 60) for k in _tables(detector.get("kinds"))]
    )


def _judged(of: Mapping[str, Records]) -> bool:
    return any(
        any(score is not None for score in cells)
        for scores in of.get("scores", ())
        for kind, cells in _table(scores.get("kinds")).items()
        if kind in NEVER_A_FLAG and isinstance(cells, list)
    )


# Time and agreement.


def _clock(of: Mapping[str, Records]) -> Iterator[Reason]:
    for changed in of.get("clock.changed", ()):
        by = number(changed.get("by_s"), -1e9, 1e9) or 0.0
        yield Reason(
            "clock-changed",
            f"The computer's clock moved by {by:.0f} s during the exam: it was set. Times are "
            f"counted apart from it.",
        )


def _scores(of: Mapping[str, Records]) -> Iterator[Reason]:
    """Scores that should long have opened a flag, where there is none."""
    for kind, rule in _rules(of).items():
        on, least, wait = (number(rule.get(k), 0.0, 3600.0) for k in ("on", "min_s", "cooldown_s"))
        if on is None or least is None or wait is None:
            continue
        spans = {
            str(flag.get("id")): (
                number(flag.get("start")) or 0.0,
                wait + (number(flag.get("end")) or float("inf")),
            )
            for name in ("flag", "flag.closed")
            for flag in of.get(name, ())
            if flag.get("kind") == kind
        }
        for start, end in _runs(of.get("scores", ()), kind, on):
            flagged = any(first <= end and last >= start for first, last in spans.values())
            if end - start >= SURELY * least + SURELY_MORE_S and not flagged:
                yield Reason(
                    "flags-differ",
                    f"The scores of '{text(kind, 60)}' were above its limit for {end - start:.0f} s "
                    f"without a flag.",
                )
                break


def _rules(of: Mapping[str, Records]) -> Mapping[str, Mapping[str, Any]]:
    started = next(iter(of.get("session.started", ())), {})
    return {
        str(kind): rule
        for kind, rule in _table(started.get("rules")).items()
        if isinstance(rule, Mapping)
    }


def _runs(
    scores: Iterable[Mapping[str, Any]], kind: str, on: float
) -> Iterator[tuple[float, float]]:
    """Runs of seconds, each with a score of ``on`` or more, as (start, end)."""
    begun: float | None = None
    now = 0.0
    for record in scores:
        t, step = number(record.get("t0")), number(record.get("step"), 0.01, 3600.0)
        cells = _table(record.get("kinds")).get(kind)
        if t is None or step is None or not isinstance(cells, list):
            continue
        if begun is not None and abs(t - now) > step / 2:
            yield begun, now
            begun = None
        for place, cell in enumerate(cells):
            score = number(cell, 0.0, 1.0)
            now = t + (place + 1) * step
            if score is not None and score >= on:
                begun = now - step if begun is None else begun
            elif begun is not None:
                yield begun, now - step
                begun = None
    if begun is not None:
        yield begun, now


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
