"""Runs the hub's workers with uvicorn, over HTTP/1.1, with TLS where a certificate is given."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from proctor.errors import MissingError
from proctor.hub.limits import MAX_HEADERS
from proctor.hub.observe import MULTIPROCESS
from proctor.hub.protocol import PatientProtocol
from proctor.hub.settings import HubSettings, hand_to_workers

# Idle connections are closed after this (s); requests at hand get so long to end when a hub stops.
IDLE_S = 65
STOP_S = 20


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
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        # Who asks is what a proxy says only where it is one of ours; limits of rate count by it.
        proxy_headers=bool(said.proxies),
        forwarded_allow_ips=said.proxies,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_S,
        h11_max_incomplete_event_size=MAX_HEADERS,
    )


def serve(said: HubSettings, ready: Callable[[str], None]) -> None:
    """Answer requests until this process is told to end; ``ready`` hears the address before the first.

    Raises :class:`MissingError` where the port is taken.
    """
    with contextlib.ExitStack() as stack:
        if said.workers > 1:
            # Every worker answers /metrics with the numbers of all.
            numbers = stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-metrics"))
            os.environ[MULTIPROCESS] = numbers
        hand_to_workers(said)
        plan = config(said, "proctor.hub.app:from_environment")
        listening = stack.enter_context(_listening(said))
        scheme = "https" if said.certificate else "http"
        ready(said.address or f"{scheme}://{said.host}:{listening.getsockname()[1]}")
        if said.workers > 1:
            Multiprocess(plan, sockets=[listening]).run()
        else:
            uvicorn.Server(plan).run(sockets=[listening])


def _listening(said: HubSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in said.host else socket.AF_INET
    try:
        made = socket.create_server((said.host, said.port), family=family, backlog=2048)
    except OSError as error:
        raise MissingError(
            f"Nothing can listen at {said.host}, port {said.port} ({error.strerror}); choose another "
            f"with --port."
        ) from error
    # Worker processes get it, too.
    made.set_inheritable(True)
    return made
