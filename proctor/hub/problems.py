"""Every "no" of the hub as RFC 9457 problem+json: a title, a sentence, and a code that tests and logs count."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from proctor.hub.blobs import BlobError

MEDIA_TYPE = "application/problem+json"
# Seconds after which it makes sense to ask again while a database or a disk is not there.
RETRY_S = 5
FULL = "The hub's disk is full; ask again later."
_FULL = ("disk is full", "DiskFull", "No space left")

# What the framework says in two words.
_PLAIN = {
    404: "There is nothing at this address.",
    405: "Nothing at this address is asked in this way.",
}

_log = logging.getLogger("proctor.hub")


class Problem(Exception):
    """A request is refused. ``code`` is a short dotted name, ``detail`` a sentence for a person."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.more = dict(headers or {}), more


TITLES = {
    400: "Not understood", 401: "Who are you?", 403: "Not allowed", 404: "Not here",
    405: "Not possible here", 408: "Too slow", 409: "Another thing is stored", 410: "No longer here",
    412: "Another version of the protocol", 413: "Too large", 414: "Address too long",
    415: "Not in this form", 422: "Not usable", 425: "Too early", 428: "A record is needed first",
    429: "Too often", 431: "Headers too large", 460: "Damaged on its way",
    500: "A fault of the hub", 503: "Not now", 507: "No room",
}  # fmt: skip


def body_of(problem: Problem) -> dict[str, Any]:
    """The JSON object of a refusal."""
    return {
        "type": f"urn:proctor:problem:{problem.code}",
        "title": TITLES.get(problem.status, "Refused"),
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        **problem.more,
    }


def response(problem: Problem) -> JSONResponse:
    """The answer that says ``problem``."""
    return JSONResponse(
        body_of(problem), problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


def of_database(error: SQLAlchemyError) -> Problem:
    """What trouble of the database means to a client: later (503), no room (507), or a race (503)."""
    said = f"{type(getattr(error, 'orig', None)).__name__}: {getattr(error, 'orig', error)}"
    # Further lines of PostgreSQL's say the values of a row, which belong into no log.
    said = said.partition("\n")[0]
    _log.error("database", extra={"fault": said[:300]})
    retry = {"Retry-After": str(RETRY_S)}
    if any(mark in said for mark in _FULL):
        return Problem(507, "disk.full", FULL, headers=retry)
    if isinstance(error, IntegrityError):
        return Problem(503, "busy", "Two requests met; ask again.", headers={"Retry-After": "1"})
    if isinstance(error, OperationalError | PoolTimeout):
        return Problem(503, "database", "The hub's database does not answer now.", headers=retry)
    return Problem(500, "fault", "The hub has a fault; its log says more.")


def install(app: FastAPI) -> None:
    """Let ``app`` answer every error as a problem."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> JSONResponse:
        return _answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])[:100]
        said = Problem(422, "invalid", f"{where}: {str(first['msg'])[:200]}.")
        return _answer(request, said)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        said = Problem(
            error.status_code,
            f"http.{error.status_code}",
            _PLAIN.get(error.status_code, f"{str(error.detail)[:200].rstrip('.')}."),
            headers=error.headers,
        )
        return _answer(request, said)

    @app.exception_handler(SQLAlchemyError)
    async def _database(request: Request, error: SQLAlchemyError) -> JSONResponse:
        return _answer(request, of_database(error))

    @app.exception_handler(BlobError)
    async def _blobs(request: Request, error: BlobError) -> JSONResponse:
        _log.error("blobs", extra={"fault": str(error)})
        retry = {"Retry-After": str(RETRY_S)}
        if error.full:
            return _answer(request, Problem(507, "disk.full", FULL, headers=retry))
        return _answer(
            request, Problem(503, "blobs", "The store of clips does not answer now.", headers=retry)
        )

    @app.exception_handler(Exception)
    async def _fault(request: Request, error: Exception) -> JSONResponse:
        _log.error("fault", exc_info=error)
        return _answer(request, Problem(500, "fault", "The hub has a fault; its log says more."))


def _answer(request: Request, problem: Problem) -> JSONResponse:
    # The line in the log and the count of refusals take the code from here.
    request.scope["proctor.problem"] = problem.code
    return response(problem)
