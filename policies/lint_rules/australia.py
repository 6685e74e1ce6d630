"""Australia: Privacy Act 1988 and its Australian Privacy Principles (APP)."""

from __future__ import annotations

from collections.abc import Iterable

from policies.lint_rules.base import Hit, Pack, View, identity_not_asked

_pack = Pack("AU", "AU")


@_pack.error(
    "identity check without consent",
    "Biometric information is sensitive, and is collected with consent only.",
    "Privacy Act 1988 (Cth), APP 3.3",
    'Set basis = "consent" for the identity purposes.',
)
def _identity(view: View) -> Iterable[Hit]:
    yield from identity_not_asked(view)


@_pack.warning(
    "identity data kept although no longer needed",
    "What is no longer needed for its purpose is destroyed or made anonymous.",
    "Privacy Act 1988 (Cth), APP 11.2",
    "Remove identity_retention, or write down what it is still needed for.",
)
def _kept(view: View) -> Iterable[Hit]:
    if view.asks("identity_retention"):
        days = view.policy.retention.identity_days
        yield Hit(("purposes", "identity_retention"), f"Identity data is kept {days} days.")


@_pack.warning(
    "no privacy impact assessment",
    "Agencies assess every project of high privacy risk, and the commissioner advises it to all.",
    "Privacy (Australian Government Agencies - Governance) APP Code 2017 s. 12",
    "Write one and name it in `dpia`; state laws may ask for it as well: ask your counsel.",
)
def _assessment(view: View) -> Iterable[Hit]:
    if view.real and not view.policy.dpia.strip():
        yield Hit(("dpia",), "No privacy impact assessment is named.")


@_pack.warning(
    "room scan collects more than is reasonably necessary",
    "Only what is reasonably necessary is collected, and a room shows people who sit no exam.",
    "Privacy Act 1988 (Cth), APP 3.1 to 3.2",
    "Leave the scan off, or have your counsel write down why nothing milder serves.",
)
def _scan(view: View) -> Iterable[Hit]:
    if view.scans and view.high:  # below high stakes the general rule speaks
        yield Hit(("room_scan", "mode"), "A room scan is offered.")


RULES = _pack.rules
