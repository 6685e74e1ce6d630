"""Consent over time: what stands now, as a value rebuilt from the journal alone.

Pure: no clock, no file, no device. Each journal record of a consent or a break moves the state on;
whatever cannot be understood gives nothing. A sensor may run exactly while :meth:`ConsentState.capturing`
says so (docs/decisions/0012).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from policies.consent import ADULT, ASKED_AT_ITS_MOMENT, BIOMETRIC, Answers, Grant
from policies.schema import Breaks, Policy, PurposeName

PURPOSES: tuple[PurposeName, ...] = get_args(PurposeName)

# The journal's record types, and the standing that each gives a purpose.
RECORDED = "consent.recorded"
EVENTS: Mapping[str, Status] = {
    "consent.granted": "granted",
    "consent.refused": "refused",
    "consent.withdrawn": "withdrawn",
    "consent.objected": "objected",
}
BREAK_STARTED = "break.started"
BREAK_ENDED = "break.ended"

# ``notified``: the legal basis is not consent, the notice was shown and there was no objection.
# ``to_be_asked``: agreed to in general, but a question of its own comes at its moment (rule R2).
Status = Literal["granted", "notified", "to_be_asked", "refused", "withdrawn", "objected"]
LIVE = frozenset({"granted", "notified"})


@dataclass(frozen=True, slots=True)
class Standing:
    """How one purpose stands, by which record (its number), and since which session second."""

    status: Status
    record: str
    since: float


@dataclass(frozen=True, slots=True)
class ConsentState:
    """How every purpose stands, and whether there is a break. Times are session seconds."""

    purposes: Mapping[PurposeName, Standing] = field(default_factory=dict)
    basis: Mapping[PurposeName, str] = field(default_factory=dict)
    language: str = "en"
    guardian: bool | None = None
    break_since: float | None = None
    breaks: int = 0
    break_s: float = 0.0
    # A break that a person on duty gave: who, and for how many minutes (0: until it is ended). It counts
    # as none of those that the policy gives.
    break_by: str = ""
    break_minutes: float = 0.0

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> ConsentState:
        """The state after all of ``records`` (journal lines: ``id``, ``type`` and ``data``)."""
        state = cls()
        for record in records:
            state = state.after(record)
        return state

    def after(self, record: Mapping[str, Any]) -> ConsentState:
        """The state after one more record; a record of another kind changes nothing."""
        kind, data = record.get("type"), record.get("data")
        if not isinstance(kind, str) or not isinstance(data, Mapping):
            return self
        name, t = str(record.get("id")), _time(data.get("t"))
        if kind == RECORDED:
            # Only the first record can open consent: a second one would be an addition (rule C3).
            return self if self.purposes else _opened(data, name)
        if kind == BREAK_STARTED and self.break_since is None:
            by = data.get("by")
            if isinstance(by, str) and by:
                minutes = _time(data.get("minutes"))
                return replace(self, break_since=t, break_by=by, break_minutes=minutes)
            return replace(self, break_since=t, breaks=self.breaks + 1)
        if kind == BREAK_ENDED and self.break_since is not None:
            lasted = max(0.0, t - self.break_since)
            whole = self.break_s + lasted
            return replace(self, break_since=None, break_s=whole, break_by="", break_minutes=0.0)
        purpose = _purpose(data.get("purpose"))
        # What is asked at its own moment need not have been asked about before (rule R2).
        open_to = {*self.purposes, *ASKED_AT_ITS_MOMENT} if self.purposes else set()
        if kind in EVENTS and purpose is not None and purpose in open_to:
            if self.live(purpose) and _about_one_more(purpose, data):
                return self
            standing = Standing(EVENTS[kind], name, t)
            return replace(self, purposes={**self.purposes, purpose: standing})
        return self

    def live(self, purpose: PurposeName) -> bool:
        """Whether a grant for ``purpose`` is live."""
        standing = self.purposes.get(purpose)
        return standing is not None and standing.status in LIVE

    @property
    def paused(self) -> bool:
        """Whether a person on duty paused the exam; a break that they gave is the student's."""
        return self.on_break and bool(self.break_by) and not self.break_minutes

    @property
    def on_break(self) -> bool:
        return self.break_since is not None

    def capturing(self, sensor: PurposeName) -> bool:
        """Whether ``sensor`` may run now: its grant is live and there is no break."""
        return self.live(sensor) and not self.on_break

    def break_seconds(self, until: float) -> float:
        """Seconds of breaks up to session second ``until``."""
        running = 0.0 if self.break_since is None else max(0.0, until - self.break_since)
        return self.break_s + running

    def grants(self, source: str) -> dict[PurposeName, Grant]:
        """A grant for everything that is live; ``source`` is the journal's name (urn of the attempt)."""
        return {
            purpose: Grant(purpose, f"{source}#{standing.record}")
            for purpose, standing in self.purposes.items()
            if standing.status in LIVE
        }


def _about_one_more(purpose: PurposeName, data: Mapping[str, Any]) -> bool:
    """Whether a word is about one more film alone, which ``only`` names: what was handed over before stands."""
    return purpose in ASKED_AT_ITS_MOMENT and bool(data.get("only"))


def _opened(data: Mapping[str, Any], name: str) -> ConsentState:
    """The state that the consent record opens. Only a plain ``true`` is a yes."""
    granted, basis = data.get("granted"), data.get("basis")
    granted = granted if isinstance(granted, Mapping) else {}
    basis = basis if isinstance(basis, Mapping) else {}
    guardian = data.get("guardian")
    purposes: dict[PurposeName, Standing] = {}
    for purpose in PURPOSES:
        if purpose not in granted:
            continue
        by_consent = basis.get(purpose, "consent") == "consent"
        status: Status
        if granted[purpose] is not True:
            status = "refused" if by_consent else "objected"
        elif purpose in ASKED_AT_ITS_MOMENT:
            status = "to_be_asked"
        else:
            status = "granted" if by_consent else "notified"
        purposes[purpose] = Standing(status, name, _time(data.get("t")))
    return ConsentState(
        purposes,
        {purpose: str(basis.get(purpose, "consent")) for purpose in purposes},
        str(data.get("language", "en")),
        guardian if isinstance(guardian, bool) else None,
    )


def _purpose(value: object) -> PurposeName | None:
    return next((purpose for purpose in PURPOSES if purpose == value), None)


def _time(value: object) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number else 0.0  # type: ignore[arg-type]


def lawful(policy: Policy, answers: Answers) -> Answers:
    """``answers`` with everything taken back that a yes alone does not allow.

    Nothing outside the policy is granted. Under 18 (rule C6) biometrics are refused whatever was
    answered, and consent counts only when a guardian agreed as well.
    """
    minors = policy.min_age < ADULT

    def allowed(purpose: PurposeName) -> bool:
        if purpose not in policy.purposes or answers.granted.get(purpose) is not True:
            return False
        if minors and purpose in BIOMETRIC:
            return False
        by_consent = policy.purposes[purpose].basis == "consent"
        return not (minors and by_consent and answers.guardian is not True)

    # What is asked at its own moment and was not asked yet stays open: that is no refusal (rule R2).
    asked = [p for p in policy.purposes if p in answers.granted or p not in ASKED_AT_ITS_MOMENT]
    return replace(answers, granted={purpose: allowed(purpose) for purpose in asked})


def why_no_grant(policy: Policy, state: ConsentState, purpose: PurposeName) -> str:
    """Why ``purpose`` cannot be granted now, as a sentence; empty when it can."""
    if purpose not in policy.purposes:
        asked = ", ".join(policy.purposes)
        return f"This policy does not ask about '{purpose}' (it asks about: {asked})."
    if policy.min_age < ADULT and purpose in BIOMETRIC:
        return f"This exam is open to students under 18, so '{purpose}' is refused to everybody."
    by_consent = policy.purposes[purpose].basis == "consent"
    if policy.min_age < ADULT and by_consent and state.guardian is not True:
        return "This exam is open to students under 18, and no parent or guardian has agreed."
    # What is asked at its own moment is asked every time: a yes was for one film (rule R4).
    if state.live(purpose) and purpose not in ASKED_AT_ITS_MOMENT:
        return f"'{purpose}' is agreed to already."
    return ""


def why_no_break(breaks: Breaks, state: ConsentState, t: float, *, unlimited: bool = False) -> str:
    """Why the student cannot begin a break at second ``t``, as a sentence; empty when they can."""
    if state.on_break:
        return "There is a break already; type resume to end it."
    if unlimited:
        return ""
    if breaks.mode == "off":
        return "This exam has no breaks. You can still withdraw a sensor, or end the exam."
    if breaks.mode == "planned" and not planned_break_due(breaks, state, t):
        coming = [m for m in breaks.planned_at_minutes if m * 60.0 > t]
        when = f"The next one begins at minute {min(coming):g}." if coming else "All were taken."
        return f"This exam has breaks at planned times only. {when}"
    if state.breaks >= breaks.max_count:
        return f"All breaks of this exam were taken ({breaks.max_count})."
    return ""


def planned_break_due(breaks: Breaks, state: ConsentState, t: float) -> bool:
    """Whether a planned break should begin now: more planned moments have come than breaks were had."""
    if breaks.mode != "planned" or state.on_break:
        return False
    come = sum(minute * 60.0 <= t for minute in breaks.planned_at_minutes)
    return min(come, breaks.max_count) > state.breaks


def break_ends_at(breaks: Breaks, state: ConsentState, *, unlimited: bool = False) -> float | None:
    """The second at which the running break ends by itself; ``None`` when there is no limit or break."""
    if state.break_since is None or unlimited:
        return None
    if state.break_by:
        given = state.break_minutes * 60.0
        return state.break_since + given if given > 0.0 else None
    return state.break_since + breaks.max_minutes * 60.0
