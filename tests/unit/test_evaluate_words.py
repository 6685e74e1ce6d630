"""What the report says of groups by the hour, and the words where a number lacks."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

from proctor.evaluate import base_rates, page, report
from proctor.evaluate.results import work_out
from proctor.evaluate.statistics import Estimate, Unsaid, share

_spec = importlib.util.spec_from_file_location(
    "evaluate_study", Path(__file__).with_name("evaluate_study.py")
)
assert _spec is not None
assert _spec.loader is not None
world = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(world)


def test_groups_are_compared_by_the_hour_and_every_false_flag_is_listed(tmp_path: Path) -> None:
    run, scores = world.study()
    report.write(run, tmp_path, scores=scores)
    measures = {one.measure: one for one in work_out(run, scores).fairness}
    hourly = measures["false flags an honest hour"]
    assert hourly.hourly
    assert "too few hours to say" in {one.group: one.verdict for one in hourly.slices}["yes"]
    honest = [s for s in run.sessions if s.arm != "instructed"]
    glasses = next(one for one in hourly.slices if one.group == "no").share
    mine = [s for s in honest if s.groups["glasses"] == "no"]
    assert isinstance(glasses, Estimate)
    assert glasses.count == sum(len(s.found) for s in mine)
    assert glasses.n == len(mine)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    # Every false flag of theirs is in the catalogue, too.
    catalogue = text[text.index('id="catalogue"') : text.index('id="strips"')]
    flagged = [s.id for s in honest if s.found]
    assert flagged
    assert all(f"<td>{name}</td>" in catalogue for name in flagged)
    assert "False flags an honest hour" in text
    assert "by exchanging persons between groups" in text
    with (tmp_path / "fairness.csv").open(encoding="utf-8", newline="") as file:
        assert "false flags an honest hour" in {row["measure"] for row in csv.DictReader(file)}


def test_where_all_or_none_are_flagged_the_right_reason_is_given() -> None:
    def foretold(flagged: int) -> base_rates.Predicted:
        return base_rates.predict(share(flagged, 4), share(flagged, 4), 0.02)

    everybody, nobody = foretold(4), foretold(0)
    assert isinstance(everybody.npv, Unsaid)
    assert everybody.npv.why.startswith("everybody was flagged")
    assert isinstance(nobody.ppv, Unsaid)
    assert nobody.ppv.why.startswith("nobody at all was flagged")
    assert isinstance(everybody.ppv, Estimate)
    assert isinstance(nobody.npv, Estimate)


def test_a_few_seconds_are_not_no_hours() -> None:
    assert [page.hours(h) for h in (0.0, 0.0023, 0.25, 12.0)] == [
        "0.00",
        "0.0023",
        "0.25",
        "12.00",
    ]
