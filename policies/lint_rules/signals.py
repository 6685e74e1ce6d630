"""What is measured, from which score on and for how long: mostly what would annoy honest students."""

from __future__ import annotations

import re
from collections.abc import Iterable

from policies.evaluated import digest_in, rules_digest
from policies.lint_rules.base import BASE, BUILT_IN, Hit, Pack, View

_pack = Pack("SIG")

# Our own bounds; the first release's labelled recordings are the evidence behind the presets' values.
LOWEST_ON = 0.3
HIGHEST_ON = 0.9
# Seconds for which people look away while they think, and a little more.
SHORTEST_GAZE_S = 3.0
# A cough, a sigh, a chair: none lasts as long as a spoken phrase.
SHORTEST_SPEECH_S = 1.0
# Picking a pen up from the floor.
SHORTEST_ABSENCE_S = 3.0
SHORTEST_OBJECT_S = 1.0
LONGEST_GAP_S = 10.0
LONGEST_STALE_S = 10.0
_INFERS = re.compile(r"(?i)emotion|stress|attenti|engagement|mood|nervous|affect|fatigue|drows")


@_pack.error(
    "infers emotion, stress or attention",
    "Inferring emotions in education is prohibited, and no output of this system does.",
    "EU AI Act Art. 5(1)(f); POLICY O1",
    "Remove the detector or the rule.",
)
def _emotion(view: View) -> Iterable[Hit]:
    policy = view.policy
    for name, choice in policy.detectors.items():
        for word in (name, *choice.settings):
            if _INFERS.search(word):
                yield Hit(("detectors", name), f"'{word}' reads as if it inferred a state of mind.")
    for kind in policy.rules:
        if _INFERS.search(kind):
            yield Hit(("rules", kind), f"'{kind}' reads as if it inferred a state of mind.")


@_pack.warning(
    "no hysteresis",
    "With on and off alike, a score that trembles about the threshold opens and closes at random.",
    BASE,
    "Set `off` 0.1 to 0.2 below `on`.",
)
def _no_hysteresis(view: View) -> Iterable[Hit]:
    for kind, rule in view.policy.rules.items():
        # With no least duration the kind is a moment, such as a wake phrase, and has no "off".
        if rule.on == rule.off and rule.min_s > 0:
            yield Hit(("rules", kind, "off"), f"on and off of {kind} are both {rule.on}.")


@_pack.warning(
    "threshold very low",
    "Nearly everything would be flagged, and honest students with it.",
    BASE + "; GDPR Art. 5(1)(d)",
    f"Raise `on` to at least {LOWEST_ON}, or leave the rule out.",
)
def _low(view: View) -> Iterable[Hit]:
    for kind, rule in view.policy.rules.items():
        if rule.on < LOWEST_ON:
            yield Hit(("rules", kind, "on"), f"{kind} counts as seen from a score of {rule.on}.")


@_pack.warning(
    "threshold very high",
    "Hardly anything would ever be flagged: students are watched for nothing.",
    "GDPR Art. 5(1)(c); " + BASE,
    f"Lower `on` to at most {HIGHEST_ON}, or leave the rule and its detector out.",
)
def _high(view: View) -> Iterable[Hit]:
    for kind, rule in view.policy.rules.items():
        if rule.on > HIGHEST_ON:
            yield Hit(("rules", kind, "on"), f"{kind} counts as seen only from {rule.on}.")


@_pack.warning(
    "short looks away are flagged",
    "People avert their gaze to think, the more the harder the question.",
    "Glenberg, Schroeder & Robertson, Memory & Cognition 26 (1998)",
    f"Set `min_s` of gaze rules to at least {SHORTEST_GAZE_S:.0f} s.",
)
def _short_gaze(view: View) -> Iterable[Hit]:
    for kind, rule in view.policy.rules.items():
        # That one is made at one moment, of all that the detector saw before it.
        lasting = kind.startswith("gaze.") and kind != "gaze.away_before_answer"
        if lasting and rule.min_s < SHORTEST_GAZE_S:
            yield Hit(("rules", kind, "min_s"), f"{kind} opens after {rule.min_s:g} s.")


@_pack.warning(
    "short sounds are flagged",
    "A cough, a sigh or a word read aloud would need a reviewer.",
    BASE,
    f"Set `min_s` of speech.voice to at least {SHORTEST_SPEECH_S:.0f} s.",
)
def _short_speech(view: View) -> Iterable[Hit]:
    rule = view.policy.rules.get("speech.voice")
    if rule is not None and rule.min_s < SHORTEST_SPEECH_S:
        yield Hit(("rules", "speech.voice", "min_s"), f"speech.voice opens after {rule.min_s:g} s.")


@_pack.warning(
    "short absences are flagged",
    "Bending down for a pen takes as long; people with tremor or tics move more.",
    BASE + "; ADA 42 U.S.C. 12189",
    f"Set `min_s` of face.absent to at least {SHORTEST_ABSENCE_S:.0f} s.",
)
def _short_absence(view: View) -> Iterable[Hit]:
    rule = view.policy.rules.get("face.absent")
    if rule is not None and rule.min_s < SHORTEST_ABSENCE_S:
        yield Hit(("rules", "face.absent", "min_s"), f"face.absent opens after {rule.min_s:g} s.")


@_pack.warning(
    "things seen for a moment are flagged",
    "A single picture in which a calculator resembles a phone would do.",
    BASE,
    f"Set `min_s` of object rules to at least {SHORTEST_OBJECT_S:.0f} s.",
)
def _short_object(view: View) -> Iterable[Hit]:
    for kind, rule in view.policy.rules.items():
        if kind.startswith("object.") and rule.min_s < SHORTEST_OBJECT_S:
            yield Hit(("rules", kind, "min_s"), f"{kind} opens after {rule.min_s:g} s.")


@_pack.warning(
    "no pause between flags",
    "One act that comes and goes becomes a heap of flags that nobody can review with care.",
    BASE,
    "Set `cooldown_s` to a few seconds.",
)
def _flood(view: View) -> Iterable[Hit]:
    for kind, rule in view.policy.rules.items():
        if rule.cooldown_s == 0 and rule.min_s > 0:
            yield Hit(("rules", kind, "cooldown_s"), f"{kind} can open again at once.")


@_pack.warning(
    "long gaps are bridged",
    "Acts that have nothing to do with each other become one long flag, and one long clip.",
    "GDPR Art. 5(1)(c); " + BASE,
    f"Set `gap_s` to at most {LONGEST_GAP_S:.0f} s.",
)
def _long_gap(view: View) -> Iterable[Hit]:
    for kind, rule in view.policy.rules.items():
        if rule.gap_s > LONGEST_GAP_S:
            yield Hit(("rules", kind, "gap_s"), f"{kind} bridges {rule.gap_s:g} s.")


@_pack.warning(
    "silence passes for all clear",
    "Time in which a detector said nothing would be counted as measured.",
    BASE + "; EU AI Act Art. 15",
    f"Set `stale_after_s` to at most {LONGEST_STALE_S:.0f} s.",
)
def _stale(view: View) -> Iterable[Hit]:
    for kind, rule in view.policy.rules.items():
        if rule.stale_after_s > LONGEST_STALE_S:
            yield Hit(
                ("rules", kind, "stale_after_s"),
                f"{kind} trusts {rule.stale_after_s:g} s of silence.",
            )


@_pack.warning(
    "detector whose findings no rule uses",
    "It computes something about every student that nobody will ever see.",
    "GDPR Art. 5(1)(c); POLICY A1",
    "Add a rule for one of its kinds, or remove the detector.",
)
def _unruled(view: View) -> Iterable[Hit]:
    ruled = set(view.policy.rules)
    for name, choice in view.policy.detectors.items():
        if name in BUILT_IN and not BUILT_IN[name][1] & ruled:
            need = "required" if choice.required else "switched on"
            yield Hit(("detectors", name), f"The detector {name} is {need}, yet no rule uses it.")


@_pack.error(
    "rule whose detector does not run",
    "The rule would never be measured, and the agent refuses to start such an exam.",
    "POLICY P1",
    "Add the detector, or remove the rule.",
)
def _undetected(view: View) -> Iterable[Hit]:
    running = view.policy.detectors
    for kind in view.policy.rules:
        makers = [name for name, (_, kinds) in BUILT_IN.items() if kind in kinds]
        if makers and not any(name in running for name in makers):
            yield Hit(("rules", kind), f"The detector {makers[0]}, which measures {kind}, is off.")


@_pack.error(
    "rule for something that no detector reports",
    "Most often a slip of the pen; the agent refuses to start such an exam.",
    "POLICY P1",
    "Correct the name; `proctor plugin list` shows what can be reported.",
)
def _unknown(view: View) -> Iterable[Hit]:
    known = set().union(*(kinds for _, kinds in BUILT_IN.values()))
    foreign = any(name not in BUILT_IN for name in view.policy.detectors)
    for kind in view.policy.rules:
        if kind not in known and not foreign and not _INFERS.search(kind):
            yield Hit(("rules", kind), f"No detector of this policy reports {kind}.")


@_pack.error(
    "pictures judged one by one",
    "A single picture cannot tell a phone from a wallet; only what lasts may become a flag.",
    BASE + "; EU AI Act Art. 15",
    "Remove the setting `each_picture`: it is for listing what a room scan shows.",
)
def _each_picture(view: View) -> Iterable[Hit]:
    for name, choice in view.policy.detectors.items():
        if choice.settings.get("each_picture") is True:
            yield Hit(
                ("detectors", name, "settings", "each_picture"),
                f"The detector {name} judges each picture by itself.",
            )


@_pack.warning(
    "thresholds with no evaluation behind them",
    "Nobody knows how many honest students such thresholds flag, until it is measured.",
    "EU AI Act Art. 15; " + BASE,
    "Run `proctor evaluate` on recordings like your exam, and name its result in `evaluation`.",
)
def _unevaluated(view: View) -> Iterable[Hit]:
    if view.real and view.policy.rules and not view.policy.evaluation.strip():
        yield Hit(("evaluation",), "The policy names no measurement of its thresholds.")


@_pack.warning(
    "thresholds changed since they were evaluated",
    "What was measured was another set of rules; a small change can flag many more students.",
    "EU AI Act Art. 15; " + BASE,
    "Evaluate the rules as they are now, or put back those that were measured.",
)
def _changed(view: View) -> Iterable[Hit]:
    measured = digest_in(view.policy.evaluation)
    now = rules_digest(view.policy.rules)
    if measured and measured != now:
        yield Hit(("evaluation",), f"It is of the rules {measured}; these are {now}.")


RULES = _pack.rules
