"""Looks at a case that is a folder: kept, checked by all, told to the student, missed when taken out."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from policies.load import parse
from policies.schema import Review
from policies.texts import LANGUAGES
from proctor.cli.main import main
from proctor.errors import CheckFailed, InputError
from proctor.evidence import access, deciding, decision, keys, layout, retention, verify_case, view
from proctor.evidence.case import Case
from proctor.evidence.clearing import files_of
from proctor.evidence.decision import Decision, DecisionError
from proctor.evidence.export import export
from proctor.evidence.judged import judged
from proctor.evidence.opening import opened
from proctor.evidence.page import write_page
from proctor.evidence.verify import verify
from proctor.session import my_data

ONE, TWO = "object.phone-001", "object.phone-002"
# Both well after the exam (1 March 2026) and the seven days for a comment.
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
REVIEW = Review(window_days=30, second_reviewer=True, comment_days=7)


@pytest.fixture
def as_person(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], access.Reader]:
    """A reader at a machine of their own; their key is made on first use."""

    def make(name: str) -> access.Reader:
        with monkeypatch.context() as inside:
            inside.setenv("PROCTOR_HOME", str(tmp_path / f"home of {name}"))
            return access.local_reader(name)

    return make


def look(folder: Path, who: access.Reader, flag: str = ONE) -> None:
    opened(view.read(folder), flag, [keys.demo_identity()], who, now=NOW)


def decide(
    folder: Path,
    who: access.Reader,
    verdict: str,
    flag: str = ONE,
    reason: str = "",
    hours: int = 0,
) -> Decision:
    case = view.read(folder)
    when = NOW + timedelta(hours=hours)
    return deciding.decide(case, flag, verdict, reason, who, REVIEW, when)  # type: ignore[arg-type]


def state(folder: Path, flag: str = ONE) -> str:
    case = view.read(folder)
    found = deciding.read(folder, case.attempt)
    return deciding.standing(case, found, flag, REVIEW, NOW + timedelta(days=1)).state


def failed(folder: Path) -> dict[str, str]:
    return {check.code: check.detail for check in verify(folder) if not check.ok}


def test_two_people_come_to_an_end_that_everybody_can_check(
    finished_case: Path,
    as_person: Callable[[str], access.Reader],
    capsys: pytest.CaptureFixture[str],
) -> None:
    ada, ben = as_person("Ada"), as_person("Ben")
    with pytest.raises(DecisionError, match="Open the clip first"):
        decide(finished_case, ada, "confirmed", reason="A book lies open.")
    look(finished_case, ada)
    first = decide(finished_case, ada, "confirmed", reason="A book lies open.")
    assert first.clip == view.read(finished_case).sealed[ONE]["sha256"]
    assert state(finished_case) == "second"
    look(finished_case, ben)
    with pytest.raises(DecisionError, match="another person's"):
        decide(finished_case, ada, "confirmed", reason="Again.", hours=1)
    decide(finished_case, ben, "confirmed", reason="A page is turned.", hours=2)
    assert state(finished_case) == "done"
    decide(finished_case, ben, "nothing_to_see", TWO, hours=3)
    assert failed(finished_case) == {}
    assert verify_case.main([str(finished_case)]) == 0
    assert "3 statements of 2 people" in capsys.readouterr().out

    assert main(["case", "show", str(finished_case)]) == 0
    out = capsys.readouterr().out
    told = " ".join(out.split())
    assert "Ada: object.phone-001, first look: confirmed Why: A book lies open." in told
    assert main(["case", "show", str(finished_case), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["decisions"]
    assert [(one["who"], one["flag"], one["verdict"]) for one in listed] == [
        ("Ada", ONE, "confirmed"),
        ("Ben", ONE, "confirmed"),
        ("Ben", TWO, "nothing_to_see"),
    ]


def test_the_student_is_told_what_was_decided_and_why(
    finished_case: Path,
    as_person: Callable[[str], access.Reader],
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = my_data.letter(my_data.gather(finished_case), {}, "en")
    assert "nobody has decided anything yet" in before
    ada = as_person("Ada")
    look(finished_case, ada)
    decide(finished_case, ada, "confirmed", reason="A book lies open.")
    decide(finished_case, ada, "nothing_to_see", TWO, hours=1)
    # Ben's look was forced in after the end: it is told, and does not count.
    end = deciding.of(deciding.read(finished_case, view.read(finished_case).attempt), TWO)[-1]
    said = {"who": "Ben", "look": "second", "verdict": "confirmed", "reason": "No.", "key": ""}
    late = replace(end, when=NOW + timedelta(hours=2), **said)  # type: ignore[arg-type]
    raw = decision.sign(late, as_person("Ben").key)
    (finished_case / layout.DECISIONS / deciding.name_of(decision.read(raw))).write_bytes(raw)
    mine = my_data.gather(finished_case, NOW + timedelta(days=1))
    letter = my_data.letter(mine, {}, "en")
    assert (
        "Ada: what was noted can be seen. Reason: A book lies open. This alone decides nothing."
        in letter
    )
    assert "Note 2, 20 March 2026, 13:00 UTC, Ada: there is nothing to see.\n" in letter
    for lang in set(LANGUAGES) - {"en"}:
        other = my_data.letter(mine, {}, lang)
        assert "A book lies open." in other
        assert "nothing to see" not in other
    assert main(["my-data", "show", str(finished_case), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["decisions"]
    assert [(one["flag"], one["who"], one["decides"]) for one in said] == [
        (1, "Ada", False),
        (2, "Ada", True),
        (2, "Ben", False),
    ]


def test_a_slip_is_taken_back_and_both_stay(
    finished_case: Path, as_person: Callable[[str], access.Reader]
) -> None:
    ada = as_person("Ada")
    slip = decide(finished_case, ada, "nothing_to_see")
    case = view.read(finished_case)
    with pytest.raises(DecisionError, match="for 10 minutes"):
        deciding.take_back(case, slip, ada, REVIEW, NOW + timedelta(minutes=11))
    with pytest.raises(DecisionError, match="Only whoever signed"):
        deciding.take_back(case, slip, as_person("Ben"), REVIEW, NOW + timedelta(minutes=1))
    deciding.take_back(case, slip, ada, REVIEW, NOW + timedelta(minutes=1))
    assert state(finished_case) == "waiting"
    assert len(deciding.read(finished_case, case.attempt)) == 2
    assert failed(finished_case) == {}
    assert [one.kind for one in access.read(finished_case)] == [access.DECIDED, access.DECIDED]


@pytest.mark.parametrize(
    "how", ["taken out", "changed", "renamed", "of another case", "of another clip", "a stranger's"]
)
def test_what_was_done_to_decisions_is_seen_by_both_verifiers(
    finished_case: Path, as_person: Callable[[str], access.Reader], how: str
) -> None:
    ada = as_person("Ada")
    kept = decide(finished_case, ada, "nothing_to_see")
    path = finished_case / layout.DECISIONS / deciding.name_of(kept)
    if how == "taken out":
        path.unlink()
    elif how == "changed":
        path.write_bytes(path.read_bytes().replace(b'"sig": "', b'"sig": "A', 1))
    elif how == "renamed":
        path.rename(path.with_name("0" * 32 + ".dsse"))
    elif how.startswith("of another"):
        attempt, clip = view.read(finished_case).attempt, "c" * 64
        if how == "of another case":
            attempt, clip = "b" * 32, ""
        other = Decision(attempt, ONE, clip, "first", "cannot_tell", "", "Ada", NOW)
        raw = decision.sign(other, ada.key)
        (path.parent / deciding.name_of(decision.read(raw))).write_bytes(raw)
    else:
        (path.parent / "note.txt").write_text("hello")
    assert failed(finished_case)
    assert verify_case.main([str(finished_case)]) == 1
    if how in ("changed", "renamed", "of another case"):
        with pytest.raises(CheckFailed):
            deciding.read(finished_case, view.read(finished_case).attempt)


def test_an_export_takes_decisions_along(
    finished_case: Path, as_person: Callable[[str], access.Reader], tmp_path: Path
) -> None:
    ada = as_person("Ada")
    kept = decide(finished_case, ada, "cannot_tell", reason="It is too dark.")
    export(finished_case, tmp_path / "out.zip", reader=ada)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        archive.extractall(tmp_path / "out")
        assert f"case/decisions/{deciding.name_of(kept)}" in archive.namelist()
    assert verify_case.main([str(tmp_path / "out")]) == 0


def test_a_flag_that_is_decided_does_not_expire_unreviewed(
    finished_case: Path, as_person: Callable[[str], access.Reader]
) -> None:
    decide(finished_case, as_person("Ada"), "nothing_to_see")
    case = view.read(finished_case)
    policy = parse(case.policy, "of this case")
    judged = deciding.decided(case, policy.review, NOW)
    assert judged == {ONE}
    kept = retention.kept(case, files_of(finished_case), decided=judged)
    why = {item.name: retention.deadline(kept, item, policy).rule for item in kept.items}
    assert why[ONE] == "T1"
    assert why[TWO] == "O2"
    # The student is told the day of the class, which is later than that of the review window.
    told = dict(my_data.gather(finished_case, NOW).told.until)
    assert told["clips"] == max(
        retention.deadline(kept, item, policy).at for item in kept.items if item.kind == "clips"
    )


def test_what_cannot_be_decided_on_says_so(
    finished_case: Path, as_person: Callable[[str], access.Reader], begin_case: Callable[..., Case]
) -> None:
    with pytest.raises(InputError, match="no flag 'nobody'"):
        decide(finished_case, as_person("Ada"), "nothing_to_see", "nobody")
    (finished_case / layout.DECISIONS).symlink_to(finished_case / layout.CLIPS)
    with pytest.raises(InputError, match="is a link"):
        decide(finished_case, as_person("Ada"), "nothing_to_see")


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.pieces: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.pieces).split())


def page(folder: Path, now: datetime = NOW + timedelta(days=1)) -> Page:
    made = write_page(folder, folder.parent / "page.html", now=now)
    return Page(made.read_text("utf-8"))


def test_the_page_tells_what_was_decided_and_nothing_before(
    finished_case: Path, as_person: Callable[[str], access.Reader]
) -> None:
    ada, ben = as_person("Ada <b>Quill</b>"), as_person("Ben")
    all_ = len(view.read(finished_case).flags)
    assert f"0 of {all_} are decided." in page(finished_case).text
    look(finished_case, ada)
    decide(finished_case, ada, "confirmed", reason="A <script>book</script> lies open.")
    # Another person is still to look: the page tells nobody what the first one saw, nor that they did.
    told = page(finished_case).text
    assert f"0 of {all_} are decided." in told
    for word in ("Quill", "lies open", "Second look", "can be seen"):
        assert word not in told, word
    look(finished_case, ben)
    decide(finished_case, ben, "confirmed", reason="A page is turned.", hours=2)
    shown = page(finished_case)
    assert f"1 of {all_} is decided." in shown.text
    assert "No number here is a verdict" in shown.text
    assert "Decided: what was noted can be seen." in shown.text
    assert (
        "First look, Ada <b>Quill</b>, 20 March 2026, 12:00 UTC: what was noted can be seen. "
        "Reason: A <script>book</script> lies open."
    ) in shown.text
    assert "Second look, Ben, 20 March 2026, 14:00 UTC: what was noted can be seen." in shown.text
    assert "script" not in shown.tags
    assert access.name_of(ben.key.public_key().public_bytes_raw()) not in shown.text
    assert deciding.key_of(ben)[:12] in shown.text


def test_the_page_tells_what_was_taken_back_and_what_counts_for_nothing(
    finished_case: Path, as_person: Callable[[str], access.Reader]
) -> None:
    ada = as_person("Ada")
    slip = decide(finished_case, ada, "nothing_to_see")
    case = view.read(finished_case)
    deciding.take_back(case, slip, ada, REVIEW, NOW + timedelta(minutes=1))
    told = page(finished_case).text
    assert "taken back 20 March" not in told  # it waits again
    assert "Decided:" not in told
    decide(finished_case, ada, "cannot_tell", hours=1)
    forced = Decision(
        case.attempt, ONE, "", "second", "confirmed", "No.", "Ben", NOW + timedelta(hours=2)
    )
    raw = decision.sign(forced, as_person("Ben").key)
    (finished_case / layout.DECISIONS / deciding.name_of(decision.read(raw))).write_bytes(raw)
    told = page(finished_case).text
    assert "Decided: it could not be told." in told
    assert (
        "First look, Ada, 20 March 2026, 12:00 UTC: nothing to see; taken back 20 March 2026, 12:01 UTC."
    ) in told
    assert "Ben, 20 March 2026, 14:00 UTC: what was noted can be seen; it does not count" in told


def test_an_adverse_look_is_on_no_page_before_the_student_could_comment(
    finished_case: Path, as_person: Callable[[str], access.Reader]
) -> None:
    ada, alone = as_person("Ada"), Review(window_days=30, second_reviewer=False, comment_days=7)
    case = view.read(finished_case)
    ended = deciding.readable(case)
    assert ended is not None
    soon = ended + timedelta(days=1)
    opened(case, ONE, [keys.demo_identity()], ada, now=soon)
    deciding.decide(case, ONE, "confirmed", "A book lies open.", ada, alone, soon)
    found = deciding.read(finished_case, case.attempt)
    for now in (soon, ended + timedelta(days=6, hours=23)):
        assert judged(case, found, alone, now) == {}
        assert "lies open" not in page(finished_case, now).text
    # After the days for a comment the same person looks again; only that decides.
    later = ended + timedelta(days=7, hours=1)
    assert judged(case, found, alone, later) == {}
    deciding.decide(case, ONE, "confirmed", "It does.", ada, alone, later)
    found = deciding.read(finished_case, case.attempt)
    assert judged(case, found, alone, later)[ONE].verdict == "what was noted can be seen"


def test_the_page_tells_no_decision_that_verification_does_not_accept(
    finished_case: Path, as_person: Callable[[str], access.Reader]
) -> None:
    ada = as_person("Ada")
    kept = decide(finished_case, ada, "nothing_to_see")
    assert "Decided: nothing to see." in page(finished_case).text
    other = Decision(kept.attempt, TWO, "c" * 64, "first", "cannot_tell", "", "Ada", NOW)
    raw = decision.sign(other, ada.key)
    path = finished_case / layout.DECISIONS / deciding.name_of(decision.read(raw))
    path.write_bytes(raw)
    told = page(finished_case).text
    assert (
        "What people decided is not told here, because it is not proved: Decisions do not" in told
    )
    assert "Decided:" not in told
    assert "are decided" not in told
    path.unlink()
    # A comment that was put behind the last checkpoint would let an adverse look stand.
    path = finished_case / layout.JOURNAL
    last = path.read_bytes().splitlines()[-1]
    added = json.loads(last)
    added |= {"id": str(int(added["id"]) + 1), "type": "flag.comment", "data": {"flag": ONE}}
    path.write_bytes(path.read_bytes() + json.dumps(added).encode() + b"\n")
    told = page(finished_case).text
    assert "Decided:" not in told
    assert "What people decided is not told here" in told
