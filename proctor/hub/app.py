"""The hub as an ASGI application: one :class:`Hub` holds what all requests share; modules mount onto it."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI, Request

from proctor.evidence import keys
from proctor.hub import log, problems, settings
from proctor.hub.blobs import Blobs, open_blobs
from proctor.hub.limits import Limits
from proctor.hub.observe import Observed, log_to_stderr
from proctor.hub.settings import HubSettings
from proctor.hub.store import Store

VERSION = "1"
# Each has ``mount(app, hub)``: it includes its router and says what runs beside the requests.
MOUNTS: tuple[str, ...] = (
    "proctor.hub.health",
    "proctor.hub.agent_api",
    "proctor.hub.staff_api",
    "proctor.hub.live_api",
)

Background = Callable[[], AbstractAsyncContextManager[None]]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Hub:
    """What one worker has open. ``now`` is the wall clock (UTC), which tests may turn."""

    settings: HubSettings
    store: Store
    key: Ed25519PrivateKey
    name: str
    blobs: Blobs
    ledger: Blobs
    now: Callable[[], datetime] = _now
    background: list[Background] = field(default_factory=list)
    # Codes that were looked up a moment ago, for whom, and until when that is believed (enrol.py).
    known: dict[tuple[str, str], tuple[float, object]] = field(default_factory=dict, repr=False)
    # Called on the event loop when the worker is told to end: requests that only wait end then.
    let_go: list[Callable[[], None]] = field(default_factory=list)

    @property
    def public(self) -> bytes:
        """The hub's public key (32 bytes)."""
        return self.key.public_key().public_bytes_raw()

    def close(self) -> None:
        """Let go of everything."""
        self.store.close()


def open_hub(said: HubSettings) -> Hub:
    """Open what ``said`` names; the database must have been prepared (:func:`migrate.prepare`)."""
    key = keys.secret_ed25519(said.key_file)
    name = said.name or log.name_of(key.public_key().public_bytes_raw())
    blobs, ledger = open_blobs(said.blobs, said), open_blobs(said.ledger, said)
    return Hub(said, Store(said.database, said.headers), key, name, blobs, ledger)


def hub_of(request: Request) -> Hub:
    """The hub that answers ``request``: a dependency of every handler."""
    hub: Hub = request.app.state.hub
    return hub


def create_app(said: HubSettings) -> FastAPI:
    """The application of one worker."""
    hub = open_hub(said)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            stack.callback(hub.close)
            for background in hub.background:
                await stack.enter_async_context(background())
            # What the protocol asks for; it comes before any request.
            yield {
                "header_s": said.header_s,
                "connections": said.connections,
                "let_go": hub.let_go,
            }

    app = FastAPI(
        title="open-proctor hub",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.state.hub = hub
    problems.install(app)
    for name in MOUNTS:
        importlib.import_module(name).mount(app, hub)
    app.add_middleware(Limits, settings=said)
    app.add_middleware(Observed)
    # FastAPI works its routes out when it first needs them: now, and not under the first requests.
    app.openapi()
    return app


def from_environment() -> FastAPI:
    """What each worker process of ``proctor hub serve`` makes: settings come as its parent left them."""
    log_to_stderr()
    return create_app(settings.from_parent())
