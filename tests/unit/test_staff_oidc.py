"""Logging in at a provider: a small real OpenID provider on loopback, honest and otherwise, and a whole way."""

from __future__ import annotations

import base64
import hashlib
import http.server
import importlib.util
import json
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import urllib3
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from proctor.errors import InputError
from proctor.hub import oidc
from proctor.hub.oidc import OidcError, Provider, Settings

_SPEC = importlib.util.spec_from_file_location(
    "staff_kit", Path(__file__).resolve().parents[1] / "staff_kit.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
kit = importlib.util.module_from_spec(_SPEC)
sys.modules["staff_kit"] = kit
_SPEC.loader.exec_module(kit)
hub_world = kit.load("hub_world")

CLIENT, SECRET = "the-hub", "a secret of hub and provider"
KEY = RSAKey.generate_key(2048, {"kid": "one"}, private=True)


class SmallProvider:
    """Discovery, keys, authorization and token endpoints; ``lie`` changes what the token says."""

    def __init__(self) -> None:
        self.lie = ""
        self.subject = "subject-of-ada"
        self.key = KEY
        self.codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                given = {k: v[0] for k, v in parse_qs(parts.query).items()}
                if parts.path == "/.well-known/openid-configuration":
                    self.say(200, provider.about())
                elif parts.path == "/keys":
                    self.say(200, {"keys": [provider.key.as_dict(private=False)]})
                elif parts.path == "/authorize":
                    code = secrets.token_urlsafe(16)
                    provider.codes[code] = given
                    back = {"code": code, "state": given["state"], "iss": provider.url}
                    self.send_response(302)
                    self.send_header("Location", f"{given['redirect_uri']}?{urlencode(back)}")
                    self.end_headers()
                else:
                    self.say(404, {})

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                given = {k: v[0] for k, v in parse_qs(raw).items()}
                asked = provider.codes.pop(given["code"], None)
                basic = base64.b64encode(f"{CLIENT}:{SECRET.replace(' ', '+')}".encode()).decode()
                verifier = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
                challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
                known = self.headers["Authorization"] in (
                    f"Basic {basic}",
                    "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode(),
                )
                if asked is None or not known or asked["code_challenge"] != challenge:
                    self.say(400, {"error": "invalid_grant"})
                    return
                token = provider.id_token(asked["nonce"])
                self.say(200, {"access_token": "x", "token_type": "Bearer", "id_token": token})

            def say(self, status: int, document: Any) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> SmallProvider:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def about(self) -> dict[str, Any]:
        return {
            "issuer": "http://127.0.0.1:9/other" if self.lie == "discovery" else self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            # A provider that offers too much must not get it.
            "id_token_signing_alg_values_supported": ["none", "HS256", "RS256"],
        }

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": self.subject,
            "nonce": nonce,
            "iat": now,
            "exp": now + 300,
        }
        changes: dict[str, dict[str, Any]] = {
            "nonce": {"nonce": "of-another"},
            "audience": {"aud": "another-client"},
            "issuer": {"iss": "http://127.0.0.1:9/other"},
            "expired": {"exp": now - 3600, "iat": now - 7200},
            "azp": {"aud": [CLIENT, "another"], "azp": "another"},
            "subject": {"sub": ""},
            "hash": {"at_hash": "wrong"},
        }
        claims |= changes.get(self.lie, {})
        if self.lie == "no nonce":
            del claims["nonce"]
        if self.lie == "no audience":
            del claims["aud"]
        header = {"alg": "RS256", "kid": self.key.kid}
        if self.lie == "none":
            parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
            return ".".join(base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in parts) + "."
        if self.lie == "shared":  # signed with the public key as if it were a shared secret
            pem = OctKey.import_key(self.key.as_pem(private=False))
            return jwt.encode({"alg": "HS256", "kid": "one"}, claims, pem, algorithms=["HS256"])
        if self.lie == "foreign":
            foreign = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
            return jwt.encode(header, claims, foreign)
        return jwt.encode(header, claims, self.key)


@pytest.fixture
def small() -> Iterator[SmallProvider]:
    with SmallProvider() as running:
        yield running


def provider_for(small: SmallProvider) -> Provider:
    back = "http://127.0.0.1:1/v1/staff/oidc/done"
    return Provider(Settings(small.url, CLIENT, SECRET, back), b"k" * 32)


def way(small: SmallProvider, provider: Provider, **changed: str) -> str:
    """The subject that a whole log-in ends with."""
    address, cookie = provider.begin(40_000, oidc.challenge_of("v" * 43))
    answer = urllib3.request("GET", address, redirect=False, retries=False)
    query = {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    return provider.subject(provider.waiting(cookie), query | changed)


def test_an_honest_provider_is_believed_and_may_change_its_keys(small: SmallProvider) -> None:
    provider = provider_for(small)
    assert way(small, provider) == "subject-of-ada"
    small.key = RSAKey.generate_key(2048, {"kid": "two"}, private=True)
    assert way(small, provider) == "subject-of-ada"


@pytest.mark.parametrize(
    "lie",
    [
        "nonce", "no nonce", "audience", "no audience", "issuer", "expired", "azp", "subject", "hash",
        "none", "shared", "foreign", "discovery",
    ],
)  # fmt: skip
def test_a_token_that_does_not_hold_is_refused(small: SmallProvider, lie: str) -> None:
    small.lie = lie
    with pytest.raises(OidcError):
        way(small, provider_for(small))


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "of-another"},
        {"iss": "http://127.0.0.1:9"},
        {"error": "denied"},
        {"code": "guess"},
    ],
)
def test_an_answer_of_another_log_in_is_refused(
    small: SmallProvider, changed: dict[str, str]
) -> None:
    with pytest.raises(OidcError):
        way(small, provider_for(small), **changed)


def test_the_cookie_is_the_hubs_own_and_soon_over(
    small: SmallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = provider_for(small)
    _, cookie = provider.begin(40_000, oidc.challenge_of("v" * 43))
    assert provider.waiting(cookie).port == 40_000
    head, body, mark = cookie.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = (
        base64.urlsafe_b64encode(json.dumps(claims | {"port": 1}).encode()).decode().rstrip("=")
    )
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for wrong in ("", "x", f"{head}.{forged}.{mark}", f"{unsigned}.{forged}.", cookie[:-6]):
        with pytest.raises(OidcError):
            provider.waiting(wrong)
    other = Provider(Settings(small.url, CLIENT, SECRET, ""), b"j" * 32)
    with pytest.raises(OidcError):
        other.waiting(cookie)
    began = time.time()
    monkeypatch.setattr(oidc.time, "time", lambda: began + oidc.TRANSACTION_S + 1)
    with pytest.raises(OidcError):
        provider.waiting(cookie)


def test_a_provider_without_encryption_is_not_taken() -> None:
    with pytest.raises(InputError, match="https"):
        Provider(Settings("http://login.example.org", CLIENT, SECRET, ""), b"k" * 32)


def test_a_console_logs_in_by_the_browser_and_a_ticket_is_good_once(
    small: SmallProvider, tmp_path: Path
) -> None:
    said = {
        "oidc_issuer": small.url,
        "oidc_client": CLIENT,
        "oidc_secret": SECRET,
        "address": "http://127.0.0.1:1",
    }
    with hub_world.running("sqlite", tmp_path, **said) as running:
        world = kit.World(running, tmp_path)
        world.hub.now = lambda: kit.datetime.now(kit.UTC)
        back = {"http://127.0.0.1:1": running.url}
        seen: list[str] = []

        def browse(address: str) -> None:
            """What a browser does: follows redirects and brings cookies back to where they came from."""
            cookie = ""
            for _ in range(4):
                for old, new in back.items():
                    address = address.replace(old + "/", new + "/", 1)
                own = {"Cookie": cookie} if cookie and address.startswith(running.url) else {}
                answer = urllib3.request("GET", address, headers=own, redirect=False, retries=False)
                if given := answer.headers.get("Set-Cookie", ""):
                    if not cookie:
                        seen.append(given)
                    cookie = given.partition(";")[0]
                if answer.status != 302:
                    seen.append(f"{answer.status} {answer.data.decode()}")
                    return
                address = answer.headers["Location"]
                if "ticket=" in address:
                    seen.append(address)

        console = world.client()
        person = world.member("Ada Quill", "reviewer")
        with world.hub.store.transaction() as tx:
            table = kit.accounts.staff
            tx.execute(table.update().where(table.c.id == person.id).values(subject=small.subject))
        welcome = console.log_in_by_provider(browse)
        assert welcome["person"]["name"] == "Ada Quill"
        assert console.me()["person"]["roles"] == ["reviewer"]
        assert all(part in seen[0] for part in ("Secure", "HttpOnly", "SameSite=lax"))
        ticket = parse_qs(urlsplit(seen[1]).query)["ticket"][0]
        with pytest.raises(kit.RefusedError, match="is over"):
            console._post("oidc/token", {"ticket": ticket, "verifier": "v" * 64})

        # Somebody else who catches the ticket has not the verifier; and trying uses it up.
        caught: list[str] = []

        class Thief(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                caught.append(parse_qs(urlsplit(self.path).query)["ticket"][0])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Quiet."""

        with http.server.HTTPServer(("127.0.0.1", 0), Thief) as server:
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            port, right = server.server_address[1], "r" * 64
            query = urlencode({"port": port, "challenge": oidc.challenge_of(right)})
            browse(f"{running.url}/v1/staff/oidc/start?{query}")
            thread.join()
        for verifier in ("w" * 64, right):
            with pytest.raises(kit.RefusedError, match="is over"):
                console._post("oidc/token", {"ticket": caught[0], "verifier": verifier})

        small.subject = "a-stranger"
        browse(f"{running.url}/v1/staff/oidc/start?{query}")
        assert seen[-1].startswith("403 ")
        assert "no open account" in seen[-1]
        world.close()
