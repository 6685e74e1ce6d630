"""The staff's side of a hub, for consoles and scripts: HTTP and nothing else, no redirects, no proxies.

A hub is not simply believed: its log's checkpoints are kept between calls, in a file, and each new one must be
signed by the same key and extend the one before. A log that was forked or cut shows at the next call.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies import sign as dsse
from policies.errors import PolicyError
from proctor.errors import CheckFailed, InputError, MissingError, ProctorError
from proctor.evidence import checkpoint, keys, tree
from proctor.evidence.checkpoint import Checkpoint, NoteError
from proctor.evidence.disk import read_bounded, said_plainly, write_whole
from proctor.evidence.untrusted import text
from proctor.hub.client import check_address
from proctor.hub.loopback import Waiting

ENVELOPE = "application/vnd.dsse.envelope.v1+json"
CONNECT_S, ANSWER_S = 10.0, 60.0
MAX_JSON = 20_000_000
MAX_BYTES = 80_000_000
# How long a person may take at the provider (s).
PROVIDER_S = 600.0


class RefusedError(ProctorError):
    """The hub says no; ``str`` is its sentence. ``status`` and ``code`` as in its answer."""

    def __init__(self, status: int, code: str, sentence: str, more: Mapping[str, Any]) -> None:
        super().__init__(sentence)
        self.status, self.code, self.more = status, code, more
        self.exit_code = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read whole."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    def json(self) -> Any:
        """The body; raises :class:`CheckFailed` where it is none."""
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError) as error:
            raise CheckFailed("The hub answers with something else than JSON.") from error


class StaffClient:
    """One person at one hub. ``kept``: the folder of what is remembered of hubs' logs; ``ca``: a file of
    certificates to trust instead of the system's. Any thread may call."""

    def __init__(
        self, hub: str, token: str = "", *, kept: Path | None = None, ca: str | None = None
    ) -> None:
        self.hub = check_address(hub)
        self.token = token
        self._ca = ca
        self._folder = kept or keys.data_dir() / "hubs"
        self._lock = threading.Lock()
        self._streams: set[urllib3.BaseHTTPResponse] = set()
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=4,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S),
            ca_certs=ca,
        )

    def close(self) -> None:
        """Close the connections; streams that are read end."""
        for answer in list(self._streams):
            # Whoever reads it on another thread hears the end at once.
            with contextlib.suppress(OSError, ValueError):
                answer.shutdown()
        self._pool.clear()

    def again(self) -> StaffClient:
        """Another client of the same log-in, with connections of its own."""
        return StaffClient(self.hub, self.token, kept=self._folder, ca=self._ca)

    # Coming and going.

    def log_in(self, name: str, password: str, code: str) -> dict[str, Any]:
        """Log in with a local account. Raises :class:`RefusedError`."""
        said = {"name": name, "password": password, "code": code}
        return self._welcome(self._post("session", said))

    def log_in_by_provider(self, browse: Callable[[str], object]) -> dict[str, Any]:
        """Log in at the institution's provider: ``browse`` opens an address in a browser."""
        verifier = secrets.token_urlsafe(48)
        raw = hashlib.sha256(verifier.encode("ascii")).digest()
        challenge = base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
        with Waiting() as waiting:
            said = urlencode({"port": waiting.port, "challenge": challenge})
            browse(f"{self._address('oidc/start')}?{said}")
            ticket = waiting.ticket(PROVIDER_S)
        return self._welcome(self._post("oidc/token", {"ticket": ticket, "verifier": verifier}))

    def _welcome(self, said: Any) -> dict[str, Any]:
        with _as_asked():
            self.token = str(said["token"])
        welcome: dict[str, Any] = said
        return welcome

    def log_out(self) -> None:
        """End the log-in."""
        self._ask("DELETE", "session")
        self.token = ""

    def me(self) -> dict[str, Any]:
        """Who is logged in, and what the hub says of itself."""
        return self._object("me")

    def change_password(self, old: str, new: str, code: str) -> None:
        """Choose another password; log in again afterwards."""
        self._send("PUT", "me/password", {"password": old, "new": new, "code": code})

    def log_ins(self) -> list[dict[str, Any]]:
        """The own log-ins that hold: ``id``, ``since``, ``used``, ``expires``, and whether it is ``this`` one."""
        return self._rows("me/log-ins")

    def end_log_in(self, name: str) -> None:
        """End one of the own log-ins, shortly after logging in."""
        self._ask("DELETE", f"me/log-ins/{quote(name, safe='')}")

    def end_other_log_ins(self) -> None:
        """End every own log-in but this one, shortly after logging in."""
        self._ask("DELETE", "me/log-ins")

    def register_key(self, key: Ed25519PrivateKey) -> None:
        """Let ``key`` be what this person signs with at this hub."""
        me = self.me()
        with _as_asked():
            name, person = str(me["hub"]["name"]), str(me["person"]["id"])
        # As proctor.hub.staff_keys.claim, which needs the hub's own packages.
        proof = key.sign(f"open-proctor staff key\n{name}\n{person}\n".encode())
        public = key.public_key().public_bytes_raw()
        self._send("PUT", "me/key", {"public": _text(public), "proof": _text(proof)})

    # Reading.

    def exams(self) -> list[dict[str, Any]]:
        """Every exam, with coverage."""
        return self._rows("exams")

    def attempts(self, exam: str = "") -> list[dict[str, Any]]:
        """The rows of the wall."""
        return self._rows("attempts", exam=exam)

    def policy(self, attempt: str) -> bytes:
        """The signed policy of an attempt."""
        return self._ask("GET", f"attempts/{attempt}/policy").data

    def journal(self, attempt: str) -> bytes:
        """The whole stored journal, once one's own first looks are in."""
        whole = b""
        while True:
            after = whole.count(b"\n")
            part = self._ask("GET", f"attempts/{attempt}/journal?after={after}").data
            if not part:
                return whole
            whole += part
            if len(whole) > MAX_BYTES:
                raise CheckFailed("The hub sends more than any journal holds.")

    def blind(self, attempt: str) -> list[dict[str, Any]]:
        """The journal for a first look; :func:`check_blind` checks it against a checkpoint."""
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            part = self._ask("GET", f"attempts/{attempt}/blind?after={after}").data
            with _as_asked():
                rows = [json.loads(line) for line in part.splitlines()]
                found += rows
                lines = [int(row["n"]) for row in rows if "n" in row]
                if not lines:
                    return found
                after = _further(after, lines[-1])

    def checkpoints(self, attempt: str) -> list[dict[str, str]]:
        """The attempt's countersigned checkpoints."""
        return self._rows(f"attempts/{attempt}/checkpoints")

    def clips(self, attempt: str) -> list[dict[str, Any]]:
        """The sealed clips of an attempt."""
        return self._rows(f"attempts/{attempt}/clips")

    def payload(self, attempt: str, flag: str) -> bytes:
        """The sealed bytes of a clip after its header."""
        return self._ask("GET", f"attempts/{attempt}/clips/{quote(flag, safe='')}/payload").data

    def header(self, attempt: str, flag: str, record: bytes) -> bytes:
        """What opens a clip, for a signed access record (:mod:`proctor.evidence.access_record`)."""
        place = f"attempts/{attempt}/clips/{quote(flag, safe='')}/header"
        return self._ask("POST", place, record, ENVELOPE).data

    def sealed(self, attempt: str, flag: str, sha256: str, record: bytes) -> bytes:
        """A whole sealed clip; :class:`CheckFailed` when it is not the one with this digest."""
        payload = self.payload(attempt, flag)
        whole = self.header(attempt, flag, record) + payload
        if hashlib.sha256(whole).hexdigest() != sha256:
            raise CheckFailed("The hub gave another clip than the one that was sealed.")
        return whole

    # Reviewing.

    def queue(self, **wanted: Any) -> dict[str, Any]:
        """Flags and coverage; ``exam``, ``attempt``, ``kind``, ``state``, ``mine``, ``order``, ``limit``, ``after``."""
        return self._object("queue", **wanted)

    def take(
        self, n: int = 1, exam: str | None = None, kind: str | None = None
    ) -> list[dict[str, Any]]:
        """Put flags on the own desk."""
        said = self._post("queue/take", {"n": n, "exam": exam, "kind": kind})
        with _as_asked():
            items: list[dict[str, Any]] = said["items"]
        return items

    def release(self, attempt: str, flag: str) -> None:
        """Give a flag back."""
        self._send("POST", "queue/release", {"attempt": attempt, "flag": flag})

    def decide(self, attempt: str, statement: bytes) -> dict[str, Any]:
        """Store a signed statement, or a signed withdrawal (:mod:`proctor.evidence.decision`)."""
        answer = self._ask("POST", f"attempts/{attempt}/decisions", statement, ENVELOPE)
        said: dict[str, Any] = answer.json()
        return said

    def decisions(self, attempt: str, flag: str = "") -> list[dict[str, Any]]:
        """The statements that this person may see, by flag; of one ``flag`` only where it is given."""
        return self._rows(f"attempts/{attempt}/decisions", flag=flag)

    def command(self, attempt: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """Send a command to a student's program."""
        answer: dict[str, Any] = self._post(f"attempts/{attempt}/commands", said)
        return answer

    def commands(self, attempt: str) -> list[dict[str, Any]]:
        """The commands of an attempt, with what became of each."""
        return self._rows(f"attempts/{attempt}/commands")

    def stream(self, exam: str = "", last: str = "") -> Iterator[dict[str, str]]:
        """Live events as they come, as fields; ``last`` is the ``id`` of the last one that was seen.

        Ends when the hub ends it; raises :class:`MissingError` where the line breaks.
        """
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "text/event-stream"}
        if last:
            headers["Last-Event-ID"] = last
        place = self._address("stream") + (f"?{urlencode({'exam': exam})}" if exam else "")
        try:
            answer = self._pool.request(
                "GET", place, headers=headers, redirect=False, preload_content=False
            )
            try:
                if answer.status != 200:
                    raise _refused(answer.status, answer.read(MAX_JSON))
                self._streams.add(answer)
                yield from _frames(answer)
            finally:
                self._streams.discard(answer)
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise MissingError("The line to the hub broke; it is opened again.") from error

    # What takes two persons.

    def propose(self, kind: str, attempt: str, paper: bytes) -> str:
        """Ask for a ``hold``, ``erasure`` or ``export``; the proposal's id."""
        places = {"hold": "holds", "erasure": "erasures", "export": "exports"}
        answer = self._ask("POST", f"attempts/{attempt}/{places[kind]}", paper, ENVELOPE)
        with _as_asked():
            return str(answer.json()["id"])

    def approve(self, proposal: str, paper: bytes) -> dict[str, Any]:
        """Agree, with the same paper and a second signature (``policies.sign.add_signatures``)."""
        answer = self._ask("POST", f"proposals/{proposal}/approve", paper, ENVELOPE)
        said: dict[str, Any] = answer.json()
        return said

    def proposals(self, attempt: str) -> list[dict[str, Any]]:
        """What was asked for an attempt."""
        return self._rows(f"attempts/{attempt}/proposals")

    # Audit and numbers.

    def audit(self, attempt: str) -> list[dict[str, Any]]:
        """The log's records about an attempt, each proven to stand under a checkpoint that was checked.

        Where a record names something that was signed and is still kept, that is beside it (``signed``, an
        envelope) after its digest was found right. Raises :class:`CheckFailed` where anything does not hold.
        """
        found: list[dict[str, Any]] = []
        after: int | None = -1
        while after is not None:
            said = self._object(f"attempts/{attempt}/audit", after=after)
            with _as_asked():
                head = self._accept(str(said["checkpoint"]).encode("utf-8"))
                for one in said["records"]:
                    body, position = str(one["record"]).encode("utf-8"), int(one["position"])
                    leaf, proof = tree.leaf_hash(body), _hashes(one["proof"])
                    if not tree.verify_inclusion(leaf, position, head.size, proof, head.root):
                        raise CheckFailed(
                            f"Record {position} does not stand in the hub's signed log."
                        )
                    found.append(_with_signed(json.loads(body), said["signed"]))
                after = None if said["next"] is None else _further(after, int(said["next"]))
        return found

    def statistics(self, exam: str | None = None) -> dict[str, Any]:
        """Numbers without persons."""
        return self._object("statistics", exam=exam)

    def watch(self) -> Checkpoint:
        """Fetch the log's checkpoint and hold it against the one kept; raises :class:`CheckFailed`."""
        return self._accept(self._ask("GET", "log/checkpoint").data)

    def _accept(self, note: bytes) -> Checkpoint:
        with self._lock:
            name, public = self._hub_key()
            try:
                new = checkpoint.read(note, name, public)
            except NoteError as error:
                raise CheckFailed(
                    f"The hub's log is not signed by the key this computer knows: {error}."
                ) from error
            path = self._file(".note")
            if path.exists():
                old = checkpoint.read(read_bounded(path, checkpoint.MAX_BYTES), name, public)
                self._extends(old, new)
                if new.size <= old.size:
                    return new
            if new.size:
                self._keep(path, note)
            return new

    def _extends(self, old: Checkpoint, new: Checkpoint) -> None:
        """Of two checkpoints, which may have crossed on their way, the larger extends the smaller."""
        small, large = (old, new) if old.size <= new.size else (new, old)
        if small.size == large.size:
            same = small.root == large.root
        else:
            same = small.size > 0 and self._consistent(small, large)
        if not same:
            raise CheckFailed(
                "The hub's log does not extend the one that this computer saw before: records were taken "
                "out or changed. Tell the institution, and keep the files in "
                f"{self._folder}."
            )

    def _consistent(self, small: Checkpoint, large: Checkpoint) -> bool:
        try:
            said = self._get("log/consistency", old=small.size, size=large.size)
        except RefusedError as error:
            if error.status == 404:  # the hub has no such size (any more)
                return False
            raise
        proof = _hashes(said)
        return tree.verify_consistency(small.size, large.size, proof, small.root, large.root)

    def _hub_key(self) -> tuple[str, bytes]:
        """The hub's name and key: as kept, else as it says now, which is kept from then on."""
        path = self._file(".key")
        if not path.exists():
            with _as_asked():
                said = self.me()["hub"]
                line = f"{text(said['name'], 100)} {text(said['public'], 100)}\n"
            self._keep(path, line.encode("utf-8"))
        name, _, encoded = read_bounded(path, 1000).decode("utf-8").strip().partition(" ")
        try:
            return name, base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise InputError(
                f"The file {path} is damaged; it holds the hub's name and key."
            ) from error

    def _file(self, suffix: str) -> Path:
        return self._folder / f"{hashlib.sha256(self.hub.encode()).hexdigest()[:16]}{suffix}"

    def _keep(self, path: Path, data: bytes) -> None:
        with said_plainly(f"what is known of the hub ({path})"):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, data)

    # Inside.

    def _get(self, place: str, **wanted: Any) -> Any:
        given = {
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in wanted.items()
            if value not in (None, "")
        }
        return self._ask("GET", f"{place}?{urlencode(given)}" if given else place).json()

    def _rows(self, place: str, **wanted: Any) -> list[dict[str, Any]]:
        found = self._get(place, **wanted)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise CheckFailed("The hub answers with something else than a list.")
        return found

    def _object(self, place: str, **wanted: Any) -> dict[str, Any]:
        found = self._get(place, **wanted)
        if not isinstance(found, dict):
            raise CheckFailed("The hub answers with something else than an object.")
        return found

    def _post(self, place: str, said: Mapping[str, Any]) -> Any:
        return self._send("POST", place, said).json()

    def _send(self, method: str, place: str, said: Mapping[str, Any]) -> Answer:
        return self._ask(method, place, json.dumps(said).encode("utf-8"), "application/json")

    def _address(self, place: str) -> str:
        return f"{self.hub}/v1/staff/{place}"

    def _ask(
        self, method: str, place: str, body: bytes | None = None, kind: str | None = None
    ) -> Answer:
        headers = {"User-Agent": "open-proctor console"}
        if kind is not None:
            headers["Content-Type"] = kind
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            answer = self._pool.request(
                method,
                self._address(place),
                body=body,
                headers=headers,
                redirect=False,
                preload_content=False,
            )
            try:
                data = answer.read(MAX_BYTES + 1)
            finally:
                answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            host = urlsplit(self.hub).netloc
            raise MissingError(f"The hub {host} cannot be reached now; try again later.") from error
        if len(data) > MAX_BYTES:
            raise CheckFailed("The hub sends more than it was asked for.")
        if not 200 <= answer.status < 300:
            raise _refused(answer.status, data)
        return Answer(answer.status, dict(answer.headers), data)


def check_blind(rows: list[dict[str, Any]], note: str, attempt: str) -> dict[str, dict[str, Any]]:
    """The ``sealed`` records by flag, once the lines and leaves are known to give the checkpoint's root.

    The attempt's key is the one that the hub names; what else vouches for it is in the journal's first record,
    which opens after the first look. Raises :class:`CheckFailed`.
    """
    whole, sealed = tree.Tree(), {}
    try:
        public = base64.b64decode(str(rows[0]["public"]), validate=True)
        signed = checkpoint.read(note.encode("utf-8"), attempt, public)
        for row in rows[1 : signed.size + 1]:
            if "leaf" in row:
                whole.append(base64.b64decode(row["leaf"], validate=True))
                continue
            line = str(row["line"]).encode("utf-8")
            whole.append(tree.leaf_hash(line))
            event = json.loads(line)
            if event["type"] == "sealed":
                sealed[str(event["data"]["flag"])] = dict(event["data"])
        if whole.size != signed.size or whole.root() != signed.root:
            raise ValueError("its root is another one")
    except (NoteError, KeyError, IndexError, TypeError, ValueError) as error:
        raise CheckFailed(f"The journal does not fit its checkpoint: {error}.") from error
    return sealed


@contextlib.contextmanager
def _as_asked() -> Iterator[None]:
    """What an answer holds that it should not, or lacks, is one sentence."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, PolicyError) as error:
        raise CheckFailed(
            "The hub answers with something else than what it was asked for."
        ) from error


def _further(before: int, now: int) -> int:
    """The place where the next page begins; a hub that goes back would be asked for ever."""
    if now <= before:
        raise CheckFailed("The hub tells the same page again and again.")
    return now


def _with_signed(record: dict[str, Any], signed: Mapping[str, str]) -> dict[str, Any]:
    names = [record["data"].get(name) for name in ("record", "statement", "paper")]
    digest = next((name for name in names if name), None)
    if digest is None or digest not in signed:
        return record
    envelope = str(signed[digest])
    payload = dsse.inspect(envelope.encode("utf-8"))[0]
    if hashlib.sha256(payload).hexdigest() != digest:
        raise CheckFailed(
            f"What the hub shows as record {record['number']} is not what was signed."
        )
    return {**record, "signed": envelope}


def _refused(status: int, data: bytes) -> RefusedError:
    try:
        said = json.loads(data)
        sentence, code = text(said["detail"]), text(said["code"], 60)
    except (ValueError, KeyError, TypeError, RecursionError):
        said, sentence, code = {}, f"The hub answers with the number {status}.", ""
    return RefusedError(status, code, sentence, said)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _hashes(said: Any) -> list[bytes]:
    try:
        return [base64.b64decode(str(one), validate=True) for one in said]
    except (binascii.Error, TypeError) as error:
        raise CheckFailed("The hub's proof cannot be read.") from error


def _frames(lines: Iterable[bytes]) -> Iterator[dict[str, str]]:
    """Server-sent events: their fields (WHATWG HTML, 9.2); ``lines`` may be cut anywhere."""
    fields: dict[str, str] = {}
    kept = b""
    for part in lines:
        *whole, kept = (kept + part).split(b"\n")
        if len(kept) > MAX_JSON:
            raise CheckFailed("The hub sends an event without an end.")
        for raw in whole:
            line = raw.decode("utf-8", "replace").removesuffix("\r")
            name, _, value = line.partition(":")
            if not line and fields:
                yield fields
                fields = {}
            elif name:
                value = value.removeprefix(" ")
                fields[name] = f"{fields[name]}\n{value}" if name in fields else value
