"""Papers an institution must keep, as Markdown made from the policy itself. In English only.

They hold what a policy can know. What only the institution knows (its address, its officer, its
opinion) is a place to fill in, and is named as one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from policies.schema import Policy, Purpose, PurposeName
from policies.texts import plain, texts
from policies.texts.notice import Part
from policies.texts.numbers import kind_title, part_title
from policies.texts.words import PLACES, PURPOSES, short_key

TO_FILL = "*(the institution fills this in)*"

# Legal basis → where the GDPR names it.
ARTICLES: Mapping[str, str] = {
    "consent": "consent, GDPR Art. 6(1)(a)",
    "public_task": "public task, GDPR Art. 6(1)(e)",
    "contract": "contract, GDPR Art. 6(1)(b)",
    "legitimate_interest": "legitimate interest, GDPR Art. 6(1)(f)",
}

# Purpose → which personal data it touches.
DATA: Mapping[PurposeName, str] = {
    "camera": "camera pictures, looked at in memory; scores and times of what was seen",
    "microphone": "sound, listened to in memory; scores and times of what was heard",
    "clips": "short encrypted clips of flagged moments",
    "identity": "a template of the face or the voice in memory (biometric data, GDPR Art. 9)",
    "room_scan": "one encrypted film of the room",
    "identity_retention": "identity data kept after the exam (biometric data, GDPR Art. 9)",
    "research": "encrypted copies of flagged moments for research",
}


def _data(policy: Policy, purpose: PurposeName) -> str:
    if purpose != "clips":
        return DATA[purpose]
    kinds = [word for word, name in SENSES if name in policy.purposes]
    return f"{DATA['clips']}, with {' and '.join(kinds)}"


SENSES: tuple[tuple[str, PurposeName], ...] = (("picture", "camera"), ("sound", "microphone"))


def retention(policy: Policy, raw: bytes, parts: Mapping[str, Part]) -> str:
    """The retention schedule: every class of data, its clock and what ends it."""
    return _page(
        f"Retention schedule: {_cell(policy.exam)}",
        policy,
        raw,
        _table(("Class of data", "Kept for", "Clock starts", "What ends it"), _clocks(policy)),
        "Erasing destroys the key first, then the bytes, then writes a signed record and tells the "
        "student. A legal hold needs a name, a reason, an end date and two signatures.",
        f"A flag that nobody has reviewed within {policy.review.window_days} days expires, and its "
        "clip is erased with it.",
    )


def _clocks(policy: Policy) -> list[tuple[str, str, str, str]]:
    kept, purposes = policy.retention, policy.purposes
    rows = []
    if "clips" in purposes:
        rows.append(("Sealed clips", _days(kept.clips_days), "the clip", "erasure"))
    if "room_scan" in purposes:
        rows.append(("Sealed room scans", _days(kept.room_scan_days), "the scan", "erasure"))
    if "identity" in purposes:
        days = kept.identity_days if "identity_retention" in purposes else 0
        length = _days(days) if days else "the exam"
        rows.append(("Identity data", length, "the check", "closing of the exam, or erasure"))
    if "research" in purposes:
        rows.append(("Research copies", _days(kept.research_days), "the copy", "erasure"))
    rows.append(("Journal (no media)", _days(kept.journal_days), "the exam", "erasure"))
    rows.append(("Decisions and reasons", _days(kept.decisions_days), "the decision", "erasure"))
    rows.append(("All other pictures and sound", "not kept", "–", "memory is overwritten"))
    return rows


def record(policy: Policy, raw: bytes, parts: Mapping[str, Part]) -> str:
    """An entry for the record of processing activities (GDPR Art. 30(1), by its letters)."""
    places = ", ".join(PLACES[name] for name in policy.jurisdictions) or TO_FILL
    limits = "; ".join(f"{name.lower()}: {length}" for name, length, _, _ in _clocks(policy))
    rows = (
        ("(a) Controller", _cell(policy.institution)),
        ("(a) Contact", _cell(policy.contact)),
        ("(a) Data protection officer", TO_FILL),
        ("(b) Purposes", "; ".join(_purpose_line(n, p) for n, p in policy.purposes.items())),
        ("(c) Data subjects", f"people aged {policy.min_age} or older who sit the exam"),
        ("(c) Personal data", "; ".join(_data(policy, name) for name in policy.purposes)),
        ("(d) Recipients", _recipients(policy)),
        ("(e) Transfers to other countries", f"none by this program. Exam sat in: {places}"),
        ("(f) Time limits", limits),
        ("(g) Security", "; ".join(MEASURES)),
    )
    return _page(
        f"Record of processing: {_cell(policy.exam)}",
        policy,
        raw,
        _table(("GDPR Art. 30(1)", "Entry"), rows),
    )


MEASURES = (
    "detection on the student's own machine, in memory",
    "no sensor before consent is the journal's first record",
    "clips encrypted at once, for named keys only (age, X25519)",
    "a signed journal in which a later change shows",
    "a signed policy that the agent checks",
    "erasure that destroys keys first",
)


def _purpose_line(name: PurposeName, purpose: Purpose) -> str:
    return f"{PURPOSES[name].lower()} ({ARTICLES[purpose.basis]})"


def _recipients(policy: Policy) -> str:
    lines = []
    if "clips" in policy.purposes:
        lines.append(f"clips: {_keys(policy.recipients)}")
        if policy.escrow.recipient:
            lines.append(
                f"clips, by a spare key: {policy.escrow.threshold} of {len(policy.escrow.holders)} holders "
                f"together ({short_key(policy.escrow.recipient)})"
            )
    if "room_scan" in policy.purposes:
        lines.append(f"room scans: {_keys(policy.room_scan.recipients)}")
    lines.append("flags and journal: the people who review")
    return "; ".join(lines)


def _keys(keys: Sequence[str]) -> str:
    if not keys:
        return "keys are given when the exam starts"
    return f"holders of {len(keys)} key(s): {', '.join(short_key(key) for key in keys)}"


def dpia(policy: Policy, raw: bytes, parts: Mapping[str, Part]) -> str:
    """Input for the data protection impact assessment (GDPR Art. 35(7)), to be judged by people."""
    t = texts("en")
    signals = [
        (
            _cell(kind_title(t, kind, parts)),
            f"{t.percent(rule.on)} of 100",
            f"{t.number(rule.min_s)} s",
        )
        for kind, rule in policy.rules.items()
    ]
    running = [
        (_cell(part_title(t, name)), name, part.sensor, "yes" if _needed(policy, name) else "no")
        for name, part in parts.items()
    ]
    purposes = [
        (
            PURPOSES[name],
            ARTICLES[purpose.basis],
            _data(policy, name),
            _cell(purpose.alternative),
        )
        for name, purpose in policy.purposes.items()
    ]
    reference = f"Reference of the finished assessment: {_cell(policy.dpia) or TO_FILL}"
    return _page(
        f"Input for the impact assessment: {_cell(policy.exam)}",
        policy,
        raw,
        "This paper describes. Whether the processing is necessary and proportionate, and whether "
        "the risks that stay are acceptable, people must judge (GDPR Art. 35(7)(b) to (d)).",
        reference,
        "## 1. Systematic description (Art. 35(7)(a))",
        f"{_cell(policy.institution)} ({policy.institution_kind}) runs the exam "
        f"“{_cell(policy.exam)}” (stakes: {policy.stakes}) for people aged {policy.min_age} or "
        "older. A program on the student's own machine looks for the signals below and puts "
        "flagged moments before a person. It takes no decision.",
        _table(("Part", "Name", "Sensor", "Exam needs it"), running),
        _table(("Signal", "Score from which it counts", "Must last"), signals),
        "## 2. Purposes, legal basis and alternatives",
        _table(("Purpose", "Legal basis", "Data", "Who declines or objects gets"), purposes),
        "## 3. Data flow",
        "\n".join(f"{number}. {step}" for number, step in enumerate(_flow(policy), 1)),
        f"Recipients: {_recipients(policy)}.",
        _table(("Class of data", "Kept for", "Clock starts", "What ends it"), _clocks(policy)),
        "## 4. Necessity and proportionality (Art. 35(7)(b))",
        f"Why a milder way does not do: {TO_FILL}",
        "## 5. Risks for students and what the policy does about them (Art. 35(7)(c) and (d))",
        _table(("Risk", "Measure in this policy", "Likelihood and severity"), _risks(policy)),
        "## 6. Views of students and advice of the officer (Art. 35(2) and (9))",
        TO_FILL,
    )


def _needed(policy: Policy, detector: str) -> bool:
    chosen = policy.detectors.get(detector)
    return chosen is not None and chosen.required


def _flow(policy: Policy) -> Iterable[str]:
    yield "The student reads the notice and answers; the answers are the journal's first record."
    yield "Camera and microphone, as far as agreed, are read into memory on the student's machine."
    yield "Detectors turn pictures and sound into scores; rules turn scores over time into flags."
    if "clips" in policy.purposes:
        clips = policy.clips
        yield (
            f"Around a flag, up to {clips.pre_roll_s:g} s before and {clips.post_roll_s:g} s after "
            f"(at most {clips.max_s:g} s) are encrypted at once and written to disk."
        )
    else:
        yield "A flag is a sentence with a time; no picture and no sound is written anywhere."
    yield "All other pictures and sound are overwritten in memory."
    if "room_scan" in policy.purposes:
        yield "A room scan, if the student agrees then, is encrypted under its own keys."
    if "research" in policy.purposes:
        yield "Research copies of flagged moments are made as the student answered."
    yield "People review the flags; the student comments; a person decides, with a reason."
    yield "Each class of data is erased when its clock runs out."


def _risks(policy: Policy) -> list[tuple[str, str, str]]:
    review, scan = policy.review, policy.room_scan
    second = "a second reviewer" if review.second_reviewer else "one reviewer (no second one)"
    rows = [
        (
            "A flag is wrong, for instance because of light, skin tone, glasses or a disability",
            "a flag is never a verdict; “not measured” is said openly; arrangements per student",
        ),
        (
            "A decision is taken without a person",
            f"the program cannot decide; {second}; {review.comment_days} days to comment",
        ),
        (
            "Students feel watched or change how they work",
            f"breaks: {policy.breaks.mode.replace('_', ' ')}; own flags shown "
            f"{'live' if policy.show_flags == 'live' else 'at the end'}; refusal at no cost",
        ),
        (
            "Consent is not free",
            "each purpose asked by itself, with an alternative; withdrawal at any time",
        ),
        (
            "The home or other people are seen",
            "no room scan"
            if scan.mode == "off"
            else f"the scan is offered, not required, with {scan.notice_hours} h notice, an "
            "alternative, preview and blur",
        ),
        (
            "Data is stolen or opened by the wrong person",
            "encryption at once for named keys; opening is recorded for the student"
            if "clips" in policy.purposes
            else "no clips exist",
        ),
        ("Data is kept too long", "a clock per class, see the table above"),
        (
            "Biometric data is misused",
            "only with its own purpose; template in memory"
            if "identity" in policy.purposes
            else "no face template and no voiceprint is made",
        ),
    ]
    if policy.min_age < 18:
        rows.append(("Minors do not grasp what they agree to", "a guardian agrees as well"))
    if "research" in policy.purposes:
        rows.append(("Data serves another end than the exam", "research is a purpose of its own"))
    return [(risk, measure, TO_FILL) for risk, measure in rows]


def _page(title: str, policy: Policy, raw: bytes, *blocks: str) -> str:
    made_from = (
        f"Made from the policy `{policy.id}`, version {policy.version}, "
        f"SHA-256 `{hashlib.sha256(raw).hexdigest()}`."
    )
    return "\n\n".join((f"# {title}", made_from, *blocks)) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _days(days: int) -> str:
    return f"{days} day" if days == 1 else f"{days} days"


def _cell(words: str) -> str:
    """Somebody else's words, so that they stay words: no table cell, link, code or HTML begins."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#&" else c for c in plain(words))
