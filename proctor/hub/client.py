"""The agent's side of a hub: small things by POST, clips by tus 1.0 (resumable uploads). No other address.

The contract, for whoever writes the other side, is docs/outbox.md. What counts is never a status code alone:
a hub confirms an item by repeating its SHA-256, which the page of a hotel's network cannot.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3

from proctor.errors import CheckFailed, InputError
from proctor.evidence.outbox import Gone, Item, Later, Refused

TUS = "1.0.0"
API = "v1"
# A request's bytes must be off within the first, its answer begin within the second (s).
CONNECT_S = 20.0
ANSWER_S = 60.0
# A look whether anybody is there at all waits no longer than this (s).
REACH_S = 3.0
# A receipt is a countersigned checkpoint; one of megabytes is something else.
MAX_ANSWER = 64_000
LONGEST_ADDRESS = 2_000
# The text of an envelope; the largest policy takes a third of it.
MAX_POLICY = 1_500_000
# Addresses at which a hub may be spoken to without TLS: this computer itself.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# tus 1.0, checksum extension: the bytes that arrived are not those that were sent.
CHECKSUM_MISMATCH = 460

_PATHS = {
    "policy": ("policy", "application/vnd.dsse.envelope.v1+json"),
    "event": ("events", "application/cloudevents+json; charset=utf-8"),
    "journal": ("journal", "application/jsonl; charset=utf-8"),
    "checkpoint": ("checkpoints", "text/plain; charset=utf-8"),
}


def check_address(hub: str) -> str:
    """The hub's address without a slash at its end. Raises :class:`InputError` when it is none."""
    parts = urlsplit(hub)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("https", "http") or not parts.hostname or port == -1:
        raise InputError(
            f"'{hub[:200]}' is no address of a hub; it looks like https://hub.example.org."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            "The hub's address may hold no name, password, question mark or hash sign."
        )
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise InputError(
            f"The hub '{hub[:200]}' would be spoken to without encryption; its address must begin with "
            f"https://."
        )
    return hub.rstrip("/")


def reachable(hub: str) -> bool:
    """Whether the hub can be reached now: one connection to its address, with TLS where it has that.

    Nothing is sent but what TLS needs, so the hub does not learn for which exam. Raises
    :class:`InputError` as :func:`check_address` does.
    """
    parts = urlsplit(check_address(hub))
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = str(parts.hostname)
    try:
        with socket.create_connection((host, port), REACH_S) as plain:
            if parts.scheme == "https":
                with ssl.create_default_context().wrap_socket(plain, server_hostname=host):
                    pass
    except OSError:  # refused, no such name, no network, a certificate that is not the hub's
        return False
    return True


# The end of the ``type`` of a hub's answer (RFC 9457) to a code that another attempt has used.
IN_USE = "code.used"


class InUse(CheckFailed):
    """The invitation's code belongs to another attempt: it was used before, here or on another computer."""

    def __init__(self) -> None:
        super().__init__(
            "This invitation is in use already, perhaps on another computer: a hub takes one attempt for "
            "each. Go on there, or ask the institution for a new invitation. What was recorded here stays "
            "here, sealed."
        )


def fetch_policy(hub: str, code: str, *, ca: str | None = None) -> str:
    """The text of the signed policy that ``hub`` has for an invitation's ``code``; nothing is checked yet.

    Raises :class:`InputError` where the hub cannot be reached or gives none, and :class:`InUse` where
    another computer uses the invitation.
    """
    client = HubClient(hub, "", token=code, ca=ca)
    try:
        address = f"{client._hub}/{API}/invitations/policy"
        answer = client._ask("GET", address, {}, None, most=MAX_POLICY)
        client._expect(answer, (200,))
        return answer.data.decode("utf-8")
    except (Later, Refused, UnicodeDecodeError) as error:
        raise InputError(
            f"The exam's policy cannot be had from {hub} now ({error}); try again with a network, or ask "
            f"for the whole invitation as a file."
        ) from error
    finally:
        client.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read whole."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class HubClient:
    """A :class:`proctor.evidence.outbox.Destination` over HTTP.

    ``token`` is what the invitation gave for this attempt; ``ca`` a file of certificates to trust
    instead of the system's. Redirects are not followed and no proxy is asked.
    """

    def __init__(self, hub: str, attempt: str, *, token: str = "", ca: str | None = None) -> None:
        self._hub = check_address(hub)
        self.attempt = attempt
        self._base = f"{self._hub}/{API}/attempts/{attempt}/"
        self._token = token
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=1,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S),
            ca_certs=ca,
        )

    def close(self) -> None:
        """Close the connection."""
        self._pool.clear()

    def post(self, item: Item, body: bytes) -> bytes:
        """One small item; the receipt is the hub's answer. See :class:`Destination`."""
        path, kind = _PATHS[item.kind]
        headers = {
            "Content-Type": kind,
            "Content-Digest": _digest_header(hashlib.sha256(body).digest()),
            "Idempotency-Key": f'"{item.sha256}"',
            "Proctor-Name": item.name,
        }
        answer = self._ask("POST", urljoin(self._base, path), headers, body)
        if answer.status == 409:
            raise Refused("the hub holds something else under this name")
        self._expect(answer, (200, 201))
        return self._confirmed(answer.data, item)

    def begin(self, item: Item) -> str:
        """tus creation. The hub gives the address of an upload of the same digest again."""
        digest = bytes.fromhex(item.sha256)
        metadata = {"flag": item.name.encode(), "sha256": item.sha256.encode("ascii")}
        headers = {
            "Upload-Length": str(item.length),
            "Upload-Metadata": ",".join(
                f"{name} {base64.b64encode(value).decode()}" for name, value in metadata.items()
            ),
            "Idempotency-Key": f'"{item.sha256}"',
            "Repr-Digest": _digest_header(digest),
        }
        answer = self._ask("POST", urljoin(self._base, "uploads"), headers, b"")
        if answer.status == 409:
            raise Refused("the hub holds another clip of this flag")
        self._expect(answer, (200, 201))
        return self._own(urljoin(self._base, answer.headers.get("Location", "")))

    def offset(self, location: str) -> int:
        """tus HEAD."""
        answer = self._ask("HEAD", self._own(location), {}, None)
        self._expect(answer, (200, 204), upload=True)
        return _count(answer)

    def put(self, location: str, offset: int, data: bytes) -> int:
        """tus PATCH with a checksum."""
        headers = {
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
            "Upload-Checksum": f"sha256 {base64.b64encode(hashlib.sha256(data).digest()).decode()}",
        }
        answer = self._ask("PATCH", self._own(location), headers, data)
        if answer.status == 409:
            raise Later("the hub has another part of the clip than the next")
        if answer.status == CHECKSUM_MISMATCH:
            raise Later("a part of the clip was damaged on its way")
        self._expect(answer, (204, 200), upload=True)
        return _count(answer)

    def finish(self, item: Item, location: str) -> bytes:
        """That the hub has the whole clip and found its digest right: the answer's digest says so."""
        answer = self._ask("HEAD", self._own(location), {}, None)
        self._expect(answer, (200, 204), upload=True)
        wanted = _digest_header(bytes.fromhex(item.sha256))
        if _count(answer) != item.length or answer.headers.get("Repr-Digest") != wanted:
            raise Gone("the hub does not confirm the clip that was sent")
        return json.dumps({"sha256": item.sha256, "location": location}).encode("ascii")

    # Inside.

    def _ask(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        most: int = MAX_ANSWER,
    ) -> Answer:
        whole = {"Tus-Resumable": TUS, "User-Agent": "open-proctor", **headers}
        if self._token and "Authorization" not in whole:
            whole["Authorization"] = f"Bearer {self._token}"
        try:
            answer = self._pool.request(
                method,
                address,
                body=body,
                headers=whole,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            data = answer.read(most + 1)
            if len(data) > most:
                answer.close()
                raise Later("the hub's answer is far too long to be one")
            answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            # Its kind only: addresses and object names would make every sentence another one.
            raise Later(f"the hub does not answer ({type(error).__name__})") from error
        return Answer(answer.status, answer.headers, data)

    def _expect(self, answer: Answer, good: tuple[int, ...], *, upload: bool = False) -> None:
        """Turn any other status than ``good`` into what it means for the queue."""
        status = answer.status
        if status in good:
            return
        if status == 403 and _problem(answer).endswith(IN_USE):
            raise InUse
        if status in (401, 403):
            raise CheckFailed(
                f"The hub does not accept this exam's invitation (it answered {status}), so nothing is "
                f"sent; ask the institution for a new one. The case stays whole here."
            )
        if upload and status in (404, 410):
            raise Gone("the hub no longer has the beginning of this clip")
        if status in (400, 413, 415, 422):
            raise Refused(f"the hub answered {status}")
        elsewhere = ", which leads elsewhere; only the declared address is used"
        raise Later(
            f"the hub answered {status}{elsewhere if 300 <= status < 400 else ''}",
            _patience(answer),
        )

    def _own(self, address: str) -> str:
        """``address`` when it is the hub's own; a hub that points elsewhere is not followed."""
        mine, other = urlsplit(self._hub), urlsplit(address)
        same = (mine.scheme, mine.netloc) == (other.scheme, other.netloc)
        if not same or not other.path.startswith(f"{mine.path}/") or len(address) > LONGEST_ADDRESS:
            raise Gone("the hub points to an address that is not its own")
        return address

    def _confirmed(self, answer: bytes, item: Item) -> bytes:
        said: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(answer)
        if not isinstance(said, Mapping) or said.get("sha256") != item.sha256:
            raise Later("what answers does not confirm the digest: perhaps it is not the hub")
        return answer


def _digest_header(digest: bytes) -> str:
    """RFC 9530, section 2."""
    return f"sha-256=:{base64.b64encode(digest).decode('ascii')}:"


def _problem(answer: Answer) -> str:
    """The ``type`` of a problem (RFC 9457); empty where there is none."""
    said: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        said = json.loads(answer.data)
    return str(said.get("type", "")) if isinstance(said, Mapping) else ""


def _count(answer: Answer) -> int:
    said = answer.headers.get("Upload-Offset", "")
    if not (said.isascii() and said.isdigit()) or len(said) > 15:
        raise Later("the hub does not say how much of the clip it has")
    return int(said)


def _patience(answer: Answer) -> float | None:
    """Seconds of a ``Retry-After`` header; a date in it is not understood."""
    said = answer.headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdigit() and len(said) < 7 else None
