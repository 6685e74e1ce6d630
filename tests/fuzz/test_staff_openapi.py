"""Requests made up from the hub's own description of its staff API: none meets a fault (schemathesis)."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

_SPEC = importlib.util.spec_from_file_location(
    "staff_kit", Path(__file__).resolve().parents[1] / "staff_kit.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
kit = importlib.util.module_from_spec(_SPEC)
sys.modules["staff_kit"] = kit
_SPEC.loader.exec_module(kit)
hub_world = kit.load("hub_world")
MOST = 8


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("staff")
    with hub_world.running("sqlite", folder) as running:
        made = kit.World(running, folder)
        yield made
        made.close()


def test_requests_from_the_description_meet_no_fault(world: Any) -> None:
    """Seeded and bounded; whoever asks has every role, and a real attempt with a flag is there."""
    everyone = world.member("Ada Quill", *sorted(kit.accounts.ROLES))
    world.exam("algebra")
    attempt = world.attempt("algebra")
    world.flag(attempt, "f1")
    document = schemathesis.openapi.from_url(f"{world.running.url}/v1/openapi.json")
    seen: dict[int, int] = {}
    tried = 0
    for found in document.get_all_operations():
        operation = found.ok()
        ends = ("/stream", "/session", "/me/password")
        if not operation.path.startswith("/v1/staff") or operation.path.endswith(ends):
            continue
        tried += 1

        @settings(
            max_examples=MOST,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            if "attempt" in case.path_parameters:
                case.path_parameters["attempt"] = attempt
            answer = case.call(headers={"Authorization": f"Bearer {everyone.client.token}"})
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, (case.method, case.path, answer.text)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == ["application/problem+json"]

        ask()
    assert tried >= 25
    assert {200, 422} <= seen.keys(), seen
