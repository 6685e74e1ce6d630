"""Runs the hub's workers with uvicorn, over HTTP/1.1, with TLS where a certificate is given."""

from __future__ import annotations

from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from proctor.hub.protocol import with_limits
from proctor.hub.settings import HubSettings, hand_to_workers

# Idle connections are closed after this (s); requests at hand get so long to end when a hub stops.
IDLE_S = 65
STOP_S = 20
# A request's line and headers together; ours take 1 kB.
MAX_HEADERS = 16_000


def config(said: HubSettings, app: FastAPI | str) -> uvicorn.Config:
    """How uvicorn is to run ``app`` (an application, or where worker processes find its factory)."""
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        host=said.host,
        port=said.port,
        workers=said.workers,
        ssl_certfile=said.certificate,
        ssl_keyfile=said.certificate_key,
        loop="asyncio",
        http=with_limits(said.header_s, said.connections),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_S,
        h11_max_incomplete_event_size=MAX_HEADERS,
    )


def serve(said: HubSettings, ready: Callable[[], None]) -> None:
    """Answer requests until this process is told to end; ``ready`` is called before the first."""
    hand_to_workers(said)
    plan = config(said, "proctor.hub.app:from_environment")
    ready()
    if said.workers == 1:
        uvicorn.Server(plan).run()
        return
    from uvicorn.supervisors import Multiprocess

    Multiprocess(plan, sockets=[plan.bind_socket()]).run()
