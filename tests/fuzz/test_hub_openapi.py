"""Requests made up from the hub's own OpenAPI document: whatever comes, an answer that the document allows.

Bounded and seeded (schemathesis): the same requests each time. No answer is a 5xx, each refusal is a
problem, and nothing that is made up becomes part of a case.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import func, select

_TESTS = Path(__file__).resolve().parents[1]


def _load(name: str):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _TESTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


hub_world, hub_cases = _load("hub_world"), _load("hub_cases")
EXAMPLES = 12
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/jsonl", "application/offset+octet-stream")
def as_it_is(context, value) -> bytes:
    """A made-up text or bytes as a body."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROCTOR_HOME", str(tmp_path_factory.mktemp("home")))
        with hub_world.running("sqlite", tmp_path_factory.mktemp("hub")) as running:
            yield running


@pytest.fixture(scope="module")
def case(world, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """An attempt that is delivered whole, and its code."""
    exam = hub_cases.publish(world.hub, world.url)
    folder = hub_cases.whole(tmp_path_factory.mktemp("case") / "case", exam, 1, size=5_000)
    code = hub_cases.code(world.hub, exam)
    assert hub_cases.send(folder, world.url, code) == []
    return hub_cases.attempt_of(folder), code


def size_of(world) -> list[int]:
    from proctor.hub import tables

    kept = (tables.batches, tables.events, tables.checkpoints, tables.clips, tables.log_records)
    with world.hub.store.reading() as connection:
        return [connection.execute(select(func.count()).select_from(t)).scalar_one() for t in kept]


def try_out(operation, attempt: str, code: str, session: requests.Session) -> int:
    """How many made-up requests of one operation were answered as the document says."""
    count = 0

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(made=operation.as_strategy())
    def one(made) -> None:
        nonlocal count
        if "attempt" in (made.path_parameters or {}):
            made.path_parameters["attempt"] = attempt
        headers = {"Authorization": f"Bearer {code}"}
        response = made.call(session=session, headers=headers, timeout=120)
        made.validate_response(response, checks=CHECKS)
        count += 1

    one()
    return count


def test_made_up_requests_are_answered_as_the_document_says(world, case) -> None:
    attempt, code = case
    before = size_of(world)
    schema = schemathesis.openapi.from_url(f"{world.url}/v1/openapi.json").include(tag="agent")
    with requests.Session() as session:
        tried = {
            operation.label: try_out(operation, attempt, code, session)
            for operation in (result.ok() for result in schema.get_all_operations())
        }
    assert len(tried) >= 11
    assert min(tried.values()) >= 1
    assert size_of(world) == before
