"""Consent receipts: what the student agreed to, for the student to keep (rule C5).

The fields of ISO/IEC TS 27560:2023 as JSON-LD with terms of the W3C Data Privacy Vocabulary, in the
shape of the DPVCG's guide (https://w3id.org/dpv/guides/consent-27560). A receipt is made from the
policy and the journal alone, so anybody who has both can make it again and compare.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from policies.engine import EVENTS, RECORDED, ConsentState, Standing
from policies.schema import Policy, PurposeName
from policies.texts import LANGUAGES, texts
from policies.texts.words import STATEMENTS

PROFILE = "https://w3id.org/dpv/schema/dpv-27560"
CONTEXT: Mapping[str, str] = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    # Ours: what the vocabulary has no term for.
    "proctor": "urn:proctor:terms:",
}

_BASIS: Mapping[str, str] = {
    "consent": "dpv:ExplicitlyExpressedConsent",
    "public_task": "dpv:PublicInterest",
    "contract": "dpv:Contract",
    "legitimate_interest": "dpv:LegitimateInterest",
}
_CONSENT: Mapping[str, str] = {
    "granted": "dpv:ConsentGiven",
    "to_be_asked": "dpv:ConsentRequested",
    "refused": "dpv:ConsentRefused",
    "withdrawn": "dpv:ConsentWithdrawn",
}
_DATA: Mapping[PurposeName, str] = {
    "camera": "Pictures of the student, and what is measured in them",
    "microphone": "Sound around the student, and what is measured in it",
    "clips": "Short clips of flagged moments",
    "identity": "Features of the face or the voice, compared and not kept",
    "room_scan": "A film of the room",
    "identity_retention": "Data of the identity check",
    "research": "Copies of flagged moments",
}
_SENSITIVE = frozenset({"identity", "identity_retention"})
_IN_MEMORY = "In this computer's memory only, and gone when the exam ends"


def receipts(policy: Policy, records: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """One receipt for every consent event in ``records`` (journal lines), in their order."""
    state = ConsentState()
    first: Mapping[str, Any] = {}
    times: dict[str, str] = {}
    made: list[bytes] = []
    for record in records:
        state = state.after(record)
        kind = record.get("type")
        if kind != RECORDED and kind not in EVENTS:
            continue
        first = first or record
        times[str(record.get("id"))] = str(record.get("time"))
        document = _receipt(policy, first, record, state, times, len(made) + 1)
        text = json.dumps(document, ensure_ascii=False, indent=1)
        # Half of a surrogate pair, in a journal of a stranger, becomes the JSON escape of itself.
        made.append(text.encode("utf-8", "backslashreplace") + b"\n")
    return made


def _receipt(
    policy: Policy,
    first: Mapping[str, Any],
    record: Mapping[str, Any],
    state: ConsentState,
    times: Mapping[str, str],
    number: int,
) -> dict[str, Any]:
    source, when = str(record.get("source")), str(record.get("time"))
    return {
        "@context": dict(CONTEXT),
        "@id": f"{source}:receipt:{number}",
        "@type": "dpv:ConsentReceipt",
        "dct:identifier": f"{source}:receipt:{number}",
        "dct:conformsTo": f"{PROFILE}#receipt-record",
        "dct:created": when,
        "dct:publisher": policy.institution,
        "dpv:hasRecordOfActivity": {
            "@id": f"{source}#{record.get('id')}",
            "@type": "dpv:ConsentRecord",
            "dct:identifier": f"{source}#{record.get('id')}",
            "dct:conformsTo": f"{PROFILE}#record",
            "dct:created": when,
            "proctor:event": str(record.get("type")),
            "dpv:hasDataSubject": {"@id": source, "@type": "dpv:Student"},
            "dpv:hasDataController": {
                "@type": "dpv:DataController",
                "dpv:hasName": policy.institution,
                "dpv:hasContact": policy.contact,
            },
            "dpv:hasJurisdiction": list(policy.jurisdictions),
            "dpv:hasNotice": _notice(policy, first, record, state),
            "proctor:exam": policy.exam,
            "proctor:guardianAgreed": state.guardian,
            "dpv:hasProcess": [
                _process(policy, first, state, name, standing, times)
                for name, standing in state.purposes.items()
                if name in policy.purposes
            ],
            "dpv:hasRight": ["eu-gdpr:A7-3", "eu-gdpr:A15", "eu-gdpr:A17", "eu-gdpr:A21"],
            "proctor:howToWithdraw": "On every screen of the exam; afterwards write to the contact.",
        },
    }


def _notice(
    policy: Policy, first: Mapping[str, Any], record: Mapping[str, Any], state: ConsentState
) -> dict[str, Any]:
    said, opened = _data(record), _data(first)
    of_policy = opened.get("policy")
    digest = of_policy.get("sha256") if isinstance(of_policy, Mapping) else None
    return {
        "@type": "dpv:ConsentNotice",
        "dct:language": said.get("language", state.language),
        "proctor:textSha256": said.get("text_sha256", opened.get("text_sha256")),
        "proctor:policy": policy.id,
        "dct:hasVersion": policy.version,
        "proctor:policySha256": digest,
        "proctor:impactAssessment": policy.dpia,
    }


def _process(
    policy: Policy,
    first: Mapping[str, Any],
    state: ConsentState,
    name: PurposeName,
    standing: Standing,
    times: Mapping[str, str],
) -> dict[str, Any]:
    basis = policy.purposes[name].basis
    lang = state.language if state.language in LANGUAGES else "en"
    process: dict[str, Any] = {
        "@type": "dpv:Process",
        "dpv:hasPurpose": {
            "@id": f"proctor:{name}",
            "@type": "dpv:Purpose",
            "dct:description": texts(lang).say(STATEMENTS[name]),
        },
        "dpv:hasLegalBasis": _BASIS[basis],
        "dpv:hasPersonalData": {
            "@type": "dpv:SensitivePersonalData" if name in _SENSITIVE else "dpv:PersonalData",
            "dct:description": _DATA[name],
        },
        "dpv:hasRecipient": _recipients(policy, first, name),
        "dpv:hasStorageCondition": _storage(policy, name),
        "proctor:alternative": policy.purposes[name].alternative,
        "proctor:status": standing.status,
        "dpv:isIndicatedAtTime": times.get(standing.record),
    }
    if basis == "consent":
        process["dpv:hasConsentStatus"] = _CONSENT.get(standing.status, "dpv:ConsentWithdrawn")
    return process


def _recipients(policy: Policy, first: Mapping[str, Any], name: PurposeName) -> list[str]:
    """Public keys of who can open what this purpose keeps; nobody where it stays in memory."""
    if name == "room_scan":
        return list(policy.room_scan.recipients)
    if name in ("clips", "research"):
        listed = _data(first).get("recipients")
        return [str(key) for key in listed] if isinstance(listed, list) else []
    return []


def _storage(policy: Policy, name: PurposeName) -> dict[str, Any]:
    kept = policy.retention
    days: Mapping[PurposeName, int] = {
        "clips": kept.clips_days,
        "room_scan": kept.room_scan_days,
        "identity_retention": kept.identity_days,
        "research": kept.research_days,
    }
    if name not in days:
        return {"@type": "dpv:StorageCondition", "dct:description": _IN_MEMORY}
    return {"@type": "dpv:StorageDuration", "dpv:hasDuration": f"P{days[name]}D"}


def _data(record: Mapping[str, Any]) -> Mapping[str, Any]:
    data = record.get("data")
    return data if isinstance(data, Mapping) else {}
