"""Canada: PIPEDA, Quebec's rules on biometrics and languages, and Ontario's finding on proctoring."""

from __future__ import annotations

import re
from collections.abc import Iterable

from policies.lint_rules.base import Hit, Pack, View, identity_not_asked

_pack = Pack("CAN", "CA")


@_pack.error(
    "identity check without express consent",
    "Biometrics are sensitive and need express consent; in Quebec another means must be offered too.",
    "PIPEDA Sched. 1, 4.3.6; Quebec CQLR c. C-1.1 s. 44",
    'Set basis = "consent" for the identity purposes.',
)
def _identity(view: View) -> Iterable[Hit]:
    yield from identity_not_asked(view)


@_pack.warning(
    "biometrics, and Quebec's commission is not mentioned",
    "In Quebec a biometric check is disclosed beforehand, and a database 60 days before its use.",
    "Quebec CQLR c. C-1.1 s. 44, 45 (as amended by Law 25)",
    "Disclose it to the Commission d'accès à l'information and mention CAI in `dpia`; elsewhere in "
    "Canada ask your counsel.",
)
def _commission(view: View) -> Iterable[Hit]:
    if view.asks("identity") and not re.search(r"\bCAI\b|Commission d.acc", view.policy.dpia):
        yield Hit(("purposes", "identity"), "Faces are compared, and dpia does not mention CAI.")


@_pack.warning(
    "French is missing",
    "Students in Quebec, and many elsewhere, have a right to be spoken to in French.",
    "Quebec Charter of the French Language, CQLR c. C-11",
    'Add "fr" to `languages`.',
)
def _french(view: View) -> Iterable[Hit]:
    if "fr" not in view.policy.languages:
        yield Hit(("languages",), "French is not among the languages.")


@_pack.warning(
    "no privacy impact assessment",
    "Quebec demands one for such a project, and Ontario's commissioner found proctoring by software in "
    "need of clear notice and safeguards.",
    "Quebec CQLR c. P-39.1 s. 3.3, c. A-2.1 s. 63.5; IPC Ontario PI21-00001 (2024)",
    "Write one and name it in `dpia`; ask your counsel.",
)
def _assessment(view: View) -> Iterable[Hit]:
    if view.real and not view.policy.dpia.strip():
        yield Hit(("dpia",), "No privacy impact assessment is named.")


@_pack.error(
    "research without consent",
    "Ontario's commissioner found that students' recordings were used to improve software without their "
    "consent, against the Act.",
    "IPC Ontario PI21-00001 (2024), FIPPA s. 41(1); PIPEDA Sched. 1, 4.5",
    'Set basis = "consent" for the purpose research.',
)
def _research(view: View) -> Iterable[Hit]:
    research = view.policy.purposes.get("research")
    if research is not None and research.basis != "consent":
        yield Hit(("purposes", "research", "basis"), f"Research rests on {research.basis}.")


@_pack.warning(
    "room scan that a reasonable person may not expect",
    "Information is collected only for what a reasonable person would find appropriate; a home is not "
    "an exam hall.",
    "PIPEDA s. 5(3)",
    "Leave the scan off, or have your counsel write down why nothing milder serves.",
)
def _scan(view: View) -> Iterable[Hit]:
    if view.scans and view.high:  # below high stakes the general rule speaks
        yield Hit(("room_scan", "mode"), "A room scan is offered.")


RULES = _pack.rules
