"""Logging in by OpenID Connect: Authlib checks tokens, the console gets its log-in over its own loopback.

Two exchanges, one inside the other. Between console and hub: RFC 8252 (the browser comes back to a port of
the console's computer) with a challenge as in RFC 7636, so that only the program which began can end it.
Between hub and provider: the authorization code flow with PKCE, state and nonce, which wait in a cookie that
the hub signs, for ten minutes, for this one purpose.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey
from sqlalchemy import Connection, delete, insert, select

from proctor.errors import CheckFailed, InputError, MissingError
from proctor.hub.accounts import Person, by_id
from proctor.hub.secret import digest
from proctor.hub.staff_tables import staff_tickets

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import OAuth2Client

COOKIE = "proctor_oidc"
# Time to type a password at the provider; then to come back to the console.
TRANSACTION_S, TICKET_S = 600, 60
# Clocks of hub and provider may differ by so much.
LEEWAY_S = 60
# What the provider says about itself and its keys is asked for again after this.
FRESH_S = 3600.0
TIMEOUT_S = 10.0
MAX_DOCUMENT = 200_000
# Never "none", and nothing whose key the two sides share.
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class OidcError(CheckFailed):
    """The log-in at the provider is not believed: ``str`` says why."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What waits in the cookie while somebody is at the provider."""

    state: str
    nonce: str
    verifier: str
    port: int
    challenge: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The provider and what it knows of this hub. ``redirect``: where it sends the browser back to."""

    issuer: str
    client_id: str
    client_secret: str
    redirect: str


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636, 4.2)."""
    raw = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


class Provider:
    """The institution's OpenID provider. Thread-safe; what it says of itself is remembered for an hour."""

    def __init__(self, settings: Settings, cookie_key: bytes) -> None:
        address = urlsplit(settings.issuer)
        if address.scheme != "https" and address.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise InputError("The OpenID provider's address must begin with https://.")
        self._settings = settings
        self._key = OctKey.import_key(cookie_key)
        self._lock = threading.Lock()
        self._about: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._asked = 0.0

    def begin(self, port: int, challenge: str) -> tuple[str, str]:
        """The provider's address to send the browser to, and the cookie that is to wait in it."""
        if not 1024 <= port <= 65535 or not _CHALLENGE.fullmatch(challenge):
            raise InputError(
                "A log-in by the provider names a port from 1024 to 65535 and an S256 challenge."
            )
        waits = Transaction(
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(48),
            port,
            challenge,
        )
        with self._client() as client:
            address, _ = client.create_authorization_url(
                self._document("authorization_endpoint"),
                state=waits.state,
                nonce=waits.nonce,
                code_verifier=waits.verifier,
            )
        claims = {
            "state": waits.state,
            "nonce": waits.nonce,
            "verifier": waits.verifier,
            "port": waits.port,
            "challenge": waits.challenge,
            "exp": int(time.time()) + TRANSACTION_S,
            "for": COOKIE,
        }
        return str(address), jwt.encode({"alg": "HS256"}, claims, self._key)

    def waiting(self, cookie: str) -> Transaction:
        """What waits in the cookie. Raises :class:`OidcError` when it is not ours or too old."""
        try:
            claims = jwt.decode(cookie, self._key, algorithms=["HS256"]).claims
            if claims.get("for") != COOKIE or not time.time() < float(claims["exp"]):
                raise ValueError("it is over")
            return Transaction(
                str(claims["state"]),
                str(claims["nonce"]),
                str(claims["verifier"]),
                int(claims["port"]),
                str(claims["challenge"]),
            )
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise OidcError(
                "This log-in was not begun in this browser, or longer than ten minutes ago; begin it "
                "again in the console."
            ) from error

    def subject(self, waits: Transaction, query: Mapping[str, str]) -> str:
        """Whom the provider vouches for, once its answer and its token were checked.

        Raises :class:`OidcError` where they do not hold, :class:`MissingError` where the provider cannot be
        asked.
        """
        if not secrets.compare_digest(query.get("state", "").encode(), waits.state.encode()):
            raise OidcError("The provider's answer belongs to another log-in; begin it again.")
        said = query.get("iss")
        if said is not None and said != self._settings.issuer:
            # RFC 9207: the answer of one provider is not taken for another's.
            raise OidcError("The answer comes from another provider than the one that was asked.")
        if "error" in query or not query.get("code"):
            raise OidcError("The provider did not log you in; try again, or ask the institution.")
        try:
            with self._client() as client:
                token = client.fetch_token(
                    self._document("token_endpoint"),
                    code=query["code"],
                    code_verifier=waits.verifier,
                    grant_type="authorization_code",
                )
        except (AuthlibBaseError, httpx.HTTPError, ValueError) as error:
            raise OidcError("The provider did not confirm the log-in; begin it again.") from error
        return self._checked(str(token.get("id_token") or ""), waits.nonce, token)

    def _checked(self, id_token: str, nonce: str, token: Mapping[str, Any]) -> str:
        about = self._settings
        try:
            decoded = self._decoded(id_token)
            options = {
                "iss": {"essential": True, "value": about.issuer},
                "aud": {"essential": True, "value": about.client_id},
            }
            params = {
                "nonce": nonce,
                "client_id": about.client_id,
                "access_token": token.get("access_token"),
            }
            claims = CodeIDToken(decoded.claims, decoded.header, options, params)
            claims.validate(leeway=LEEWAY_S)
            subject = claims["sub"]
            if not isinstance(subject, str) or not 0 < len(subject) <= 255:
                raise ValueError("its subject is none")
        except (AuthlibBaseError, JoseError, ValueError, KeyError, TypeError) as error:
            raise OidcError(
                f"The provider's token is not believed ({str(error)[:100].rstrip('.:')})."
            ) from error
        return subject

    def _decoded(self, id_token: str) -> jwt.Token:
        """The token, checked with the provider's keys; these are fetched anew once, for they change."""
        try:
            return jwt.decode(id_token, self._key_set(), algorithms=ALGORITHMS)
        except JoseError:
            return jwt.decode(id_token, self._key_set(anew=True), algorithms=ALGORITHMS)

    def _client(self) -> OAuth2Client:
        with warnings.catch_warnings():
            # Authlib asks for a successor of httpx that is not among what this program installs.
            warnings.simplefilter("ignore", DeprecationWarning)
            from authlib.integrations.httpx_client import OAuth2Client
        return OAuth2Client(
            self._settings.client_id,
            self._settings.client_secret or None,
            scope="openid",
            redirect_uri=self._settings.redirect,
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
            follow_redirects=False,
            trust_env=False,
        )

    def _document(self, name: str) -> str:
        """What the provider's discovery document says under ``name``."""
        with self._lock:
            if time.monotonic() - self._asked > FRESH_S or not self._about:
                self._about = self._fetch(
                    self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
                )
                self._keys, self._asked = None, time.monotonic()
            if self._about.get("issuer") != self._settings.issuer:
                self._about = {}
                raise OidcError("The provider calls itself by another name than the hub knows.")
            address = str(self._about.get(name) or "")
        if urlsplit(address).scheme != urlsplit(self._settings.issuer).scheme:
            raise OidcError("The provider names no address for this that could be trusted.")
        return address

    def _key_set(self, anew: bool = False) -> KeySet:
        address = self._document("jwks_uri")
        with self._lock:
            if self._keys is None or anew:
                try:
                    self._keys = KeySet.import_key_set(self._fetch(address))  # type: ignore[arg-type]
                except (JoseError, ValueError, KeyError, TypeError) as error:
                    raise OidcError("The provider's keys cannot be read.") from error
            return self._keys

    def _fetch(self, address: str) -> dict[str, Any]:
        try:
            answer = httpx.get(address, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)
            answer.raise_for_status()
            document = answer.json() if len(answer.content) <= MAX_DOCUMENT else None
        except (httpx.HTTPError, ValueError) as error:
            raise MissingError(
                "The OpenID provider cannot be asked now; try again, or use a local account."
            ) from error
        if not isinstance(document, dict):
            raise OidcError("The OpenID provider answers with something else than its description.")
        return document


def ticket(connection: Connection, person: Person, challenge: str, now: datetime) -> str:
    """A ticket that the console turns into a log-in, once, within a minute, with its verifier."""
    made = secrets.token_urlsafe(32)
    connection.execute(delete(staff_tickets).where(staff_tickets.c.expires < now))
    connection.execute(
        insert(staff_tickets).values(
            ticket=digest(made),
            person=person.id,
            challenge=challenge,
            expires=now + timedelta(seconds=TICKET_S),
        )
    )
    return made


def redeem(connection: Connection, made: str, verifier: str, now: datetime) -> Person | None:
    """Whose log-in a ticket is, for whoever has its verifier; it is used up, right or wrong."""
    table = staff_tickets
    row = connection.execute(select(table).where(table.c.ticket == digest(made))).first()
    if row is None:
        return None
    gone = connection.execute(delete(table).where(table.c.ticket == digest(made)))
    if gone.rowcount != 1 or now >= row.expires or not _VERIFIER.fullmatch(verifier):
        return None
    if not secrets.compare_digest(challenge_of(verifier), row.challenge):
        return None
    person = by_id(connection, row.person)
    return None if person is None or person.disabled else person
