"""What a hub is told when it starts: where it keeps things, where it listens, and its limits.

Every setting has a usable default, so that ``proctor hub serve`` alone is a whole hub on one machine:
SQLite and a folder. A settings file (TOML) and the environment (``PROCTOR_HUB_DATABASE=…``, which wins)
change them; secrets belong into the environment or into a file that only the hub's account reads.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from proctor.errors import InputError
from proctor.evidence.keys import data_dir

ENVIRONMENT = "PROCTOR_HUB_"
MAX_FILE = 100_000
# What may hold a secret, and so may be named as a file that holds it: a vault's, or a credential of systemd.
SECRETS = ("database", "headers", "metrics_token", "oidc_secret")
FROM_FILE = "_file"
SQLITE = "sqlite:///"
_DATABASES = (SQLITE, "postgresql+psycopg://")


class HubSettings(BaseModel):
    """Settings of one hub; all of its workers have the same ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path = Field(
        default_factory=lambda: data_dir() / "hub",
        description="Folder of what this machine keeps: key, and by default database and clips.",
    )
    database: str = Field(
        "", description="Database: empty for SQLite in the folder, or postgresql://user@host/name."
    )
    headers: str = Field(
        "",
        description="Database of the clips' headers, which long backups leave out. Empty: on SQLite a "
        "file of its own in the folder, on PostgreSQL the table clip_headers of the same database.",
    )
    blobs: str = Field("", description="Sealed clips: empty for the folder, or s3://bucket/prefix.")
    s3_endpoint: str = Field(
        "", description="Address of an S3-compatible store that is not Amazon's; empty: theirs."
    )
    ledger: str = Field(
        "",
        description="Where it is noted what was erased, apart from all backups: a folder or s3://….",
    )
    address: str = Field(
        "",
        description="Address at which agents reach it, as policies name it; empty: the local one.",
    )
    name: str = Field(
        "", pattern=r"^[^\s+]{0,100}$", description="Name of its log and key; empty: from the key."
    )
    host: str = Field("127.0.0.1", description="Address to listen at.")
    port: int = Field(8460, ge=0, le=65_535, description="Port to listen at; 0: any free one.")
    workers: int = Field(1, ge=1, le=64, description="Processes that answer.")
    certificate: Path | None = Field(
        None, description="TLS certificate chain (PEM), where no proxy speaks TLS for the hub."
    )
    certificate_key: Path | None = Field(None, description="The certificate's private key (PEM).")
    proxies: str = Field(
        "",
        description="Addresses or networks, with commas, of the proxies whose X-Forwarded-For is believed.",
    )
    oidc_issuer: str = Field(
        "",
        description="The OpenID provider of the staff, as it calls itself; empty: local accounts only.",
    )
    oidc_client: str = Field("", description="What the provider calls this hub (client id).")
    oidc_secret: str = Field("", repr=False, description="The client's secret, if it has one.")
    metrics_token: str = Field(
        "", repr=False, description="Bearer token for /metrics; empty: this machine alone reads it."
    )
    second_looks: float = Field(
        0.2,
        ge=0.0,
        le=1.0,
        description="Share of flags decided by one look that a second person gets all the same, so that "
        "a second look does not say what the first one was. 0: none.",
    )
    max_body: int = Field(
        2_100_000, ge=100_000, le=20_000_000, description="Most bytes of one request's body."
    )
    max_clip: int = Field(
        70_000_000, ge=1_000_000, le=1_000_000_000, description="Most bytes of one sealed clip."
    )
    reserve: int = Field(
        500_000_000,
        ge=0,
        description="Bytes of the disk that stay free; below, clips have to wait.",
    )
    header_s: float = Field(
        10.0, gt=0.0, le=120.0, description="Seconds in which a request's headers must have come."
    )
    body_s: float = Field(
        20.0, gt=0.0, le=600.0, description="Seconds in which some of a body must have come."
    )
    least_rate: float = Field(
        1_000.0, ge=0.0, description="Least bytes a second at which a body may come."
    )
    connections: int = Field(
        4_000, ge=10, le=100_000, description="Most open connections of one worker."
    )
    retention_s: float = Field(
        600.0, ge=1.0, le=86_400.0, description="Seconds between two looks for what must be erased."
    )

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, given: Any) -> Any:
        """Fill in the places that follow from the folder and the database."""
        if not isinstance(given, Mapping):
            return given
        whole = dict(given)
        folder = Path(whole.get("folder") or data_dir() / "hub")
        database = str(whole.get("database") or f"{SQLITE}{folder / 'hub.sqlite'}")
        if database.startswith("postgresql://"):
            database = database.replace("postgresql://", "postgresql+psycopg://", 1)
        own_file = f"{SQLITE}{folder / 'headers.sqlite'}"
        whole["database"] = database
        headers = str(whole.get("headers") or "")
        if headers.startswith("postgresql://"):
            headers = headers.replace("postgresql://", "postgresql+psycopg://", 1)
        whole["headers"] = headers or (own_file if database.startswith(SQLITE) else database)
        whole["blobs"] = str(whole.get("blobs") or folder / "blobs")
        whole["ledger"] = str(whole.get("ledger") or folder / "ledger")
        return whole

    @model_validator(mode="after")
    def _usable(self) -> HubSettings:
        for name in ("database", "headers"):
            if not getattr(self, name).startswith(_DATABASES):
                raise ValueError(f"{name}: it begins with sqlite:/// or postgresql://")
        for name in ("blobs", "ledger"):
            if "://" in (where := getattr(self, name)) and not where.startswith("s3://"):
                raise ValueError(f"{name}: it is a folder, or begins with s3://")
        for one in filter(None, map(str.strip, self.proxies.split(","))):
            try:
                ip_network(one)
            except ValueError as error:
                raise ValueError(f"proxies: {one[:50]!r} is no address or network") from error
        if bool(self.certificate) != bool(self.certificate_key):
            raise ValueError("certificate and certificate_key go together")
        if self.oidc_issuer and not (self.oidc_client and self.address):
            raise ValueError(
                "oidc_issuer: it needs oidc_client, and the hub's address to come back to"
            )
        if self.address and urlsplit(self.address).scheme not in ("https", "http"):
            raise ValueError("address: it begins with https://")
        return self

    @property
    def key_file(self) -> Path:
        """The hub's signing key, made at the first start."""
        return self.folder / "hub.key"

    @property
    def on_sqlite(self) -> bool:
        """Whether the database is the embedded one."""
        return self.database.startswith(SQLITE)


def load(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> HubSettings:
    """Settings from a file, if one is given, the environment, and ``more``; the last one wins.

    Raises :class:`InputError` where one is not usable.
    """
    document: dict[str, Any] = {}
    if path is not None:
        try:
            with path.open("rb") as file:
                document = tomllib.loads(file.read(MAX_FILE).decode("utf-8"))
        except OSError as error:
            raise InputError(f"The settings {path} cannot be read ({error.strerror}).") from error
        except ValueError as error:
            raise InputError(
                f"The settings {path} are no valid TOML: {str(error)[:200]}."
            ) from error
    document = _with_secrets(document, f"The settings {path}")
    told: dict[str, Any] = {}
    for name, value in (os.environ if environ is None else environ).items():
        key = name.removeprefix(ENVIRONMENT).lower()
        whole = key in HubSettings.model_fields or key.removesuffix(FROM_FILE) in SECRETS
        if name.startswith(ENVIRONMENT) and whole:
            told[key] = value
    document |= _with_secrets(told, "The environment") | dict(more or {})
    try:
        return HubSettings.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "the settings"
        said = first["msg"].removeprefix("Value error, ")
        raise InputError(f"The hub's settings: {where}: {said}.") from error


def _with_secrets(said: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``said`` with what lies in files (``metrics_token_file``) in the place of their names."""
    found = {name: value for name, value in said.items() if name.removesuffix(FROM_FILE) == name}
    for name in SECRETS:
        path = said.get(name + FROM_FILE)
        if path is None:
            continue
        if name in found:
            raise InputError(f"{where} say both {name} and {name}{FROM_FILE}; leave one out.")
        found[name] = _secret(name, Path(str(path)))
    unknown = {
        n: v for n, v in said.items() if n not in found and n.removesuffix(FROM_FILE) not in SECRETS
    }
    return found | unknown


def _secret(name: str, path: Path) -> str:
    """The one line of a file; what is wrong with it is said without it."""
    try:
        with path.open("rb") as file:
            said = file.read(MAX_FILE).decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise InputError(
            f"The file {path} of the setting {name} cannot be read ({error.strerror})."
        ) from error
    except ValueError as error:
        raise InputError(f"The file {path} of the setting {name} holds no text.") from error
    if not said or "\n" in said:
        raise InputError(f"The file {path} of the setting {name} has to hold one line, the secret.")
    return said


# How the parent tells its workers; the text may hold passwords, so it is never printed.
_HANDED = "PROCTOR_HUB__WORKER"


def hand_to_workers(said: HubSettings) -> None:
    """Leave the settings in the environment for worker processes."""
    os.environ[_HANDED] = said.model_dump_json()


def from_parent() -> HubSettings:
    """The settings that the parent process left."""
    return HubSettings.model_validate_json(os.environ[_HANDED])
