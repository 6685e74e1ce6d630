"""What agents ask of a hub, as docs/outbox.md says it: enrol, small items, uploads, proofs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from proctor.hub import enrol, items, log, problems, retention, uploads
from proctor.hub.app import Hub, hub_of
from proctor.hub.client import TUS
from proctor.hub.enrol import Seat
from proctor.hub.problems import Problem

DSSE = "application/vnd.dsse.envelope.v1+json"
# Of these records of the hub's log a student sees the whole; of others, that they are there.
SHOWN = frozenset({"enrolled", "checkpoint.countersigned", "stored", "erased", "erasure.held"})
MOST_RECORDS = 200
MAX_COUNT = 2**53
# Parts of clips that one worker writes at once: more are no faster on a disk, and small things, of which
# a person wants to hear at once, would stand in one queue with megabytes.
PARTS_AT_ONCE = 3
_HEX32 = "^[0-9a-f]{32}$"

HubHere = Annotated[Hub, Depends(hub_of)]
Authorization = Annotated[str | None, Header(description="Bearer and the invitation's code")]
AttemptPath = Annotated[str, InPath(pattern=_HEX32, description="The attempt")]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How refusals stand in the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/Refusal"}
    return {
        status: {
            "description": problems.TITLES[status],
            "content": {problems.MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


class Refusal(BaseModel):
    """RFC 9457: why a request was refused."""

    type: str
    title: str
    status: int
    detail: str
    code: str


USUAL = refusals(400, 401, 403, 404, 408, 409, 410, 413, 414, 415, 422, 431, 500, 503, 507)


class Digested(BaseModel):
    """That an item is stored."""

    sha256: str
    note: str | None = None
    log: int | None = None
    lines: int | None = None


async def body(request: Request) -> bytes:
    """The body, which :mod:`proctor.hub.limits` has read and bounded."""
    return await request.body()


Body = Annotated[bytes, Depends(body)]


def seat(hub: HubHere, attempt: AttemptPath, authorization: Authorization = None) -> Seat:
    """Whose request it is."""
    return enrol.attempt_of(hub, authorization, attempt)


SeatHere = Annotated[Seat, Depends(seat)]
router = APIRouter(prefix="/v1", responses=USUAL, tags=["agent"])
attempt_router = APIRouter(prefix="/v1/attempts/{attempt}", responses=USUAL, tags=["agent"])


# Enrolment.


class Redeem(BaseModel):
    """Which attempt a code is for."""

    model_config = ConfigDict(extra="forbid")
    attempt: str = Field(pattern=_HEX32)


class Redeemed(BaseModel):
    """What a code gave."""

    token: str
    policy: str
    exam: str
    seat: str


@router.get("/hub")
def about(hub: HubHere) -> dict[str, str]:
    """The hub's name, public key (base64) and time."""
    key = base64.b64encode(hub.public).decode("ascii")
    return {"name": hub.name, "public_key": key, "now": hub.now().isoformat()}


@router.post("/invitations/redeem")
def redeem(hub: HubHere, given: Redeem, authorization: Authorization = None) -> Redeemed:
    """Bind the code to an attempt; again, for the same one, answers the same."""
    return Redeemed(**enrol.redeem(hub, authorization, given.attempt))


@router.get(
    "/invitations/policy",
    response_class=Response,
    responses={200: {"content": {DSSE: {}}, "description": "The institution's envelope"}},
)
def policy(
    hub: HubHere,
    authorization: Authorization = None,
    proctor_attempt: Annotated[str | None, Header(pattern=_HEX32)] = None,
) -> Response:
    """The signed policy to which a code invites, byte for byte as it was published."""
    digest, envelope = enrol.policy_for(hub, authorization, proctor_attempt)
    return Response(envelope, media_type=DSSE, headers={"ETag": f'"{digest}"'})


# Small items.

Take = Callable[[Hub, Seat, str, bytes], items.Taken]
_ITEMS: dict[str, tuple[Take, str]] = {
    "policy": (items.take_policy, DSSE),
    "events": (items.take_event, "application/cloudevents+json"),
    "journal": (items.take_batch, "application/jsonl"),
    "checkpoints": (items.take_checkpoint, "text/plain"),
}


def _add(path: str, take: Take, media_type: str) -> None:
    extra = {
        "requestBody": {"required": True, "content": {media_type: {"schema": {"type": "string"}}}}
    }

    @attempt_router.post(
        f"/{path}",
        name=f"take_{path}",
        operation_id=f"take_{path}",
        status_code=200,
        response_model=Digested,
        response_model_exclude_none=True,
        responses={201: {"model": Digested, "description": "Stored now"}},
        openapi_extra=extra,
    )
    def item(
        hub: HubHere,
        who: SeatHere,
        data: Body,
        proctor_name: Annotated[str, Header(max_length=60)],
        content_digest: Annotated[str, Header(max_length=200)],
        content_type: Annotated[str, Header(max_length=200)] = "",
        idempotency_key: Annotated[str | None, Header(max_length=100)] = None,
    ) -> Response:
        digest = hashlib.sha256(data)
        if content_type.partition(";")[0].strip().lower() != media_type:
            raise Problem(415, "form", f"This is taken as {media_type}.")
        wanted = base64.b64encode(digest.digest()).decode("ascii")
        if content_digest != f"sha-256=:{wanted}:":
            raise Problem(400, "digest", "The body is not what Content-Digest says.")
        if idempotency_key not in (None, f'"{digest.hexdigest()}"'):
            raise Problem(400, "digest", "The body is not what Idempotency-Key says.")
        taken = take(hub, who, proctor_name, data)
        said = {"sha256": digest.hexdigest(), **taken.more}
        return JSONResponse(said, 201 if taken.new else 200)


for _path, (_take, _type) in _ITEMS.items():
    _add(_path, _take, _type)


# Uploads.


def tus(tus_resumable: Annotated[str, Header(max_length=20)] = "") -> None:
    """Only tus 1.0.0 is spoken."""
    if tus_resumable != TUS:
        raise Problem(412, "tus.version", "Uploads are tus 1.0.0.", headers={"Tus-Version": TUS})


Tus = Depends(tus)
Count = Annotated[int, Header(ge=0, le=MAX_COUNT)]
UploadPath = Annotated[str, InPath(pattern=_HEX32, description="The upload")]
_TUS = {"Tus-Resumable": TUS, "Cache-Control": "no-store"}
_EMPTY = {"content": {}, "description": "Done"}


@attempt_router.options("/uploads", status_code=204, include_in_schema=False)
def abilities(hub: HubHere, attempt: AttemptPath) -> Response:
    """What of tus is spoken."""
    said = {
        "Tus-Version": TUS,
        "Tus-Extension": "creation,checksum",
        "Tus-Checksum-Algorithm": "sha256",
        "Tus-Max-Size": str(hub.settings.max_clip),
    }
    return Response(status_code=204, headers={**_TUS, **said})


@attempt_router.post(
    "/uploads",
    status_code=201,
    response_class=Response,
    dependencies=[Tus],
    responses={**refusals(412, 425), 201: _EMPTY},
)
def create(
    hub: HubHere,
    who: SeatHere,
    upload_length: Count,
    upload_metadata: Annotated[str, Header(max_length=1000)],
) -> Response:
    """tus creation. The address of a clip's upload is the same however often it is asked for."""
    name = uploads.create(hub, who, upload_length, upload_metadata)
    # Relative, so that it holds behind any proxy's path.
    return Response(status_code=201, headers={**_TUS, "Location": f"uploads/{name}"})


@attempt_router.head(
    "/uploads/{upload}",
    response_class=Response,
    dependencies=[Tus],
    responses={**refusals(412), 200: _EMPTY},
)
def offset(hub: HubHere, who: SeatHere, upload: UploadPath) -> Response:
    """tus HEAD: how much has arrived, and the digest once the whole is stored."""
    arrived, digest = uploads.offset(hub, who, upload)
    return Response(status_code=200, headers={**_TUS, **_arrived(arrived, digest)})


@attempt_router.patch(
    "/uploads/{upload}",
    status_code=204,
    response_class=Response,
    dependencies=[Tus],
    responses={
        **refusals(412, 460),
        204: {"description": "Taken"},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/offset+octet-stream": {
                    "schema": {"type": "string", "format": "binary"}
                }
            },
        }
    },
)
async def part(
    request: Request,
    hub: HubHere,
    who: SeatHere,
    upload: UploadPath,
    data: Body,
    upload_offset: Count,
    upload_checksum: Annotated[str, Header(max_length=100)],
    content_type: Annotated[str, Header(max_length=200)] = "",
) -> Response:
    """tus PATCH with a checksum. Parts wait for each other, so that records need not wait for them."""
    if content_type != "application/offset+octet-stream":
        raise Problem(415, "form", "Parts are taken as application/offset+octet-stream.")
    arrived = await to_thread.run_sync(
        uploads.append,
        hub,
        who,
        upload,
        upload_offset,
        data,
        upload_checksum,
        limiter=request.app.state.parts_at_once,
    )
    return Response(status_code=204, headers={**_TUS, **_arrived(arrived, None)})


def _arrived(count: int, digest: str | None) -> dict[str, str]:
    said = {"Upload-Offset": str(count)}
    if digest is not None:
        raw = base64.b64encode(bytes.fromhex(digest)).decode("ascii")
        said["Repr-Digest"] = f"sha-256=:{raw}:"
    return said


# The hub's log.


class Consistency(BaseModel):
    """That the signed log extends an earlier one: hashes in base64 (RFC 6962, 2.1.2)."""

    size: int
    note: str
    old: int | None = None
    consistency: list[str] = []


class LogRecord(BaseModel):
    """A record of the hub's log, and that it stands in the signed one (RFC 6962, 2.1.1)."""

    position: int
    kind: str
    body: str | None
    leaf: str
    inclusion: list[str]


class Proof(Consistency):
    """The records about an attempt, each with its proof."""

    records: list[LogRecord]


Old = Annotated[int | None, Query(ge=1, le=MAX_COUNT, description="A size seen before")]


@router.get("/log/checkpoint", response_class=Response)
def log_checkpoint(hub: HubHere) -> Response:
    """The newest signed checkpoint of the hub's log: anybody may keep it and compare."""
    with hub.store.reading() as connection:
        _, note = log.signed(connection, hub.name, hub.key)
    return Response(note, media_type="text/plain; charset=utf-8")


@router.get("/log/consistency")
def log_consistency(hub: HubHere, size: Old = None) -> Consistency:
    """The newest checkpoint, and that it extends the one of ``size`` records."""
    with hub.store.reading() as connection:
        return Consistency(**_signed(hub, connection, size))


@attempt_router.get("/proof")
def proof(
    hub: HubHere,
    who: SeatHere,
    size: Old = None,
    after: Annotated[int, Query(ge=-1, le=MAX_COUNT)] = -1,
) -> Proof:
    """What the hub's log has about this attempt, with inclusion proofs under the newest checkpoint."""
    with hub.store.reading() as connection:
        said = _signed(hub, connection, size)
        found = []
        for one in log.of_attempt(connection, who.attempt, after, MOST_RECORDS):
            hashes = log.inclusion_proof(connection, one.position, said["size"])
            shown = one.body.decode("utf-8") if one.kind in SHOWN else None
            leaf = _text([log.leaf_of(one)])[0]
            found.append(
                LogRecord(
                    position=one.position,
                    kind=one.kind,
                    body=shown,
                    leaf=leaf,
                    inclusion=_text(hashes),
                )
            )
        return Proof(**said, records=found)


def _signed(hub: Hub, connection: Any, old: int | None) -> dict[str, Any]:
    size, note = log.signed(connection, hub.name, hub.key)
    said: dict[str, Any] = {"size": size, "note": note.decode("utf-8"), "old": old}
    if old is not None:
        try:
            said["consistency"] = _text(log.consistency_proof(connection, old, size))
        except log.LogError as error:
            raise Problem(422, "log.size", str(error)) from error
    return said


def _text(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(one).decode("ascii") for one in hashes]


def mount(app: FastAPI, hub: Hub) -> None:
    """The agent's part of the hub, and the worker that lets go of what is due."""
    app.state.parts_at_once = CapacityLimiter(PARTS_AT_ONCE)
    app.include_router(router)
    app.include_router(attempt_router)
    hub.background.append(retention.regularly(hub, "retention", retention.tick))
