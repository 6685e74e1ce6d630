"""The hub's API for staff, put together: who comes in, what they read, say and agree to (HTTP, version 1)."""

from __future__ import annotations

from fastapi import FastAPI

from proctor.hub import (
    forgetting,
    oidc,
    outcome,
    retention,
    staff_cases,
    staff_login,
    staff_papers,
    staff_review,
)
from proctor.hub.app import Hub
from proctor.hub.guard import Guard, Limits
from proctor.hub.secret import Box


def mount(app: FastAPI, hub: Hub) -> None:
    """Add the staff's routes, the guard before every request, and the provider where one is named."""
    said = hub.settings
    app.state.limits = Limits()
    app.add_middleware(Guard, address=said.address, limits=app.state.limits)
    app.state.oidc = None
    if said.oidc_issuer:
        key = Box(hub.key.private_bytes_raw(), "log-ins at the provider").key
        settings = oidc.Settings(
            issuer=said.oidc_issuer,
            client_id=said.oidc_client,
            client_secret=said.oidc_secret,
            redirect=f"{said.address.rstrip('/')}{staff_login.DONE}",
        )
        app.state.oidc = oidc.Provider(settings, key)
    for part in (staff_login, staff_cases, staff_review, staff_papers, outcome):
        app.include_router(part.router)
    hub.background.append(retention.regularly(hub, "forgetting", forgetting.tick))
