"""Check a case of Open Proctor, or an export of one, with nothing but Python 3.11 and `cryptography`.

    python verify_case.py [FOLDER] [--root-key KEY] [--hub-key KEY] [--proof FILE]

FOLDER is a case, or an unpacked export (default: where this file lies). KEY is the Ed25519 public key
(base64) of the institution that signed the exam's policy, or of the hub that countersigned the journal;
without it, who signed is not checked, only that it was the key which goes along. FILE
is a proof that somebody shows of a record or of an older checkpoint of this case.

This file is written apart from the program that wrote the case, and is meant to be read. It trusts
nothing that it reads. What it does not check: the student's receipts, and whether the camera saw a
real scene; no program can tell the latter. `proctor case verify` asks more questions than this file.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

POLICY_TYPE = "application/vnd.proctor.policy+toml"
EXPORT_TYPE = "application/vnd.proctor.export+json"
DECISION_TYPE = "application/vnd.proctor.decision+json"
SOURCE = "urn:proctor:attempt:"
FLAG = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
# Larger than any honest file of its kind.
MAX_BYTES = 256_000_000


class No(Exception):
    """A check whose answer is no; ``str`` says why."""


def read(path: Path) -> bytes:
    """The bytes of a plain file; a link, a folder or a huge file is refused."""
    if path.is_symlink() or not path.is_file():
        raise No(f"{path.name} is missing, or is no plain file.")
    if path.stat().st_size > MAX_BYTES:
        raise No(f"{path.name} is too large to be part of a case.")
    return path.read_bytes()


def decode(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except ValueError as error:
        raise No("Something that should be base64 is not.") from error


def holds(public: bytes, signature: bytes, signed: bytes) -> bool:
    """Whether the Ed25519 key ``public`` made ``signature`` over ``signed``."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


# The hash tree of RFC 6962 (section 2.1): a leaf is hashed after a zero byte, a node after a one.


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, a level at a time; an odd one at the end moves up unchanged."""
    level = list(leaves)
    if not level:
        return hashlib.sha256(b"").digest()
    while len(level) > 1:
        pairs = [
            hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest()
            for i in range(0, len(level) - 1, 2)
        ]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def up(index: int, last: int, hashes: Sequence[bytes]) -> list[tuple[bytes, bool]]:
    """Each hash on the way from ``index`` to the root, and whether it stands left (RFC 9162, 2.1.3.2)."""
    path = []
    for other in hashes:
        if last == 0:
            raise No("The proof has more hashes than the tree has levels.")
        left = index % 2 == 1 or index == last
        while left and index % 2 == 0 and index:
            index, last = index // 2, last // 2
        path.append((other, left))
        index, last = index // 2, last // 2
    if last:
        raise No("The proof has fewer hashes than the tree has levels.")
    return path


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def stands(leaf: bytes, index: int, size: int, hashes: Sequence[bytes], root: bytes) -> bool:
    """Whether the tree of ``size`` with ``root`` has ``leaf`` at ``index`` (from 0)."""
    if not 0 <= index < size:
        return False
    for other, left in up(index, size - 1, hashes):
        leaf = node(other, leaf) if left else node(leaf, other)
    return leaf == root


def extends(old: int, before: bytes, size: int, hashes: Sequence[bytes], root: bytes) -> bool:
    """Whether the tree of ``size`` with ``root`` begins with that of ``old`` (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= size:
        return False
    if old == size:
        return not hashes and before == root
    index, last = old - 1, size - 1
    while index % 2:
        index, last = index // 2, last // 2
    # A whole old tree is a node of the new one, and is not said again.
    path = list(hashes) if index else [before, *hashes]
    if not path:
        return False
    was = now = path[0]
    for other, left in up(index, last, path[1:]):
        was = node(other, was) if left else was
        now = node(other, now) if left else node(now, other)
    return was == before and now == root


# A signed note (C2SP): text, an empty line, then lines "— name base64(4 bytes of key hash + signature)".


def checkpoint(note: bytes, attempt: str, public: bytes) -> tuple[int, bytes]:
    """Size and root that the note says, when the attempt's key signed it."""
    try:
        text, _, signatures = note.decode("utf-8").rpartition("\n\n")
    except UnicodeDecodeError as error:
        raise No("A checkpoint is no text.") from error
    text += "\n"
    named = hashlib.sha256(attempt.encode() + b"\n\x01" + public).digest()[:4]
    blobs = [
        decode(line.removeprefix(f"— {attempt} "))
        for line in signatures.splitlines()
        if line.startswith(f"— {attempt} ")
    ]
    if not any(blob[:4] == named and holds(public, blob[4:], text.encode()) for blob in blobs):
        raise No("A checkpoint is not signed by the key that it should be.")
    lines = text.split("\n")
    if len(lines) < 4 or lines[0] != attempt or not re.fullmatch(r"0|[1-9][0-9]{0,11}", lines[1]):
        raise No("A checkpoint is not one of this attempt.")
    return int(lines[1]), decode(lines[2])


def envelope(raw: bytes, kind: str) -> tuple[bytes, bytes, list[bytes]]:
    """Payload, the bytes that were signed, and the signatures of a DSSE envelope."""
    try:
        document = json.loads(raw)
        found, payload = document["payloadType"], decode(document["payload"])
        signatures = [decode(one["sig"]) for one in document["signatures"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise No("This is no signed envelope.") from error
    if found != kind:
        raise No("The envelope holds something else than it should.")
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    return payload, signed, signatures


class Case:
    """What the checks have read so far."""

    def __init__(self, folder: Path, root_key: bytes | None, hub_key: bytes | None = None) -> None:
        self.export = folder if (folder / "export.dsse").exists() else None
        self.folder = folder / "case" if self.export else folder
        self.root_key, self.hub_key = root_key, hub_key
        self.lines: list[bytes] = []
        self.records: list[dict[str, Any]] = []
        self.listed: dict[str, Any] = {}

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        if not self.records:
            raise No("Not checked: the journal cannot be read.")
        return [record["data"] for record in self.records if record["type"] == kind]

    def consent(self) -> tuple[str, bytes, Mapping[str, Any]]:
        """The attempt, its public key, and the whole consent record."""
        if not self.records or self.records[0]["type"] != "consent.recorded":
            raise No("Not checked: the journal does not begin with the consent.")
        data = self.records[0]["data"]
        attempt = str(data.get("attempt"))
        if not re.fullmatch(r"[0-9a-f]{32}", attempt):
            raise No("The consent record names no attempt.")
        return attempt, decode(data.get("public_key")), data


def check_export(case: Case) -> str:
    """The export lists its own files, and whoever made it signed the list."""
    if case.export is None:
        return "This is a case itself, not an export of one."
    payload, signed, signatures = envelope(read(case.export / "export.dsse"), EXPORT_TYPE)
    try:
        listed = json.loads(payload)
        signer, files = decode(listed["signer"]), dict(listed["files"])
        clips = [dict(one) for one in listed["clips"]]
        left_out = list(map(str, listed["left_out"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise No("The list of the export cannot be read.") from error
    if not any(holds(signer, signature, signed) for signature in signatures):
        raise No("The list of the export is not signed by the key that it names.")
    there = {
        path.relative_to(case.export).as_posix()
        for path in case.export.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    if set(files) != there - {"export.dsse"}:
        odd = sorted(set(files) ^ (there - {"export.dsse"}))
        raise No(f"Files were added to the export or taken out of it: {odd[:3]!r}.")
    for name, digest in files.items():
        if hashlib.sha256(read(case.export / name)).hexdigest() != digest:
            raise No(f"{name!r} was altered after the export was made.")
    case.listed = {"clips": clips, "left_out": left_out}
    key = base64.b64encode(signer).decode("ascii")
    return f"{len(files)} files, as listed by whoever has key {key}. Ask them whether it is theirs."


def check_journal(case: Case) -> str:
    raw = read(case.folder / "journal.jsonl")
    if not raw.endswith(b"\n"):
        raise No("The journal ends in the middle of a record.")
    lines = raw.split(b"\n")[:-1]
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            whole = record["id"] == str(number) and isinstance(record["data"], dict)
            texts = all(isinstance(record[name], str) for name in ("type", "source", "time"))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise No(f"Line {number} of the journal is no record.") from error
        if not whole or not texts:
            raise No(f"Line {number} of the journal is not record {number}.")
        records.append(record)
    case.lines, case.records = lines, records
    return f"{len(lines)} records, numbered without a hole."


def check_consent(case: Case) -> str:
    attempt, _, data = case.consent()
    if not isinstance(data.get("granted"), dict):
        raise No("Record 1 does not say what was agreed to.")
    for number, record in enumerate(case.records, start=1):
        if record["source"] != SOURCE + attempt:
            raise No(f"Record {number} is of another attempt.")
    return f"Record 1 is the consent; every record is of attempt {attempt[:40]!r}."


def check_policy(case: Case) -> str:
    raw = read(case.folder / "policy.dsse")
    payload, signed, signatures = envelope(raw, POLICY_TYPE)
    agreed = case.consent()[2].get("policy")
    for name, data in (("sha256", payload), ("envelope_sha256", raw)):
        if not isinstance(agreed, dict) or agreed.get(name) != hashlib.sha256(data).hexdigest():
            raise No("The policy is not the one that was agreed to.")
    if case.root_key is None:
        return "Warning: it is the policy agreed to; who signed it was not checked (no --root-key)."
    if not any(holds(case.root_key, signature, signed) for signature in signatures):
        raise No("The policy is not signed by the key given.")
    return "It is the policy that was agreed to, signed by the key given."


def check_checkpoints(case: Case) -> str:
    attempt, public, _ = case.consent()
    leaves = [hashlib.sha256(b"\x00" + line).digest() for line in case.lines]
    sizes = []
    for path in sorted((case.folder / "checkpoints").glob("*.note")):
        size, root = checkpoint(read(path), attempt, public)
        if size > len(leaves) or root_of(leaves[:size]) != root:
            raise No(f"The first {size} records are not those that were signed.")
        sizes.append(size)
    if not sizes:
        raise No("There is no checkpoint, so nothing vouches for the journal.")
    left = len(leaves) - max(sizes)
    if left and case.of("session.ended"):
        raise No(f"The last {left} records are not signed, although the session has ended.")
    end = f"Warning: the last {left} records are not signed yet." if left else "All are signed."
    return f"{len(sizes)} signed checkpoints fit the journal. {end}"


def check_clips(case: Case) -> str:
    erased = {str(data.get("flag")) for data in case.of("erased")}
    left_out = set(case.listed.get("left_out", []))
    known, count = set(), 0
    for data in case.of("sealed"):
        flag = str(data.get("flag"))
        if not FLAG.fullmatch(flag):
            raise No("A sealed record names no flag.")
        path = case.folder / "clips" / f"{flag}.mp4.age"
        known.add(path.name)
        if flag in erased or flag in left_out:
            if path.exists():
                raise No(f"The clip of {flag} should not be here.")
            continue
        clip = read(path)
        if len(clip) != data.get("length") or hashlib.sha256(clip).hexdigest() != data.get(
            "sha256"
        ):
            raise No(f"The clip of {flag} was altered, cut or swapped after it was sealed.")
        count += 1
    clips = case.folder / "clips"
    others = (
        [path.name for path in clips.iterdir() if path.name not in known] if clips.is_dir() else []
    )
    if others:
        raise No(f"There are clips that the journal does not know: {sorted(others)[:3]!r}.")
    return f"{count} clips are as the journal says; {len(erased)} erased, {len(left_out)} not here as sealed."


def check_new_clips(case: Case) -> str:
    """Clips encrypted anew: that they show what was sealed rests on the word of whoever exported them."""
    sealed = {str(data.get("flag")): data.get("sha256") for data in case.of("sealed")}
    for one in case.listed.get("clips", []):
        if sealed.get(str(one.get("flag"))) != one.get("sealed_sha256"):
            raise No(f"The clip of {str(one.get('flag'))[:100]!r} is of no record of the journal.")
    count = len(case.listed.get("clips", []))
    if not count:
        return "No clip was encrypted anew."
    return (
        f"{count} clips were encrypted anew. That they show what was sealed is the word of whoever "
        f"exported them: the journal signs the sealed originals."
    )


def check_proofs(case: Case) -> str:
    """The proofs of an export, for those who are shown only one record of it."""
    files = sorted((case.export / "proofs").iterdir()) if case.export else []
    for path in files:
        try:
            proves(case, read(path))
        except No as no:
            raise No(f"{path.name}: {no}") from no
    return f"{len(files)} proofs hold." if files else "No proof goes along."


def proves(case: Case, proof: bytes) -> str:
    """What a proof (C2SP tlog-proof, or the body that a tlog-witness is posted) proves of this case."""
    attempt, public, _ = case.consent()
    head, _, note = proof.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise No("This is no proof.") from error
    size, root = checkpoint(note, attempt, public)
    leaves = [hashlib.sha256(b"\x00" + line).digest() for line in case.lines]
    if lines[0] == "c2sp.org/tlog-proof@v1":
        del lines[0 : 2 if lines[1:] and lines[1].startswith("extra ") else 1]
    number = re.fullmatch(r"(index|old) (0|[1-9][0-9]{0,11})", lines[0] if lines else "")
    if number is None or len(lines) > 64:
        raise No("This is no proof.")
    kind, at, hashes = number[1], int(number[2]), [decode(line) for line in lines[1:]]
    if at >= len(leaves) + (kind == "old"):
        raise No("The proof is of more records than the case has.")
    if kind == "index" and stands(leaves[at], at, size, hashes, root):
        return f"Record {at + 1} stands in the journal of {size} records that was signed."
    if kind == "old" and extends(at, root_of(leaves[:at]), size, hashes, root):
        return f"The signed journal of {size} records extends the first {at} records of this case."
    raise No("The proof does not hold for this case.")


def check_access(case: Case) -> str:
    """Logs of who opened what, each kept and signed on the machine of whoever did it."""
    attempt = case.consent()[0]
    leaves = [hashlib.sha256(b"\x00" + line).digest() for line in case.lines]
    keepers = []
    for path in sorted((case.folder / "access").glob("*.jsonl")):
        lines = read(path).split(b"\n")
        try:
            first = json.loads(lines[0])["data"]
            public, seen = decode(first["public_key"]), first["journal"]
            size, root = int(seen["size"]), decode(seen["root"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise No(f"{path.name} is no access log.") from error
        if hashlib.sha256(public).hexdigest()[:16] != path.stem:
            raise No(f"{path.name} is not called after the key that it names.")
        if not 0 < size <= len(leaves) or root_of(leaves[:size]) != root:
            raise No(f"{path.name} was kept of another journal than this one.")
        name = f"{attempt}/access/{path.stem}"
        signed, top = checkpoint(read(path.with_suffix(".note")), name, public)
        own = [hashlib.sha256(b"\x00" + line).digest() for line in lines[:-1]]
        if lines[-1] or len(own) > signed + 1 or signed > len(own) or root_of(own[:signed]) != top:
            raise No(f"{path.name} is not what its key signed.")
        keepers.append(f"the machine with key {first['public_key']}")
    if not keepers:
        return "There is no such log: nobody opened anything, or it was taken out."
    return (
        f"{len(keepers)} logs, kept by {'; '.join(keepers[:3])}. Ask them whether it is their key."
    )


def check_decisions(case: Case) -> str:
    """What people said after looking: each signed by the key that it names, and none taken out since."""
    attempt = case.consent()[0]
    flags = {str(data.get("id")) for data in case.of("flag")}
    sealed = {str(data.get("flag")): data.get("sha256") for data in case.of("sealed")}
    there, people = set(), set()
    for path in sorted((case.folder / "decisions").glob("*")):
        payload, signed, signatures = envelope(read(path), DECISION_TYPE)
        try:
            said = json.loads(payload)
            key, who, about = decode(said["key"]), str(said["who"]), (said["attempt"], said["flag"])
            clip, known = said["clip"], about[1] in flags
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise No(f"{path.name} is no decision.") from error
        if not any(holds(key, signature, signed) for signature in signatures):
            raise No(f"{path.name} is not signed by the key that it names.")
        digest = hashlib.sha256(payload).hexdigest()
        if path.name != f"{digest[:32]}.dsse" or about[0] != attempt or not known:
            raise No(f"{path.name} is not of this case.")
        if clip and clip != sealed.get(about[1]):
            raise No(f"{path.name} is about another clip than the one that was sealed.")
        there.add(digest)
        people.add(f"{who[:100]} ({said['key'][:12]})")
    for log in (case.folder / "access").glob("*.jsonl"):
        try:
            records = [json.loads(line) for line in read(log).splitlines()]
            named = {r["data"]["decision"] for r in records if r["type"] == "access.decided"}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise No(f"{log.name} is no access log.") from error
        if named - there:
            raise No(f"A decision that {log.name} names is not here.")
    if not there:
        return "Nobody has decided anything on this copy."
    return f"{len(there)} statements of {len(people)} people: {'; '.join(sorted(people)[:3])}."


def check_hub(case: Case) -> str:
    """What a hub countersigned (C2SP tlog-cosignature) is this journal, and the last state of its own log is its."""
    folder = case.folder / "hub"
    there = sorted(folder.glob("*.note"))
    if not there and not (folder / "hub.json").exists():
        return "No hub has given receipts for this case."
    try:
        said = json.loads(read(folder / "hub.json"))
        name, public = str(said["name"]), decode(said["public_key"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise No("hub.json names no hub and no key.") from error
    if case.hub_key is not None and public != case.hub_key:
        raise No("The receipts are of another hub's key than the one given.")
    attempt, own, _ = case.consent()
    leaves = [hashlib.sha256(b"\x00" + line).digest() for line in case.lines]
    last = "none yet"
    held = 0
    for path in there:
        note = read(path)
        if path.name == "log.note":
            checkpoint(note, name, public)
            continue
        size, root = checkpoint(note, attempt, own)
        if path.name != f"{size:08d}.note" or size > len(leaves) or root_of(leaves[:size]) != root:
            raise No(f"The hub's receipt {path.name} is over another journal than this one.")
        seconds = countersigned(note, name, public)
        held, last = held + 1, f"the last over {size} records, {seconds} s after 1970-01-01 UTC"
    known = (
        "the key given"
        if case.hub_key
        else f"key {said['public_key']}; ask the hub whether it is its"
    )
    return f"{held} receipts of {name} ({last}), signed with {known}."


def countersigned(note: bytes, name: str, public: bytes) -> int:
    """When ``name`` countersigned the note, in seconds since 1970: time (8 bytes) and signature after the hash."""
    text, _, signatures = note.decode("utf-8").rpartition("\n\n")
    named = hashlib.sha256(name.encode() + b"\n\x04" + public).digest()[:4]
    for line in signatures.splitlines():
        blob = decode(line.removeprefix(f"— {name} ")) if line.startswith(f"— {name} ") else b""
        seconds = int.from_bytes(blob[4:12], "big")
        signed = f"cosignature/v1\ntime {seconds}\n{text}\n".encode()
        if blob[:4] == named and len(blob) == 76 and holds(public, blob[12:], signed):
            return seconds
    raise No("A receipt is not countersigned by the hub's key.")


CHECKS: Sequence[tuple[str, Callable[[Case], str]]] = (
    ("The export is whole", check_export),
    ("The journal can be read to its end", check_journal),
    ("Consent was recorded before anything else", check_consent),
    ("The policy is the one agreed to", check_policy),
    ("The journal is what the checkpoints sign", check_checkpoints),
    ("The clips are those that were sealed", check_clips),
    ("Clips encrypted anew belong to the journal", check_new_clips),
    ("The logs of who opened what are as they were signed", check_access),
    ("What people decided is as they signed it", check_decisions),
    ("What a hub signed for is this journal", check_hub),
    ("The proofs that go along hold", check_proofs),
)


def main(words: Sequence[str] | None = None) -> int:
    """Print every answer; 0 when each is yes."""
    parser = argparse.ArgumentParser(description="Check a case or an export of one.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--root-key", metavar="KEY", help="the institution's public key (base64)")
    parser.add_argument("--hub-key", metavar="KEY", help="the hub's public key (base64)")
    parser.add_argument("--proof", metavar="FILE", type=Path, help="a proof of one of its records")
    given = parser.parse_args(words)
    failed = 0
    try:
        keys = [decode(key) if key else None for key in (given.root_key, given.hub_key)]
        case = Case(given.folder, *keys)
    except No as no:
        parser.error(str(no))
    checks = list(CHECKS)
    if given.proof:
        checks.append(("The proof shown holds", lambda case: proves(case, read(given.proof))))
    for number, (title, question) in enumerate(checks, start=1):
        try:
            answer, detail = "ok", question(case)
        except (No, OSError) as no:
            answer, detail, failed = "NO", str(no), failed + 1
        shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in detail)
        sys.stdout.write(f"{number}. {answer}  {title}\n       {shown}\n")
    sys.stdout.write(f"{len(checks) - failed} of {len(checks)} checks passed.\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
