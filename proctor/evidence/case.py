"""A case: one folder that holds everything an exam leaves, and nothing that was not sealed.

The order on disk makes a crash harmless: the ``flag`` record, a ``sealing`` record with the hash of
what comes, the ciphertext under a temporary name, its true name, the ``sealed`` record, a checkpoint.
Each step is on the disk before the next begins. Plaintext media never reaches this module.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from filelock import FileLock, Timeout

from policies import receipts
from policies.errors import PolicyError
from policies.schema import Policy
from policies.sign import inspect
from proctor.errors import InputError
from proctor.evidence import checkpoint, keys, layout, recovery, tombstone, view
from proctor.evidence.disk import said_plainly, sync_folder, write_whole
from proctor.evidence.journal import SOURCE, Journal, Record, load
from proctor.evidence.view import CaseView
from proctor.types import Erasure, Sealed

GAP = "The program was not running; nothing was captured."


class Case:
    """A case open for writing. Make one with :meth:`create` or :meth:`resume`; any thread may write."""

    def __init__(
        self,
        folder: Path,
        attempt: str,
        journal: Journal,
        key: Ed25519PrivateKey,
        lock: FileLock,
        anchor: datetime,
    ) -> None:
        self.folder = folder
        self.attempt = attempt
        self.anchor = anchor
        self.recovered = recovery.Recovered((), ())
        self._journal = journal
        self._key = key
        self._lock = lock
        self._noted = 0
        self._receipts = threading.Lock()
        self._closed = False

    @property
    def consent_record(self) -> str:
        """The name of the record that is on the disk before anything is captured."""
        return f"{SOURCE}{self.attempt}#1"

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        policy_envelope: bytes,
        consent: Mapping[str, Any],
        wall: Callable[[float], datetime],
    ) -> Case:
        """Begin a case in ``folder`` (new or empty) with the consent record, which is on disk on return.

        ``consent`` holds policy, granted, how, text_sha256, recipients, agent; attempt and public key
        are added. Raises :class:`InputError` when the folder is in use or not empty, and
        :class:`MissingError` when it cannot be written.
        """
        envelope_sha256 = _check_policy(policy_envelope, consent)
        with said_plainly(f"the case {folder}"):
            _make_empty(folder)
        lock = _take(folder)
        try:
            with said_plainly(f"the case {folder}"):
                for name in (layout.CLIPS, layout.CHECKPOINTS):
                    (folder / name).mkdir(mode=0o700)
                write_whole(folder / layout.POLICY, policy_envelope)
                sync_folder(folder.resolve().parent)
            attempt = uuid.uuid4().hex
            key = keys.new_attempt_key(attempt)
            journal = Journal.create(folder / layout.JOURNAL, attempt=attempt, wall=wall)
            case = cls(folder, attempt, journal, key, lock, wall(0.0).astimezone(UTC))
            public = base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")
            policy = {**consent["policy"], "envelope_sha256": envelope_sha256}
            case.record(
                "consent.recorded",
                {**consent, "policy": policy, "attempt": attempt, "public_key": public},
            )
        except BaseException:
            lock.release()
            raise
        return case

    @classmethod
    def resume(
        cls,
        folder: Path,
        *,
        wall: Callable[[float], datetime] | None = None,
        now: datetime | None = None,
    ) -> Case:
        """Go on with a case after a crash or power cut; the time in between becomes an ``agent.gap``.

        ``wall`` gives the wall-clock moment of a session second (default: counted from the case's own
        begin, ``anchor``); ``now`` is the present, and where that is before the last record, no time
        has passed. Raises :class:`InputError` when there is no case of this machine or another program
        has it, :class:`CheckFailed` when its journal was changed.
        """
        return cls._reopen(folder, wall, now, resuming=True)

    @classmethod
    def maintain(cls, folder: Path, *, now: datetime | None = None) -> Case:
        """Open a case to erase from it. A session that has ended gets no gap: nothing goes on.

        Raises as :meth:`resume` does.
        """
        return cls._reopen(folder, None, now, resuming=False)

    @classmethod
    def _reopen(
        cls,
        folder: Path,
        wall: Callable[[float], datetime] | None,
        now: datetime | None,
        *,
        resuming: bool,
    ) -> Case:
        if not (folder / layout.JOURNAL).is_file():
            raise InputError(f"There is no case in {folder} to go on with.")
        lock = _take(folder)
        try:
            consent = view.read(folder).consent
            attempt, public = _identity(consent)
            if not keys.attempt_key_path(attempt).exists():
                raise InputError(
                    f"The case {folder} began on another computer, or its key was removed: only the "
                    f"machine it began on can go on with it. Begin a new case."
                )
            began: datetime | None = None

            def counted(t: float) -> datetime:
                return (began or datetime.now(UTC)) + timedelta(seconds=t)

            journal, records, torn = Journal.reopen(folder / layout.JOURNAL, wall=wall or counted)
            began = anchor = _anchor(records)
            case = cls(folder, attempt, journal, keys.attempt_key(attempt), lock, anchor)
            recovery.check_extends(folder, attempt, public, journal.tree)
            with said_plainly(f"the case {folder}"):
                case.recovered = recovery.settle(folder, records, case.record)
            if resuming or not any(record.type == "session.ended" for record in records):
                case._note_gap(records, now or datetime.now(UTC), torn)
            case.checkpoint()
        except BaseException:
            lock.release()
            raise
        return case

    @staticmethod
    def read(folder: Path) -> CaseView:
        """A frozen view of the case in ``folder``, for showing, verifying and opening."""
        return view.read(folder)

    def record(
        self, type: str, data: Mapping[str, Any], t: float | None = None, sync: bool = True
    ) -> int:
        """Append one journal record (on the disk on return, where ``sync``); returns its number."""
        return self._journal.append(type, data, t, sync=sync)

    def store(self, sealed: Sealed, extra: Mapping[str, Any]) -> Path:
        """Put a sealed clip into the case, after its ``flag`` record; returns where it lies.

        ``extra`` (policy and model digests) goes into its records.
        """
        if not layout.FLAG_ID.fullmatch(sealed.flag_id):
            raise InputError(f"'{sealed.flag_id[:100]}' cannot name a clip.")
        name = layout.clip_name(sealed.flag_id)
        path = self.folder / name
        if path.exists():
            raise InputError(f"The case has a clip of flag '{sealed.flag_id}' already.")
        facts = {
            **extra,
            "flag": sealed.flag_id,
            "file": name,
            "sha256": sealed.sha256,
            "length": sealed.length,
            "start": round(sealed.start, 3),
            "end": round(sealed.end, 3),
            "mime": sealed.mime,
            "sensors": list(sealed.sensors),
            "recipients": list(sealed.recipients),
        }
        self.record("sealing", facts)
        with said_plainly(f"the clip {path}"):
            write_whole(path, sealed.ciphertext)
        self.record("sealed", facts)
        return path

    def erase(self, flag: str, erasure: Erasure, t: float | None = None) -> None:
        """Destroy the keys in the sealed clip of ``flag``, then its bytes; then write its tombstone.

        That is a signed copy outside the case, and then the record ``erased``. Safe to do again
        after a crash in between.
        """
        path = self.folder / layout.clip_name(flag)
        with said_plainly(f"the clip {path}"):
            tombstone.destroy(path)
        tombstone.keep(self.attempt, flag, erasure, self._key)
        self.record("erased", {"flag": flag, **asdict(erasure)}, t)

    def records(self) -> list[Mapping[str, Any]]:
        """Every record so far, as journal lines."""
        return [record.event for record in load(self.folder / layout.JOURNAL).records()]

    def put_receipts(self, policy: Policy) -> list[Path]:
        """Write the receipts of consent events that have none yet; returns those written."""
        written = []
        with self._receipts, said_plainly(f"the receipts in {self.folder}"):
            (self.folder / layout.RECEIPTS).mkdir(mode=0o700, exist_ok=True)
            for number, data in enumerate(receipts.receipts(policy, self.records()), start=1):
                path = self.folder / layout.consent_name(number)
                if not path.exists():
                    write_whole(path, data)
                    written.append(path)
        return written

    def checkpoint(self) -> None:
        """Sign the journal as it stands, into a file of its own."""
        self._journal.sync()
        size, root = self._journal.state()
        if size == self._noted:
            return
        note = checkpoint.sign(checkpoint.Checkpoint(self.attempt, size, root), self._key)
        with said_plainly(f"the checkpoint in {self.folder}"):
            write_whole(self.folder / layout.note_name(size), note)
        self._noted = size

    def close(self) -> None:
        """Write a last checkpoint, close the journal and let go of the folder; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self._journal.broken:
                self.checkpoint()
            self._journal.close()
        finally:
            self._lock.release()

    def _note_gap(self, records: Sequence[Record], now: datetime, torn: int) -> None:
        """From the last thing the journal knows of until now: at least as long as the true gap."""
        start = (max(r.time for r in records) - self.anchor).total_seconds()
        end = max(start, (now - self.anchor).total_seconds())
        data: dict[str, Any] = {"start": round(start, 3), "end": round(end, 3), "why": GAP}
        if torn:
            data["torn_bytes"] = torn
        self.record("agent.gap", data, end)


def _check_policy(envelope: bytes, consent: Mapping[str, Any]) -> str:
    """The envelope's hash, once it is known to hold the policy that was agreed to."""
    try:
        payload, _, _ = inspect(envelope)
    except PolicyError as error:
        raise InputError(f"The case cannot begin: {error}") from error
    if hashlib.sha256(payload).hexdigest() != consent["policy"]["sha256"]:
        raise InputError(
            "The case cannot begin: the consent is for another policy than the one given."
        )
    return hashlib.sha256(envelope).hexdigest()


def _make_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; a case needs a folder of its own.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(entry.name != layout.LOCK for entry in folder.iterdir()):
        raise InputError(
            f"The folder {folder} is not empty; a case begins in a folder of its own. Choose another."
        )


def _take(folder: Path) -> FileLock:
    """The right to write in ``folder``, which one program has at a time."""
    lock = FileLock(folder / layout.LOCK, timeout=0, thread_local=False, fallback_to_soft=False)
    with said_plainly(f"the case {folder}"):
        try:
            lock.acquire()
        except Timeout as error:
            raise InputError(
                f"Another program is writing to the case {folder}; close it first, or choose another "
                f"folder."
            ) from error
    return lock


def _identity(consent: Mapping[str, Any]) -> tuple[str, bytes]:
    attempt, public = consent.get("attempt"), consent.get("public_key")
    if not isinstance(attempt, str) or not layout.ATTEMPT.fullmatch(attempt):
        raise InputError("The case's consent record names no attempt, so nothing can go on.")
    try:
        return attempt, base64.b64decode(str(public), validate=True)
    except ValueError as error:
        raise InputError("The case's consent record holds no key, so nothing can go on.") from error


def _anchor(records: Sequence[Record]) -> datetime:
    """When session second 0 was."""
    for record in records:
        if record.type == "session.started" and isinstance(record.data.get("anchor"), str):
            try:
                moment = datetime.fromisoformat(record.data["anchor"])
            except ValueError:
                break  # A damaged anchor: the consent record's time is as good.
            return moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)
    return records[0].time
