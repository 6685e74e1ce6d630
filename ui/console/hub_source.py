"""A case that lies at a hub, as a reviewer works on it: a mirror in memory, blind until their own look (0034).

Nothing of it is written to this computer's disk. Before the reviewer's own look the hub gives only what holds no
score, and the leaf hashes of the rest, so that the sealed clip is known to be the one in the signed journal.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pyrage import x25519

from policies import sign
from policies.errors import PolicyError
from policies.load import parse
from policies.schema import Policy
from proctor.errors import CheckFailed, InputError, MissingError
from proctor.evidence import access_record, checkpoint, deciding, decision, journal, tree, view
from proctor.evidence.access import Reader
from proctor.evidence.access_record import Access
from proctor.evidence.checkpoint import NoteError
from proctor.evidence.decision import Decision, DecisionError, Standing, State, Verdict
from proctor.evidence.seal import NoKeyError, unseal
from proctor.evidence.story import Story
from proctor.evidence.story_reader import read_story
from proctor.evidence.untrusted import moment
from proctor.hub.staff_client import RefusedError, StaffClient, check_blind
from ui.console.source import CaseFile

# The reason that stands in the hub's log, in English as everything there.
LOOK = "a look in the console"
# Sealed clips that are kept near: the next ones, which cannot be opened without what the hub still holds.
NEAR = 3
NEXT: Mapping[str, decision.Look] = {
    "waiting": "first", "looked": "second", "second": "second", "disagreed": "third",
}  # fmt: skip
OVER = frozenset({"expired", "erased"})
Item = Mapping[str, Any]


@dataclass(frozen=True)
class HubCase(CaseFile):
    """A case as the hub tells it to this reviewer: where a flag stands is the hub's to say, since it alone has
    every statement. ``items`` are its rows of the queue by flag, ``coming`` flags whose clip is on its way."""

    items: Mapping[str, Item] = field(default_factory=dict)
    coming: frozenset[str] = frozenset()

    def standing(self, flag: str, now: datetime | None = None) -> Standing:
        item = self.items.get(flag, {})
        said = str(item.get("state", "done"))
        state: State = "done" if said in OVER else said  # type: ignore[assignment]
        return Standing(
            state,
            item.get("verdict"),
            NEXT.get(said),
            moment(item.get("until")),
            tuple(decision.in_force(self.of(flag))),
        )

    def refusal(self, flag: str, now: datetime | None = None) -> str:
        item = self.items.get(flag)
        state = str(item["state"]) if item is not None else "done"
        if item is None or state in OVER:
            return "The time to look at this flag is over."
        if flag in self.coming:
            return "The clip of this flag is still on its way to the hub; look at it later."
        if state not in NEXT:
            return "This flag does not wait for a look."
        if item.get("assigned") == "taken":
            return "Somebody else has this flag on the desk."
        if self.seen(flag) and state != "looked":
            return "The next look is another person's, with a key and a name of their own."
        return ""


class HubSource:
    """One attempt at a hub: the flags of ``items``, opened with ``identities`` for ``reader``.

    ``load`` may be called ahead; the window gets what was loaded then. Any thread may call.
    """

    def __init__(
        self,
        client: StaffClient,
        reader: Reader,
        identities: Sequence[x25519.Identity],
        items: Iterable[Item],
    ) -> None:
        self.client, self.reader, self.identities = client, reader, list(identities)
        self.items = {str(item["flag"]): dict(item) for item in items}
        names = {str(item["attempt"]) for item in self.items.values()}
        if len(names) != 1:
            raise InputError("A case is one attempt, and at least one of its flags.")
        self.attempt = names.pop()
        self._lock = threading.RLock()
        self._case: HubCase | None = None
        self._sealed: dict[str, dict[str, Any]] = {}
        self._stored: set[str] = set()
        self._near: dict[str, bytes] = {}
        self._policy: Policy | None = None

    def load(self) -> HubCase:
        with self._lock:
            if self._case is None:
                self._case = self._load()
            return self._case

    def _load(self) -> HubCase:
        client, attempt = self.client, self.attempt
        try:
            payload = sign.inspect(client.policy(attempt))[0]
            self._policy = policy = parse(payload, "of this exam")
        except PolicyError as error:
            raise InputError(str(error)) from error
        rows = client.blind(attempt)
        notes = client.checkpoints(attempt)
        if not notes:
            raise MissingError("The hub has no signed checkpoint of this exam yet; look later.")
        note = notes[-1]["note"]
        self._sealed = check_blind(rows, note, attempt)
        told = {str(one["flag"]): one for one in client.clips(attempt)}
        self._stored = {name for name, one in told.items() if one["state"] == "stored"}
        gone = {name for name, one in told.items() if one["state"] == "erased"}
        coming = self._sealed.keys() - self._stored - gone
        story = unscored(read_story(self._blind(rows, gone), policy))
        case = HubCase(
            story=replace(story, attempt=attempt),
            review=policy.review,
            decisions=self._statements(),
            comments={},
            readable=None,
            key=deciding.key_of(self.reader),
            who=self.reader.name,
            items=dict(self.items),
            coming=frozenset(coming),
        )
        return self._with_scores(case)

    def _blind(self, rows: Sequence[Mapping[str, Any]], gone: set[str]) -> list[Mapping[str, Any]]:
        """What may be known before an own look: the hub's flags, and the neutral lines of the journal."""
        events: list[Mapping[str, Any]] = []
        for name, item in self.items.items():
            known = {"id": name, "kind": item["kind"], "rule": item["kind"], "start": item["start"]}
            events.append({"type": "flag", "data": known})
            if item["end"] is not None:
                events.append({"type": "flag.closed", "data": {**known, "end": item["end"]}})
        for row in rows:
            if "line" in row:
                one = journal.parse(str(row["line"]).encode("utf-8"), int(row["n"]))
                events.append(one.event)
        events += [{"type": "erased", "data": {"flag": name}} for name in sorted(gone)]
        return events

    def _with_scores(self, case: HubCase) -> HubCase:
        """The whole exam, once the hub gives the journal: when every own first look is in."""
        if any(not case.seen(name) and not case.refusal(name) for name in self.items):
            return case
        try:
            raw = self.client.journal(self.attempt)
        except RefusedError as error:
            if error.code == "look.first":
                return case
            raise
        records = checked_journal(
            raw, self.client.checkpoints(self.attempt)[-1]["note"], self.attempt
        )
        story = read_story((one.event for one in records), self._policy)
        return replace(case, story=only(story, self.items))

    def ahead(self) -> None:
        """Read the case before anybody asks for it, and bring its first clip near."""
        case = self.load()
        first = next((flag.id for flag in case.story.flags if not case.refusal(flag.id)), None)
        if first is not None:
            self.fetch(first)

    def recipients(self) -> set[str]:
        """Public keys of which one opens the clips of these flags."""
        wanted = [one for name, one in self._sealed.items() if name in self.items]
        return {str(key) for one in wanted for key in one.get("recipients", ())}

    def whole(self) -> HubCase:
        """The case with what was measured, where every own look is in; else as it is. Takes a second."""
        with self._lock:
            self._case = self._with_scores(self.load())
            return self._case

    # --- looking ------------------------------------------------------------------------------

    def fetch(self, flag: str) -> None:
        """Bring the sealed bytes of ``flag`` here; what opens them stays at the hub."""
        with self._lock:
            if flag in self._near or flag not in self._stored:
                return
        payload = self.client.payload(self.attempt, flag)
        with self._lock:
            self._near[flag] = payload
            while len(self._near) > NEAR:
                del self._near[next(iter(self._near))]

    def clip(self, flag: str) -> bytes:
        """The clip in memory, after the hub wrote the signed access record into its log."""
        sealed = self._sealed.get(flag)
        if sealed is None:
            raise InputError("There is no clip of this flag.")
        if flag not in self._stored:
            raise MissingError("The clip of this flag is still on its way to the hub; look later.")
        fits = {str(one.to_public()) for one in self.identities} & set(sealed["recipients"])
        if not fits:
            raise NoKeyError(
                "No key here opens the clips of this case; open the case again and choose a key file."
            )
        digest = str(sealed["sha256"])
        self.fetch(flag)
        with self._lock:
            payload = self._near[flag]
        record = access_of(self.attempt, flag, digest, LOOK, self.reader)
        whole = self.client.header(self.attempt, flag, record) + payload
        return unseal(whole, self.identities, sha256=digest)

    # --- saying -------------------------------------------------------------------------------

    def decide(self, flag: str, verdict: Verdict, reason: str) -> HubCase:
        case = self.load()
        if refused := case.refusal(flag):
            raise DecisionError(refused)
        clip = str(self._sealed[flag]["sha256"]) if flag in self._stored else ""
        new = Decision(
            attempt=self.attempt,
            flag=flag,
            clip=clip,
            look=case.standing(flag).look or "first",
            verdict=verdict,
            reason=reason,
            who=self.reader.name,
            when=datetime.now(UTC),
        )
        return self._send(case, flag, decision.sign(new, self.reader.key))

    def take_back(self, old: Decision) -> HubCase:
        new = replace(
            old, verdict=None, reason="", who=self.reader.name, when=datetime.now(UTC),
            withdraws=old.id, key="", id="",
        )  # fmt: skip
        return self._send(self.load(), old.flag, decision.sign(new, self.reader.key))

    def _send(self, case: HubCase, flag: str, statement: bytes) -> HubCase:
        said = self.client.decide(self.attempt, statement)
        with self._lock:
            self.items[flag] |= {
                "state": said["state"],
                "verdict": said["verdict"],
                "until": said["until"],
                "assigned": None,
            }
            # A look opens what others said of this flag; of the other flags nothing has changed.
            known = [one for one in (self._case or case).decisions if one.flag != flag]
            known += self._statements(flag)
            known.sort(key=lambda one: (one.when, one.id))
            # What was measured may have come meanwhile, and stays.
            now = self._case or case
            self._case = replace(now, decisions=known, items=dict(self.items))
            return self._case

    @property
    def newest(self) -> HubCase | None:
        """The case as it was known last, whoever asked; ``None`` before it was read."""
        return self._case

    def _statements(self, flag: str = "") -> list[Decision]:
        """Every statement (of ``flag``) that the hub lets this reviewer see; each is checked."""
        found = []
        for row in self.client.decisions(self.attempt, flag):
            for envelope in row["statements"]:
                one = decision.read(str(envelope).encode("utf-8"))
                if one.attempt != self.attempt or one.flag != row["flag"]:
                    raise CheckFailed("The hub shows a statement about another exam or flag.")
                found.append(one)
        return sorted(found, key=lambda one: (one.when, one.id))


def access_of(
    attempt: str, flag: str, digest: str, reason: str, reader: Reader, export: str = ""
) -> bytes:
    """The signed record without which no header leaves a hub."""
    record = Access(attempt, flag, digest, reason, reader.name, datetime.now(UTC), export)
    return access_record.sign(record, reader.key)


def checked_journal(raw: bytes, note: str, attempt: str) -> list[journal.Record]:
    """The records under a signed checkpoint; raises :class:`CheckFailed` where they do not give its root."""
    lines = raw.removesuffix(b"\n").split(b"\n")
    try:
        records = [journal.parse(line, number) for number, line in enumerate(lines, start=1)]
        signed = checkpoint.read(note.encode("utf-8"), attempt, view.public_key(records[0].data))
        whole = tree.Tree()
        for line in lines[: signed.size]:
            whole.append(tree.leaf_hash(line))
        if whole.size != signed.size or whole.root() != signed.root:
            raise CheckFailed("The journal that the hub gave is not the one that was signed.")
    except (journal.JournalError, NoteError) as error:
        raise CheckFailed(f"The journal that the hub gave does not hold: {error}") from error
    return records[: signed.size]


def only(story: Story, names: Iterable[str]) -> Story:
    """A story whose list of flags is ``names``; its curves stay whole."""
    wanted = set(names)
    kept = [one for one in story.flags if one.id in wanted]
    flags = tuple(replace(one, number=place) for place, one in enumerate(kept, start=1))
    return replace(story, flags=flags)


def unscored(story: Story) -> Story:
    """A story before the first look: its lanes show the flags, and nothing of what was or was not measured."""
    groups = tuple(
        replace(
            group,
            rows=tuple(replace(row, unmeasured=(), unmeasured_s=0.0) for row in group.rows),
        )
        for group in story.groups
    )
    return replace(story, groups=groups)


def by_attempt(items: Iterable[Item]) -> list[list[Item]]:
    """Rows of a queue, those of one attempt together, in the order in which attempts come first."""
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(str(item["attempt"]), []).append(item)
    return list(found.values())
