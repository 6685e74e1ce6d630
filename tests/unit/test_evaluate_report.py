"""The report of a made study whose numbers can be counted by hand, and of studies that lack something."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proctor.errors import InputError
from proctor.evaluate import compare, plots, preregister, report, sweep
from proctor.evaluate.results import work_out
from proctor.evaluate.statistics import Estimate, Unsaid, share
from proctor.evaluate.tallies import ALL, median_delay
from proctor.evaluate.truths import agreed, judge
from proctor.evaluate.values import Found, Run, Scores, Session, Skipped, Span, TruthEvent

_spec = importlib.util.spec_from_file_location(
    "evaluate_study", Path(__file__).with_name("evaluate_study.py")
)
assert _spec is not None
assert _spec.loader is not None
world = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(world)
DIM, GAZE, PHONE, RULES = world.DIM, world.GAZE, world.PHONE, world.RULES
run_of, study = world.run_of, world.study

Made = tuple[Run, Scores]


@pytest.fixture(scope="module", autouse=True)
def few_strips() -> Iterator[None]:
    """Four strips of sessions instead of forty: they take most of a page's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "MOST_STRIPS", 4)
        yield


@pytest.fixture(scope="module")
def made() -> Made:
    return study()


@pytest.fixture(scope="module")
def folder(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    written = report.write(made[0], out, scores=made[1])
    assert written[0].name == "report.html"
    assert all(path.is_file() for path in written)
    return out


class Page(HTMLParser):
    """What a page would fetch or run, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in ("script", "link", "iframe", "img", "object") or "src" in found:
            self.fetched.append(tag)
        if tag in ("table", "section", "figure"):
            self.open.append(tag)
        self.ids.add(found.get("id") or "")
        if tag == "a":
            self.links.add((found.get("href") or "").lstrip("#"))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("table", "section", "figure"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert not page.open
    return page


# --- counting -------------------------------------------------------------------------------------


def test_primary_metrics_are_what_one_counts_by_hand(made: Made) -> None:
    run, scores = made
    results = work_out(run, scores)
    honest = [s for s in run.sessions if s.arm in ("honest", "nervous")]
    flagged = sum(bool(s.found) for s in honest)
    assert 3 < flagged < len(honest)
    hfr = results.whole.hfr
    assert isinstance(hfr, Estimate)
    assert (hfr.count, hfr.n) == (flagged, 40)
    false = sum(len(s.found) for s in honest)
    fa = results.whole.fa_hour
    assert isinstance(fa, Estimate)
    assert fa.count == false
    assert fa.n == pytest.approx(40 * 240 / 3600)
    phone = next(one for one in results.primary if one.kind == PHONE)
    assert isinstance(phone.sensitivity, Estimate)
    # One in five is seen with a score below the threshold.
    assert (phone.sensitivity.count, phone.sensitivity.n) == (24, 30)
    gaze = next(one for one in results.primary if one.kind == GAZE)
    assert isinstance(gaze.fa_hour, Estimate)
    assert gaze.fa_hour.n == pytest.approx((40 * 240 - 20 * 24) / 3600)
    assert isinstance(gaze.first_s, Estimate)
    assert gaze.first_s.value == pytest.approx(4.0, abs=1.0)
    assert isinstance(gaze.not_measured, Estimate)
    assert gaze.not_measured.value == pytest.approx(0.05)
    dim = next(one for one in results.primary if one.kind == DIM)
    assert isinstance(dim.sensitivity, Unsaid)
    assert isinstance(results.whole.fa_hour_persons, Estimate)


def test_what_no_rule_measured_for_one_kind_is_measured_for_another(made: Made) -> None:
    run = run_of(
        [
            Session(
                "a", "p", "honest", "a.mp4", duration_s=100.0,
                unmeasured={PHONE: (Span(0, 40, "x"), Span(30, 60, "y")), GAZE: (Span(50, 80, "z"),)},
            )
        ],
        {PHONE: RULES[PHONE], GAZE: RULES[GAZE]},
    )  # fmt: skip
    person = work_out(run, None).people[0]
    assert person.kinds[PHONE].measured_h * 3600 == pytest.approx(40)
    assert person.kinds[GAZE].measured_h * 3600 == pytest.approx(70)
    assert person.kinds[ALL].measured_h * 3600 == pytest.approx(90)


def session(*events: TruthEvent, found: tuple[Found, ...] = (), **more: object) -> Session:
    return replace(
        Session("a", "p", "instructed", "a.mp4", duration_s=100.0, truth=events, found=found),
        **more,  # type: ignore[arg-type]
    )


def flag(start: float, end: float) -> Found:
    return Found("a", PHONE, start, end, 0.9, PHONE, start + 1.5)


def test_a_majority_of_annotators_decides_and_the_rest_is_doubtful() -> None:
    one = session(
        TruthEvent("a", 10, 20, PHONE, "A"),
        TruthEvent("a", 12, 22, PHONE, "B"),
        TruthEvent("a", 60, 70, PHONE, "C"),
    )
    truth = agreed(one, PHONE)
    assert truth.events == ((12, 20),)
    assert truth.doubtful == ((60, 70),)
    sorted_out = judge(replace(one, found=(flag(13, 15), flag(62, 65), flag(80, 85))), PHONE)
    assert [f.start for f in sorted_out.right] == [13]
    assert [f.start for f in sorted_out.open] == [62]
    assert [f.start for f in sorted_out.false] == [80]
    assert sorted_out.found == (True,)


def test_labels_that_only_touch_agree_on_nothing() -> None:
    first, second = TruthEvent("a", 10, 20, PHONE, "A"), TruthEvent("a", 20, 30, PHONE, "B")
    truth = agreed(session(first, second), PHONE)
    assert truth.events == ()
    assert truth.doubtful == ((10, 30),)
    moments = [replace(first, start=20.0), replace(second, end=20.0)]
    assert agreed(session(*moments), PHONE).events == ((20, 20),)


def test_hours_in_which_no_flag_can_be_false_are_in_no_rate() -> None:
    hour = {"duration_s": 3600.0, "unmeasured": {PHONE: (), GAZE: ()}, "arm": "honest"}
    told = replace(session(found=(flag(11, 12),)), **hour)
    silent = replace(session(labelled=frozenset({GAZE})), id="b", **hour)
    results = work_out(run_of([told, silent], {k: RULES[k] for k in (PHONE, GAZE)}), None)
    rates = {one.kind: one.fa_hour for one in results.primary}
    assert isinstance(rates[PHONE], Estimate)
    assert isinstance(rates[GAZE], Estimate)
    assert (rates[PHONE].count, rates[PHONE].n) == (1, 1.0)
    assert (rates[GAZE].count, rates[GAZE].n) == (0, 2.0)


def test_a_doubtful_label_makes_a_flag_neither_right_nor_false() -> None:
    one = session(TruthEvent("a", 10, 20, PHONE, "A", certain=False), found=(flag(11, 12),))
    sorted_out = judge(one, PHONE)
    assert (len(sorted_out.right), len(sorted_out.false), len(sorted_out.open)) == (0, 0, 1)


def test_a_kind_of_which_the_truth_does_not_speak_is_neither() -> None:
    one = session(found=(flag(11, 12),), labelled=frozenset({GAZE}))
    assert len(judge(one, PHONE).open) == 1


def test_the_middle_of_delays_counts_those_never_flagged_as_later_than_all() -> None:
    value, low, high = median_delay([1.0, 2.0, 3.0, 4.0, 5.0, None, None])
    assert value == 4.0
    assert low == 1.0
    assert high == float("inf")
    assert median_delay([3.0, 1.0, 2.0, 4.0])[0] == 2.5


# --- the page -------------------------------------------------------------------------------------


def test_the_page_needs_nothing_else_and_its_contents_lead_somewhere(folder: Path) -> None:
    page = read(folder / "report.html")
    assert page.fetched == []
    assert page.links <= page.ids
    raw = (folder / "report.html").read_text(encoding="utf-8")
    assert "//" not in re.sub(r'(xmlns(:\w+)?|rdf:\w+)="[^"]*"|<!DOCTYPE[^>]*>', "", raw)
    assert "nan" not in " ".join(page.text).split()


def test_the_page_says_what_every_report_says(folder: Path) -> None:
    text = " ".join(" ".join(read(folder / "report.html").text).split())
    for words in (
        "100 of 10,000", "18", "600 honest hours", "0.64", "2,250", "Bergmans et al. 2021",
        "3,190 of about 9,000", "57 %", "Yoder-Himes", "What this study cannot say", "d" * 64, "p" * 64,
        "a" * 64, "0.1.0", "never a verdict", "skin_tone: 1", "too few to say",
    ):  # fmt: skip
        assert words in text, words


def test_the_numbers_file_holds_every_count_and_every_number_its_n(folder: Path) -> None:
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    people = document["results"]["people"]
    assert len(people) == 70
    assert sum(p["kinds"][PHONE]["found"] for p in people) == 24

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if "method" in value:
                assert {"value", "low", "high", "n", "of", "level"} <= set(value)
                assert value["of"]
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(document)


def test_the_tables_read_back(folder: Path) -> None:
    with (folder / "kinds.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["kind"], row["measure"]): row for row in csv.DictReader(file)}
    assert rows["all", "HFR"]["n"] == "40"
    assert rows[DIM, "Se"]["cannot_be_said"]
    with (folder / "flags.csv").open(encoding="utf-8", newline="") as file:
        judged = [row["judged"] for row in csv.DictReader(file)]
    assert judged.count("right") == 24 + 30
    for name in ("persons", "secondary", "fairness", "base_rates", "det", "operating"):
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            assert len(list(csv.reader(file))) > 3, name


def test_the_same_numbers_give_the_same_page(made: Made, folder: Path, tmp_path: Path) -> None:
    report.write(made[0], tmp_path, scores=made[1])
    for name in ("report.html", "report.json", "persons.csv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_reviews_and_causes_are_taken_in(made: Made, tmp_path: Path) -> None:
    run, scores = made
    first = next(s for s in run.sessions if s.arm == "honest" and s.found)
    start = f"{first.found[0].start:.1f}"
    (tmp_path / "reviews.csv").write_text(
        "session,kind,start_s,reviewer,verdict,seconds\n"
        f"{first.id},{PHONE},{start},R1,nothing_to_see,12\n"
        f"{first.id},{PHONE},{start},R2,please_discuss,\n",
        encoding="utf-8",
    )
    (tmp_path / "causes.csv").write_text(
        f"session,kind,start_s,cause\n{first.id},{PHONE},{start},wallet\n", encoding="utf-8"
    )
    from proctor.evaluate import people

    results = work_out(run, scores, people.read(tmp_path))
    assert [f.cause for f in results.flags if f.cause] == ["wallet"]
    assert isinstance(results.agreement.reviewers, Unsaid)
    assert results.agreement.reviewers.here is not None
    assert isinstance(results.workload.timed, Unsaid)
    assert results.workload.timed.here == pytest.approx(12 / 60 / (70 / 15))
    honest = next(one for one in results.confusion if one.side == "honest")
    assert isinstance(honest.human, Estimate)
    assert (honest.human.count, honest.human.n) == (0, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("session,kind\n", "line 1: the column start_s, reviewer, verdict, seconds is missing"),
        ("session,kind,start_s,reviewer,verdict,seconds\na,b,x,R,confirmed,\n", "not a number"),
        ("session,kind,start_s,reviewer,verdict,seconds\na,b,1,R,guilty,\n", "is none of"),
    ],
)
def test_a_review_table_that_does_not_read_says_where(tmp_path: Path, text: str, said: str) -> None:
    from proctor.evaluate import people

    (tmp_path / "reviews.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        people.read(tmp_path)


# --- what cannot be said --------------------------------------------------------------------------


def only(run: Run, keep: Callable[[Session], bool]) -> Run:
    return replace(run, sessions=tuple(s for s in run.sessions if keep(s)))


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (lambda s: s.arm == "instructed", "There is no honest arm"),
        (lambda s: s.arm != "instructed", "There is no instructed arm"),
        (lambda s: s.id == "calm-000", "There is one person only"),
        (lambda s: s.id in ("calm-000", "acts-041"), "With 2 persons"),
        (lambda s: False, "There is no honest arm"),
    ],
)
def test_what_lacks_is_said_and_no_number_printed(
    made: Made, tmp_path: Path, keep: Callable[[Session], bool], said: str
) -> None:
    run = only(made[0], keep)
    report.write(run, tmp_path, scores=made[1])
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["results"]
    assert any(said in sentence for sentence in document["limits"])
    if "no honest" in said:
        assert document["whole"]["hfr"]["cannot_be_said"]
        assert all("cannot_be_said" in one["ppv"] for one in document["predicted"])
    assert said in " ".join(" ".join(read(tmp_path / "report.html").text).split())


def test_no_positive_and_no_flag_is_said_with_the_rule_of_three(made: Made) -> None:
    run = only(made[0], lambda s: s.arm in ("honest", "nervous"))
    clean = replace(run, sessions=tuple(replace(s, found=()) for s in run.sessions))
    limits = " ".join(work_out(clean, None).limits)
    assert "up to 7.5%" in limits
    assert "rule of three" in limits


def test_annotators_who_disagree_are_named_as_a_limit(made: Made) -> None:
    run = made[0]
    sessions = [
        replace(
            s,
            truth=(
                *s.truth,
                *(TruthEvent(s.id, e.start + 40, e.end + 40, e.kind, "B") for e in s.truth),
            ),
        )
        for s in run.sessions[-35:]
    ]
    results = work_out(replace(run, sessions=tuple(sessions)), None)
    found = results.agreement.annotators
    value = found.here if isinstance(found, Unsaid) else found.value
    assert value is not None
    assert value < 0.1
    assert any("Annotators disagree" in one for one in results.limits)


def test_what_was_left_out_is_listed(made: Made, tmp_path: Path) -> None:
    run = replace(
        made[0], skipped=(Skipped("gone", "person 900", "honest", "the file is missing"),)
    )
    report.write(run, tmp_path, scores=made[1])
    text = " ".join(read(tmp_path / "report.html").text)
    assert "the file is missing" in text
    assert "1 of 71 recordings were left out" in " ".join(text.split())


# --- two runs, operating points, plans ------------------------------------------------------------


def test_two_runs_are_compared_person_by_person(made: Made, folder: Path, tmp_path: Path) -> None:
    strict = {**RULES, PHONE: replace(RULES[PHONE], on=0.85, off=0.65)}
    run, scores = study(thresholds=strict)
    report.write(run, tmp_path, scores=scores, against=folder)
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    pair = next(p for p in document["comparison"]["pairs"] if p["kind"] == PHONE)
    before = sum(any(f.kind == PHONE for f in s.found) for s in made[0].sessions[:40])
    assert pair["flagged"]["this"] == 0
    assert pair["flagged"]["other"] == pair["flagged"]["only_other"] == before
    assert pair["flagged"]["p"] == pytest.approx(2 * 0.5**before)
    assert pair["flagged"]["p_holm"] >= pair["flagged"]["p"]
    assert pair["fa_hour"]["high"] < 0
    # One in five is missed before and after: the same persons.
    assert (pair["found"]["only_this"], pair["found"]["only_other"]) == (0, 0)
    assert "Both runs used the same policy." in document["comparison"]["notes"]


def test_a_run_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no report\.json"):
        compare.read(tmp_path)
    (tmp_path / "report.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="another version"):
        compare.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "measure", "most"),
    [("FA/h ≤ 0.05", "FA/h", 0.05), ("HFR<=1 %", "HFR", 0.01), (" FA/h <= 2 ", "FA/h", 2.0)],
)
def test_a_target_as_typed(text: str, measure: str, most: float) -> None:
    assert sweep.goal(text) == sweep.Goal(measure, most)


@pytest.mark.parametrize("text", ["", "FA/h", "FA/h < x", "speed ≤ 1", "FA/h ≤ 0", "HFR ≤ 1.2.3"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(InputError, match="no target"):
        sweep.goal(text)


def test_development_persons_and_others_never_meet(made: Made) -> None:
    first, second = sweep.split(made[0].sessions)
    assert not first & second
    assert len(first | second) == 70
    assert abs(len(first) - len(second)) <= 2
    mixed = [
        replace(made[0].sessions[0], split="development"),
        replace(made[0].sessions[0], id="again", split="test"),
    ]
    with pytest.raises(InputError, match="is in the split development and in the split test"):
        sweep.split(mixed)


def test_thresholds_are_proposed_on_some_and_scored_on_others(made: Made, tmp_path: Path) -> None:
    from policies.evaluated import digest_in, rules_digest
    from policies.schema import RuleSettings

    run, scores = made
    tuned = sweep.tune(run, scores, sweep.goal("FA/h ≤ 0.5"))
    assert isinstance(tuned, sweep.Tuned)
    assert sweep.reached(tuned.on_development, tuned.goal)
    assert not set(tuned.development) & set(tuned.others)
    assert isinstance(tuned.on_others.hfr, Estimate)
    honest_others = [s for s in run.sessions if s.person in tuned.others and s.arm != "instructed"]
    assert tuned.on_others.hfr.n == len(honest_others)
    assert tuned.thresholds[PHONE].on > RULES[PHONE].on
    assert tuned.thresholds[DIM] == RULES[DIM]
    report.write(run, tmp_path, scores=scores, target="FA/h <= 0.5", sweep=True)
    fragment = tomllib.loads((tmp_path / "thresholds.toml").read_text(encoding="utf-8"))
    rules = {kind: RuleSettings(**rule) for kind, rule in fragment["rules"].items()}
    assert digest_in(fragment["evaluation"]) == rules_digest(rules)
    assert rules[PHONE].on == tuned.thresholds[PHONE].on
    with (tmp_path / "operating.csv").open(encoding="utf-8", newline="") as file:
        ons = [float(row["on"]) for row in csv.DictReader(file) if row["kind"] == PHONE]
    assert ons == pytest.approx(sweep.steps(sweep.FINE))


def test_a_target_out_of_reach_or_with_too_few_persons_is_not_made_up(made: Made) -> None:
    few = only(made[0], lambda s: s.id in ("calm-000", "calm-001", "acts-041", "acts-042"))
    assert isinstance(sweep.tune(few, made[1], sweep.goal("FA/h ≤ 1")), Unsaid)


def test_lower_thresholds_never_find_fewer(made: Made) -> None:
    points = sweep.points(*made, PHONE, sweep.steps(0.1))
    assert points[0].found >= points[-1].found
    assert points[-1].false == 0
    assert sweep.points(*made, "no.kind", [0.5]) == []


PLAN = """
title = "Made study"
persons = { honest = 30, instructed = 30 }
[[hypotheses]]
text = "Few are flagged."
measure = "HFR"
at_most = 0.9
[[hypotheses]]
text = "All phones are found."
measure = "Se"
kind = "object.phone"
at_least = 0.99
[[hypotheses]]
text = "Light."
measure = "Se"
kind = "light.dim"
at_least = 0.5
"""
EARLY, LATE = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


def test_a_plan_is_signed_first_and_its_deviations_are_printed(made: Made, tmp_path: Path) -> None:
    run, scores = made
    key = Ed25519PrivateKey.generate()
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN, encoding="utf-8")
    assert preregister.is_plan(plan)
    changed = {**RULES, PHONE: replace(RULES[PHONE], on=0.55)}
    signed = preregister.sign(plan, changed, run.policy_sha256, key, EARLY)
    assert not preregister.is_plan(signed)
    with pytest.raises(InputError, match="registered once"):
        preregister.sign(plan, RULES, run.policy_sha256, key, EARLY)
    import base64

    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    out = tmp_path / "out"
    report.write(run, out, scores=scores, preregistered=signed, public=[public])
    registered = json.loads((out / "report.json").read_text(encoding="utf-8"))["registered"]
    assert [one["said"] for one in registered["outcomes"]] == [
        "shown",
        "contradicted",
        "cannot be said",
    ]
    deviations = " ".join(registered["deviations"])
    assert "object.phone: on was registered as 0.55 and is 0.5" in deviations
    assert "policy file" not in deviations
    assert registered["plan"]["trusted"] is True
    assert "Deviations from the plan" in (out / "report.html").read_text(encoding="utf-8")


def test_a_plan_signed_after_scoring_or_by_somebody_else_is_told(
    made: Made, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN, encoding="utf-8")
    signed = preregister.sign(plan, RULES, "x", Ed25519PrivateKey.generate(), LATE)
    judged = preregister.judge(preregister.open_plan(signed), made[0], {})
    assert "Scoring began before the plan was signed." in judged.deviations
    assert "The policy file is another one than at registration." in judged.deviations
    assert not judged.plan.trusted
    with pytest.raises(InputError, match="cannot be trusted"):
        preregister.open_plan(signed, [Ed25519PrivateKey.generate().public_key()])
    text = signed.read_text(encoding="utf-8")
    signed.write_text(text.replace("payload", "pay-load"), encoding="utf-8")
    with pytest.raises(InputError, match="cannot be trusted"):
        preregister.open_plan(signed)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("title = 1", "needs a title"),
        ('title = "x"', "at least one"),
        ('title = "x"\nother = 1', "'other' is unknown"),
        ('title = "x"\n[[hypotheses]]\nmeasure = "luck"\nat_most = 1', "measure is one of"),
        ('title = "x"\n[[hypotheses]]\nmeasure = "HFR"', "at_most or at_least"),
        ("title = ", "cannot be read"),
    ],
)
def test_a_plan_that_does_not_read_says_why(tmp_path: Path, plan: str, said: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(plan, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        preregister.sign(path, RULES, "x", Ed25519PrivateKey.generate(), EARLY)


def test_cards_get_the_rates_of_the_run_and_keep_the_others(made: Made, tmp_path: Path) -> None:
    from models import registry

    digest = registry.manifest()["yolo11n"].sha256
    run = replace(made[0], models={"yolo11n": digest})
    report.write(run, tmp_path, scores=made[1], cards=True)
    text = (tmp_path / "cards" / "objects.md").read_text(encoding="utf-8")
    card = tomllib.loads(text.split("```toml\n", 1)[1].split("\n```", 1)[0])
    mine = [rate for rate in card["rates"] if rate["what"].startswith("made study: ")]
    assert {(rate["kind"], rate["what"]) for rate in mine} == {
        (PHONE, "made study: instructed persons flagged"),
        (PHONE, "made study: honest persons flagged"),
        (PHONE, "made study: the first such flag of each person was right"),
    }
    (right,) = (rate for rate in mine if rate["tells"] == "right")
    # One flag a person, and only those of which the truth tells.
    flags = json.loads((tmp_path / "report.json").read_text("utf-8"))["results"]["flags"]
    told = [one for one in flags if one["kind"] == PHONE and one["judged"] != "open"]
    people = {one["person"] for one in told}
    firsts = [
        min((f["session"], f["start"], f["judged"]) for f in told if f["person"] == p)
        for p in people
    ]
    assert (right["found"], right["n"]) == (sum(f[2] == "right" for f in firsts), len(people))
    assert 0 < right["found"] < right["n"] < len(told)
    for rate in mine:
        exact = share(rate["found"], rate["n"])
        assert isinstance(exact, Estimate)
        assert rate["interval"] == pytest.approx((exact.low, exact.high), abs=0.0051)
    assert len(card["rates"]) > len(mine)
    # Whose networks these are is asked before anything is counted: a few sessions will do.
    other = replace(run, models={"yolo11n": "0" * 64}, sessions=run.sessions[::10])
    report.write(other, tmp_path / "other", scores=made[1], cards=True)
    assert not (tmp_path / "other" / "cards" / "objects.md").exists()
    assert "the run used another yolo11n" in (tmp_path / "other" / "report.html").read_text("utf-8")
