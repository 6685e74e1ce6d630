"""Whether a hub is well: health checks for whoever restarts or balances it, and numbers for Prometheus."""

from __future__ import annotations

import hmac
import os

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from sqlalchemy import text

from proctor.hub import migrate
from proctor.hub.app import Hub, hub_of
from proctor.hub.observe import MULTIPROCESS
from proctor.hub.problems import Problem

LOCAL = frozenset({"127.0.0.1", "::1"})


def mount(app: FastAPI, hub: Hub) -> None:
    """Health checks and numbers."""

    @app.get("/livez", include_in_schema=False)
    async def livez() -> Response:
        """This process answers."""
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> Response:
        """So do its database, whose tables are up to date, and its store of clips."""
        with hub.store.reading() as connection:
            if not migrate.is_current(connection):
                raise Problem(
                    503, "migrate", "The database is not up to date: proctor hub migrate."
                )
        with hub.store.headers() as connection:
            connection.execute(text("SELECT 1"))
        next(iter(hub.blobs.names("health")), None)
        hub.blobs.free()  # a folder that is gone has no names either
        return Response("ready\n", media_type="text/plain")

    @app.get("/metrics", include_in_schema=False)
    def metrics(request: Request) -> Response:
        """Numbers of all worker processes on this machine, for Prometheus."""
        _may_read(request)
        return Response(_collected(), media_type=CONTENT_TYPE_LATEST)


def _may_read(request: Request) -> None:
    token = hub_of(request).settings.metrics_token
    given = request.headers.get("authorization", "")
    if token:
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Problem(401, "metrics", "The numbers need their token.",
                          headers={"WWW-Authenticate": "Bearer"})  # fmt: skip
        return
    # A proxy on this machine says for whom it asks; then it is not this machine itself.
    local = request.client is not None and request.client.host in LOCAL
    if not local or "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        raise Problem(403, "metrics", "The numbers are for this machine, or need a metrics_token.")


def _collected() -> bytes:
    if MULTIPROCESS not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
