"""Every plug-in has a model card that names its kinds, its networks as pinned, a date and its rates.

The format is told in models/cards/README.md.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import beta

from models import registry
from proctor.pipeline.detector import Plugin

ROOT = Path(__file__).resolve().parents[2]
CARDS = ROOT / "models" / "cards"
KEYS = {"plugin", "kinds", "date", "networks", "files", "rates", "unmeasured", "adopted"}
RATE_KEYS = {"kind", "what", "tells", "found", "n", "interval"}
FRONT = re.compile(r"\A# [^\n]+\n\n```toml\n(.*?)\n```\n", re.DOTALL)


@cache
def plugins() -> dict[str, Plugin]:
    """The built-in plug-ins, as pyproject.toml names them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: dict[str, Plugin] = {}
    for name, place in project["entry-points"]["proctor.detectors"].items():
        module, attribute = place.split(":")
        found[name] = getattr(importlib.import_module(module), attribute)
    return found


def files() -> list[Path]:
    return sorted(path for path in CARDS.glob("*.md") if path.name != "README.md")


@cache
def front(path: Path) -> dict[str, Any]:
    """The block for the machine at the head of a card."""
    block = FRONT.match(path.read_text(encoding="utf-8"))
    assert block, (
        f"{path.name} does not begin with a title and a ```toml block (see README.md there)"
    )
    return tomllib.loads(block[1])


def clopper_pearson(found: int, n: int) -> tuple[float, float]:
    low = 0.0 if found == 0 else float(beta.ppf(0.025, found, n - found + 1))
    high = 1.0 if found == n else float(beta.ppf(0.975, found + 1, n - found))
    return low, high


each_card = pytest.mark.parametrize("card", files(), ids=lambda path: path.stem)
each_plugin = pytest.mark.parametrize("name", sorted(plugins()))


@each_card
def test_a_card_has_the_known_keys_and_a_date_that_has_been(card: Path) -> None:
    head = front(card)
    assert set(head) <= KEYS, f"unknown: {set(head) - KEYS}"
    assert {"plugin", "kinds", "date"} <= set(head)
    assert type(head["date"]) is datetime.date
    assert head["date"] >= datetime.date(2026, 1, 1)
    assert head["plugin"] in plugins()


@each_plugin
def test_a_plugins_card_names_exactly_its_kinds(name: str) -> None:
    path = CARDS / f"{name}.md"
    assert path.is_file(), f"the plug-in {name} has no models/cards/{name}.md"
    head = front(path)
    assert head["plugin"] == name
    assert head["kinds"] == [kind.name for kind in plugins()[name].kinds]


@each_card
def test_a_further_card_names_kinds_of_its_plugin(card: Path) -> None:
    head = front(card)
    known = {kind.name for kind in plugins()[head["plugin"]].kinds}
    if head.get("adopted", True):
        assert set(head["kinds"]) <= known


@each_plugin
def test_the_cards_of_a_plugin_name_its_networks_and_no_others(name: str) -> None:
    plugin = plugins()[name]
    named: set[str] = set()
    for card in files():
        head = front(card)
        if head["plugin"] == name and head.get("adopted", True):
            named |= set(head.get("networks", {}))
    assert named == {*plugin.models, *plugin.optional_models}


@each_card
def test_the_networks_are_those_that_are_pinned(card: Path) -> None:
    head = front(card)
    pinned = registry.manifest()
    for name, digest in head.get("networks", {}).items():
        assert re.fullmatch("[0-9a-f]{64}", digest)
        if head.get("adopted", True):
            assert digest == pinned[name].sha256, f"{card.name} names another {name}"
    for name, digest in head.get("files", {}).items():
        assert digest == hashlib.sha256((ROOT / name).read_bytes()).hexdigest(), name


@each_card
def test_every_kind_has_a_rate_or_a_reason_why_not(card: Path) -> None:
    head = front(card)
    rated = {rate["kind"] for rate in head.get("rates", [])}
    unmeasured = head.get("unmeasured", {})
    assert rated | set(unmeasured) == set(head["kinds"])
    assert not rated & set(unmeasured), "a kind is either rated or unmeasured"
    assert all(len(reason.split()) >= 3 for reason in unmeasured.values())


@each_card
def test_the_intervals_are_those_of_the_counts(card: Path) -> None:
    for rate in front(card).get("rates", []):
        assert set(rate) == RATE_KEYS, rate
        assert rate["tells"] in ("found", "false", "right")
        found, n = rate["found"], rate["n"]
        assert type(found) is int
        assert type(n) is int
        assert 0 <= found <= n
        assert n > 0
        assert rate["interval"] == pytest.approx(clopper_pearson(found, n), abs=0.0051), rate
